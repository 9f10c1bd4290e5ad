"""How loud a microphone is: measured hop by hop, and brought to what the voice's model has heard most.

Levels are in dBFS of the root mean square of a 20 ms hop; a sine that just fits has -3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from driver.profile import SoundLevels
from driver.types import AUDIO_RATE_HZ, HOP_SAMPLES, AudioChunk
from protocol.frame import Floats

SILENCE_DBFS = -120.0
# The voice was trained on speech at -42 to -14 dBFS, with noise 3 to 35 dB below it.
_SPEECH_DBFS, _LOUDEST_NOISE_DBFS = -28.0, -50.0
_MOST_DB = 24.0
# Hops this far below the loudest are pauses within speech.
_PAUSE_DB = 25.0
_SAMPLE_NS = 1_000_000_000 // AUDIO_RATE_HZ


class LevelMeter:
    """Chunks of any length in, the level of each hop that they complete out. A gap in the sound begins a new hop."""

    def __init__(self) -> None:
        self._pending: Floats = np.zeros(0, np.float32)
        self._next_sample: int | None = None

    def add(self, chunk: AudioChunk) -> list[tuple[int, float]]:
        """(end of the hop in ns, level in dBFS) of each hop, oldest first."""
        if chunk.first_sample != self._next_sample:
            self._pending = self._pending[:0]
        self._next_sample = chunk.first_sample + len(chunk.samples)
        sound = np.concatenate([self._pending, chunk.samples])
        hops = sound[: len(sound) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES).astype(np.float64)
        self._pending = sound[hops.size :]
        ends = chunk.capture_ns - (len(sound) - HOP_SAMPLES * np.arange(1, len(hops) + 1)) * _SAMPLE_NS
        return [
            (int(end_ns), decibels(float(power))) for end_ns, power in zip(ends, (hops**2).mean(axis=1), strict=True)
        ]


def decibels(power: float) -> float:
    """10 log10, not below SILENCE_DBFS."""
    return max(SILENCE_DBFS, 10.0 * math.log10(power)) if power > 0.0 else SILENCE_DBFS


def noise_dbfs(levels: Sequence[float]) -> float:
    """The level of a silent room: the middle one, since a cough is not the room."""
    return float(np.median(levels))


def speech_dbfs(levels: Sequence[float]) -> float:
    """The level of speech: the mean power of all but its pauses, in dBFS."""
    spoken = np.array(levels, np.float64)
    spoken = spoken[spoken > spoken.max() - _PAUSE_DB]
    return decibels(float(np.mean(10 ** (spoken / 10.0))))


def gain_db(levels: SoundLevels) -> float:
    """What brings speech to the level that the model knows best, without making much of the room's noise."""
    wanted = _SPEECH_DBFS - levels.speech_dbfs
    most = min(_MOST_DB, max(0.0, _LOUDEST_NOISE_DBFS - levels.noise_dbfs))
    return min(max(wanted, -_MOST_DB), most)


class SoundLevel:
    """Stage: AudioChunk -> the same at the level that the model knows best.

    levels   of this microphone; None: nothing is changed
    watch    is shown every chunk as it came, in the thread of the branch (`driver.calibration`)
    """

    def __init__(self, levels: SoundLevels | None = None) -> None:
        self.watch: Callable[[AudioChunk], None] | None = None
        self._gain = np.float32(1.0 if levels is None else 10 ** (gain_db(levels) / 20.0))

    def process(self, item: AudioChunk) -> AudioChunk:
        """A chunk of any length."""
        if self.watch is not None:
            self.watch(item)
        if self._gain == 1.0:
            return item
        return replace(item, samples=np.clip(self._gain * item.samples, -1.0, 1.0).astype(np.float32))

    def close(self) -> None:
        """Nothing to let go of."""
