"""Voices for tests: the embedded sample's, and whatever speech synthesiser is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from driver.demo import sample_path
from driver.types import AUDIO_RATE_HZ, HOP_NS, HOP_SAMPLES, AudioChunk

Samples = NDArray[np.float32]

_SPEAK = {
    "espeak-ng": lambda text, path: ["espeak-ng", "-w", path, text],
    "flite": lambda text, path: ["flite", "-t", text, "-o", path],
}


def decode(path: Path) -> Samples:
    """The sound of a media file: float32 in -1..1, 16 kHz mono, a whole number of hops."""
    resampler = av.AudioResampler("flt", "mono", AUDIO_RATE_HZ)
    with av.open(str(path)) as container:
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    samples = np.concatenate([part.to_ndarray()[0] for part in [*parts, *resampler.resample(None)]])
    return samples[: len(samples) // HOP_SAMPLES * HOP_SAMPLES]


def sample_voice() -> Samples:
    """The recorded voice of the embedded sample, 10 s."""
    return decode(sample_path())


def synthesiser() -> str | None:
    """The name of an installed speech synthesiser, or None."""
    return next((name for name in _SPEAK if shutil.which(name)), None)


def speak(text: str, folder: Path) -> Samples:
    """`text` spoken by the installed synthesiser."""
    name = synthesiser()
    assert name is not None
    path = folder / "speech.wav"
    subprocess.run(_SPEAK[name](text, str(path)), check=True, capture_output=True, timeout=60)
    return decode(path)


def chunks(samples: Samples, first_sample: int = 0) -> Iterator[AudioChunk]:
    """The hops of `samples`, as a microphone would deliver them."""
    for begin in range(0, len(samples) - HOP_SAMPLES + 1, HOP_SAMPLES):
        at = first_sample + begin
        yield AudioChunk(samples[begin : begin + HOP_SAMPLES], at, (at // HOP_SAMPLES + 1) * HOP_NS)


def hop_loudness_db(samples: Samples) -> NDArray[np.float64]:
    """dBFS of each hop, not below -70."""
    mean_square = np.square(samples.reshape(-1, HOP_SAMPLES).astype(np.float64)).mean(axis=1)
    return 10 * np.log10(mean_square + 1e-7)
