"""What the avatar codec should carry: ARKit's weights, or the motion? `python -m training.avatar_choice FILE.adrec ...`

Both are rounded to steps that move the landmarks that they move most by the same distance, both are coded alike: as
differences to a key frame every fourth, with the bits that an ideal coder would need which knows how often each
difference of each value occurs. Printed are these bits and the error on the face, for steps of several sizes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.head.arkit import ArkitMap
from models.head.flame import FaceRig, open_head
from models.head.landmarks import LIPS, SKIN_COUNT, open_head_landmarks
from training.avatar_table import KEY_EVERY, frames_of

Doubles = NDArray[np.float64]

STEPS_MM = (0.05, 0.1, 0.2, 0.4, 0.8)
_MOST_MOVED = 20
# Every so many frames the error is measured.
_STRIDE = 5


def ideal_bits(takes: Sequence[Doubles], steps: Doubles) -> float:
    """Bits a frame of `takes`, each [frames, values], in these steps: the entropy of the differences."""
    differences: list[NDArray[np.int64]] = []
    keys: list[NDArray[np.int64]] = []
    for take in takes:
        whole = np.rint(take / steps).astype(np.int64)
        index = np.arange(len(whole))
        keys.append(whole[::KEY_EVERY])
        differences.append((whole - whole[index - index % KEY_EVERY])[index % KEY_EVERY > 0])
    bits = sum(_entropy(np.concatenate(rows)) * sum(map(len, rows)) for rows in (keys, differences))
    return bits / sum(map(len, takes))


def _entropy(rows: NDArray[np.int64]) -> float:
    total = 0.0
    for values in rows.T:
        share = np.unique(values, return_counts=True)[1] / len(values)
        total -= float((share * np.log2(share)).sum())
    return total


def main() -> None:
    """Print one line for each kind and step."""
    parser = argparse.ArgumentParser(description="Compare what the avatar codec could carry.")
    parser.add_argument("recordings", nargs="+", type=Path, metavar="FILE.adrec")
    frames = [list(frames_of(path)) for path in parser.parse_args().recordings]
    motions = [
        np.array([np.concatenate([one.expression, one.jaw, one.eyelids, one.gaze]) for one in take], np.float64)
        for take in frames
    ]
    weights = [np.array([one.arkit for one in take], np.float64) for take in frames]

    head, embedding = open_head(), open_head_landmarks()
    arkit = ArkitMap(head)
    corners = head.f[embedding.triangles]
    rig = FaceRig(head, vertex_ids=corners.reshape(-1))
    lips = sorted(set(LIPS))

    def landmarks_mm(motion: Doubles) -> Doubles:
        vertices = rig.vertices(*np.split(motion, np.cumsum([50, 3, 2]))).reshape(*corners.shape, 3)
        return 1000 * np.einsum("lk,lkc->lc", embedding.barycentric, vertices).astype(np.float64)

    def motion_of(values: Doubles) -> Doubles:
        return np.concatenate(arkit.to_motion(values), dtype=np.float64)

    def reach_mm(middle: Doubles, motion: Callable[[Doubles], Doubles]) -> Doubles:
        """How far one unit of each value moves what it moves most, by a small change from the middle of all faces."""
        change = 0.02
        at_rest = landmarks_mm(motion(middle))
        moved = [landmarks_mm(motion(middle + change * one)) - at_rest for one in np.eye(len(middle))]
        return np.array([np.sort(np.linalg.norm(one, axis=1))[-_MOST_MOVED:].mean() / change for one in moved])

    true = np.concatenate([take[::_STRIDE] for take in motions])
    for name, takes, to_motion in (("motion", motions, np.array), ("weights", weights, motion_of)):
        reach = np.maximum(reach_mm(np.concatenate(takes).mean(0), to_motion), 1e-3)
        for step_mm in STEPS_MM:
            steps = step_mm / reach
            given = np.concatenate([take[::_STRIDE] for take in takes])
            rounded = np.rint(given / steps) * steps
            errors = np.array(
                [
                    np.linalg.norm(landmarks_mm(to_motion(one)) - landmarks_mm(other), axis=1)
                    for one, other in zip(rounded, true, strict=True)
                ]
            )
            print(
                f"{name:8} step {step_mm:4.2f} mm: {ideal_bits(takes, steps):6.1f} bits, "
                f"lips {errors[:, lips].mean():.3f} mm, face {errors[:, :SKIN_COUNT].mean():.3f} mm"
            )


if __name__ == "__main__":
    main()
