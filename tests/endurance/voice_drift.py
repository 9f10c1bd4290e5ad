"""Ten minutes of one voice at full speed: `python tests/endurance/voice_drift.py --minutes 10 [--voice-model FILE]`

Silence, speech and noise in turns of half a minute. At the end a line of JSON: whether the state kept its shapes and
stayed bounded, whether silence looks alike at the beginning and at the end, how memory and time per hop went.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.voice import sample_voice

from driver.encode import AudioEncoder
from driver.runtime import OnnxModel
from driver.types import AUDIO_RATE_HZ, HOP_NS, HOP_SAMPLES, AudioChunk
from driver.weights import find_audio_model

TURN_S = 30


def resident_mb() -> float:
    """Resident memory of this process, from /proc."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def turns() -> list[np.ndarray]:
    """Half a minute each of silence, speech and noise, float32."""
    size = TURN_S * AUDIO_RATE_HZ
    noise = np.random.default_rng(0).normal(0, 0.03, size).astype(np.float32)
    return [np.zeros(size, np.float32), np.resize(sample_voice(), size), noise]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--voice-model", default="")
    options = parser.parse_args()
    encoder = AudioEncoder(OnnxModel(find_audio_model(options.voice_model), "cpu"))
    sounds, position = turns(), 0
    shapes: list[dict[str, tuple[int, ...]]] = []
    largest_state, is_finite = 0.0, True
    rest_faces: list[np.ndarray] = []  # the face at the end of each silence
    memory_mb: list[float] = []
    hop_ms: list[float] = []
    for turn in range(max(1, round(options.minutes * 60 / TURN_S))):
        began_s, hops = time.perf_counter(), TURN_S * AUDIO_RATE_HZ // HOP_SAMPLES
        face = np.zeros(0)
        for hop in sounds[turn % 3].reshape(hops, HOP_SAMPLES):
            chunk = AudioChunk(hop, position, (position // HOP_SAMPLES + 1) * HOP_NS)
            position += HOP_SAMPLES
            for motion in encoder.process(chunk):
                face = np.concatenate([motion.expression, motion.jaw])
                is_finite &= bool(np.isfinite(face).all())
        hop_ms.append((time.perf_counter() - began_s) * 1e3 / hops)
        state = encoder._state
        shapes.append({name: array.shape for name, array in state.items()})
        largest_state = max(largest_state, *(float(np.abs(array).max(initial=0.0)) for array in state.values()))
        memory_mb.append(resident_mb())
        if turn % 3 == 0:
            rest_faces.append(face)
    report = {
        "minutes": round(position / AUDIO_RATE_HZ / 60, 2),
        "finite": is_finite,
        "shapes_constant": all(shape == shapes[0] for shape in shapes),
        "largest_state": round(largest_state, 3),
        "rest_drift": round(float(np.abs(rest_faces[-1] - rest_faces[0]).max()), 5),
        "memory_mb": [round(memory_mb[0], 1), round(memory_mb[-1], 1)],
        "ms_per_hop": [round(hop_ms[0], 3), round(hop_ms[-1], 3)],
    }
    print(json.dumps(report))
    is_flat = memory_mb[-1] - memory_mb[min(2, len(memory_mb) - 1)] < 10.0
    return 0 if is_finite and report["shapes_constant"] and is_flat else 1


if __name__ == "__main__":
    sys.exit(main())
