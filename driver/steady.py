"""A head at rest is told at rest: what a network adds to its pose from picture to picture is the camera's noise.

The told pose goes towards the seen one by a share of the way that grows with how far they are apart:

    share = least + (1 - least) min(1, apart / moved)^2,   least = 1 - exp(-step / rest)

`apart` is measured at points on the face, in metres. So a head that really moves is followed at once, and one that
rests is a mean over `rest` seconds, whatever the camera's rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.head.rotation import turned_towards

Doubles = NDArray[np.float64]

# Brow, chin and both cheeks, m, in the head's own frame.
_FACE_M = np.array([[0.0, 0.06, 0.06], [0.0, -0.08, 0.06], [0.07, 0.0, 0.0], [-0.07, 0.0, 0.0]])


@dataclass(frozen=True)
class SteadySettings:
    """rest_s    over which a head at rest is averaged; 0 tells every pose as it is seen
    moved_m   a head that is farther away than this from where it was told is followed at once
    """

    rest_s: float = 0.2
    moved_m: float = 0.0015

    def __post_init__(self) -> None:
        if not 0.0 <= self.rest_s <= 2.0:
            raise ValueError(f"rest_s is {self.rest_s:g}; it must be 0..2 seconds, 0 averages nothing")
        if not self.moved_m > 0.0:
            raise ValueError(f"moved_m is {self.moved_m:g}; it must be more than 0 metres, 0.0015 is usual")


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
    if told is None or settings.rest_s == 0.0:
        return seen
    apart_m = float(np.sqrt(np.square(seen.points_m - told.points_m).sum(axis=1).mean()))
    least = -math.expm1(-max(step_s, 0.0) / settings.rest_s)
    share = least + (1.0 - least) * min(1.0, apart_m / settings.moved_m) ** 2
    return Pose(
        turned_towards(told.rotation, seen.rotation, share),
        told.translation + share * (seen.translation - told.translation),
    )
