"""What the head costs:  python -m training.head.bench  prints a table of milliseconds and one JSON line last."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np

from models.head.arkit import ArkitMap
from models.head.flame import FaceRig, HeadModel, open_head
from training.head.plausible import draw_faces

_REPEATS = 1000
# A vertex counts as animated when a plausible face (3 sd in one component) moves it by a tenth of a millimetre.
_STILL_M_PER_SD = 0.0001 / 3.0


def animated_vertices(head: HeadModel) -> np.ndarray:
    """Indices of the vertices that expression, jaw, lids or gaze move."""
    moves = np.abs(head.shapedirs[:, :, head.shape_count :]).max(axis=(1, 2)) > _STILL_M_PER_SD
    moves |= np.any(head.weights[:, 2:] > 0.0, axis=1)
    if head.eyeliddirs is not None:
        moves |= np.abs(head.eyeliddirs).max(axis=(1, 2)) > _STILL_M_PER_SD
    return np.flatnonzero(moves)


def main() -> None:
    head = open_head()
    arkit = ArkitMap(head)
    faces = draw_faces(np.random.default_rng(0), _REPEATS)
    motions = [arkit.to_motion(weights) for weights in faces]
    pose = np.array([0.1, 0.2, 0.0]), np.array([0.0, 0.0, -0.6])
    whole, animated = FaceRig(head), FaceRig(head, vertex_ids=animated_vertices(head))
    steps: dict[str, Callable[[int], object]] = {
        f"forward, whole head ({head.vertex_count} vertices)": lambda i: whole.vertices(*motions[i], *pose),
        f"forward, animated part ({len(animated.rest) // 3} vertices)": lambda i: animated.vertices(*motions[i], *pose),
        "ARKit to motion": lambda i: arkit.to_motion(faces[i]),
        "motion to ARKit": lambda i: arkit.to_arkit(*motions[i]),
    }
    results = {}
    for name, step in steps.items():
        times_ms = []
        for index in range(_REPEATS):
            began = time.perf_counter()
            step(index)
            times_ms.append(1e3 * (time.perf_counter() - began))
        p50, p95, p99 = np.percentile(times_ms, [50, 95, 99])
        results[name] = {"p50_ms": round(p50, 4), "p95_ms": round(p95, 4), "p99_ms": round(p99, 4)}
        print(f"{name:45} p50 {p50:7.3f}  p95 {p95:7.3f}  p99 {p99:7.3f} ms")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
