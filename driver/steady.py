"""A face at rest is told at rest: what a network adds to it from picture to picture is the camera's noise.

What is told goes towards what is seen by a share of the way that grows with how far they are apart:

    share = least + (1 - least) min(1, apart / moved)^2,   least = 1 - exp(-step / rest)

`apart` is measured at points on the face, in metres. So what really moves is followed at once, and what rests is a mean
over `rest` seconds, whatever the camera's rate. The head is held as a whole, and so is what the face does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.head.arkit import JAW_SIZE
from models.head.flame import JAW, open_head
from models.head.landmarks import BROW_ROWS, FACE_POINTS, MOUTH_ROWS, LandmarkRig, open_head_landmarks
from models.head.rotation import turned_towards
from protocol.frame import Floats

Doubles = NDArray[np.float64]

# Brow, chin and both cheeks, m, in the head's own frame.
_FACE_M = np.array([[0.0, 0.06, 0.06], [0.0, -0.08, 0.06], [0.07, 0.0, 0.0], [-0.07, 0.0, 0.0]])


@dataclass(frozen=True)
class SteadySettings:
    """rest_s    over which what rests is averaged; 0 tells everything as it is seen
    moved_m   what is farther away than this from where it was told is followed at once
    """

    rest_s: float
    moved_m: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.rest_s <= 2.0:
            raise ValueError(f"rest_s is {self.rest_s:g}; it must be 0..2 seconds, 0 averages nothing")
        if not self.moved_m > 0.0:
            raise ValueError(
                f"moved_m is {self.moved_m:g}; it must be more than 0 metres, a head's is {HEAD.moved_m:g}"
            )

    def share(self, apart_m: float, step_s: float) -> float:
        """Of the way from what was told to what is seen, 0..1."""
        if self.rest_s == 0.0:
            return 1.0
        least = -math.expm1(-max(step_s, 0.0) / self.rest_s)
        return least + (1.0 - least) * min(1.0, apart_m / self.moved_m) ** 2


# A filmed head that sits still moves by less than half a millimetre from picture to picture.
HEAD = SteadySettings(rest_s=0.35, moved_m=0.003)
MOTION = SteadySettings(rest_s=0.1, moved_m=0.0008)


@dataclass(frozen=True, eq=False)
class Pose:
    """rotation [3, 3] and translation [3] (m) of a head in its camera."""

    rotation: Doubles
    translation: Doubles

    @property
    def points_m(self) -> Doubles:
        """Four points of the face [4, 3]."""
        return _FACE_M @ self.rotation.T + self.translation


def steadied(told: Pose | None, seen: Pose, step_s: float, settings: SteadySettings) -> Pose:
    """The pose to tell now, `step_s` after `told`; a first one is told as it is seen."""
    if told is None:
        return seen
    apart_m = float(np.sqrt(np.square(seen.points_m - told.points_m).sum(axis=1).mean()))
    share = settings.share(apart_m, step_s)
    return Pose(
        turned_towards(told.rotation, seen.rotation, share),
        told.translation + share * (seen.translation - told.translation),
    )


def steadied_motion(told: Floats | None, seen: Floats, step_s: float, settings: SteadySettings) -> Floats:
    """The same of expression and jaw, float32 [53]."""
    if told is None:
        return seen
    share = settings.share(motion_apart_m(told, seen), step_s)
    return (told + np.float32(share) * (seen - told)).astype(np.float32)


def motion_apart_m(one: Floats, other: Floats) -> float:
    """How far apart two motions [53] put the mouth, the brows, or the rest of the face of the mean head: the largest of
    the three root mean squares. The jaw's turn is taken for as straight as it is at rest.
    """
    return float(np.sqrt(np.square(_regions() @ (one - other)).sum(axis=1).max()))


@cache
def _regions() -> Floats:
    """[3, 53, 53]: of each region, a root of the mean square of its points' moves."""
    rig = LandmarkRig(open_head(), open_head_landmarks(), FACE_POINTS)
    rest, joint = rig.at_rest(()), rig.joint(JAW, (), ())
    still = np.zeros(rig.expression_dirs.shape[2], np.float32)
    posed = rig.posed(rest, joint, still, np.zeros(JAW_SIZE), np.zeros(2), np.zeros(4))
    by_jaw = rig.by_jaw(posed, np.zeros(JAW_SIZE)).transpose(2, 0, 1)
    moves = np.concatenate([rig.expression_dirs, by_jaw], axis=2).astype(np.float64)
    roots: list[Doubles] = []
    for rows in (MOUTH_ROWS, BROW_ROWS, slice(BROW_ROWS.stop, None)):
        part = moves[rows] / math.sqrt(len(moves[rows]))
        _, size, turn = np.linalg.svd(part.reshape(-1, part.shape[2]), full_matrices=False)
        roots.append(size[:, None] * turn)
    return np.stack(roots).astype(np.float32)
