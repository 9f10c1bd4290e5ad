"""What lips do, in millimetres, from the motion of the open head: opening, width and protrusion.

Exact and cheap: the expression is linear and the jaw turns a few points as the head's own forward pass does, so that
training, evaluation and tests all measure with these.

The points are landmarks on the surface: the middles of the lips' inner contours, the corners of the mouth and the
middle of the upper lip's outer contour. All measures are differences from the neutral face, where they are 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.head.arkit import JAW_SIZE
from models.head.flame import JAW, open_head
from models.head.landmarks import open_head_landmarks

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

EXPRESSION_SIZE = 50
_UPPER_INNER, _LOWER_INNER = 13, 14
_RIGHT_CORNER, _LEFT_CORNER = 61, 291
_UPPER_OUTER = 0
_MM = 1e3
# Below this angle the quotients of Rodrigues' formula are replaced by their limits.
_SMALL_ANGLE_RAD = 1e-4


def lip_gap_mm(motion: ArrayLike) -> Floats:
    """Height of the opening between the middles of the lips: float32 [...] of motion [..., 53] (sd and rad).

    It agrees with what a front view shows between the lips while their middles face each other. Pressed and rolled lips
    are below 0. ValueError when the motion has another size.
    """
    upper, lower = landmark_moves_mm(motion, _UPPER_INNER, _LOWER_INNER)
    return upper[..., 1] - lower[..., 1]


def lip_width_mm(motion: ArrayLike) -> Floats:
    """How far apart the corners of the mouth are, more than at rest: float32 [...]; spread > 0, rounded < 0."""
    left, right = landmark_moves_mm(motion, _LEFT_CORNER, _RIGHT_CORNER)
    return left[..., 0] - right[..., 0]


def lip_protrusion_mm(motion: ArrayLike) -> Floats:
    """How far the upper lip comes forward: float32 [...]; the mean of its inner and its outer contour.

    The upper lip alone, because the lower one rides on the jaw and goes back when it opens.
    """
    inner, outer = landmark_moves_mm(motion, _UPPER_INNER, _UPPER_OUTER)
    return np.float32(0.5) * (inner[..., 2] + outer[..., 2])


def landmark_moves_mm(motion: ArrayLike, *landmarks: int) -> list[Floats]:
    """How far each of MediaPipe's `landmarks` is from where it is at rest: float32 [..., 3] each, mm.

    ValueError when the motion [..., 53] has another size.
    """
    motion = np.asarray(motion, np.float64)
    if motion.shape[-1:] != (EXPRESSION_SIZE + JAW_SIZE,):
        raise ValueError(
            f"motion is {motion.shape}; its last axis must be {EXPRESSION_SIZE} expression and 3 jaw values"
        )
    expression, turn = motion[..., :EXPRESSION_SIZE], _turns(motion[..., EXPRESSION_SIZE:])
    joint, joint_dirs = _jaw_joint()
    moved_joint = joint + expression @ joint_dirs
    moves: list[Floats] = []
    for point in map(_point, landmarks):
        offset = expression @ point.dirs + turn.reshape(*turn.shape[:-2], 9) @ point.correctives
        from_joint = point.at_rest + offset - moved_joint
        offset = offset + point.jaw_share * np.einsum("...ij,...j->...i", turn, from_joint)
        moves.append((_MM * offset).astype(np.float32))
    return moves


@dataclass(frozen=True, eq=False)
class _Point:
    """A point of the surface: at rest [3] m, by expression [50, 3] m/sd, by the jaw's R - I [9, 3] m, and its share in
    the jaw's rotation, 0..1.
    """

    at_rest: Doubles
    dirs: Doubles
    correctives: Doubles
    jaw_share: float


@cache
def _point(landmark: int) -> _Point:
    head, embedding = open_head(), open_head_landmarks()
    corners, shares = head.f[embedding.triangles[landmark]], embedding.barycentric[landmark].astype(np.float64)

    def here(values: NDArray[np.float32]) -> Doubles:
        return np.asarray(np.tensordot(shares, values[corners], axes=1), np.float64)

    return _Point(
        at_rest=here(head.v_template),
        dirs=here(head.shapedirs[:, :, head.shape_count :]).T,
        correctives=here(head.posedirs[:, :, 9 * (JAW - 1) : 9 * JAW]).T,
        jaw_share=float(here(head.weights[:, JAW])),
    )


@cache
def _jaw_joint() -> tuple[Doubles, Doubles]:
    """The jaw's joint [3] and how the expression moves it [50, 3]."""
    head = open_head()
    regressor = head.J_regressor[JAW].astype(np.float64)
    dirs = head.shapedirs[:, :, head.shape_count :].astype(np.float64)
    return regressor @ head.v_template.astype(np.float64), np.asarray(
        np.einsum("v,vce->ec", regressor, dirs), np.float64
    )


def _turns(axis_angle: Doubles) -> Doubles:
    """R - I [..., 3, 3] of axis-angle vectors [..., 3] (Rodrigues' formula)."""
    angle = np.linalg.norm(axis_angle, axis=-1)[..., None, None]
    safe = np.maximum(angle, _SMALL_ANGLE_RAD)
    sine_over = np.where(angle < _SMALL_ANGLE_RAD, 1.0, np.sin(safe) / safe)
    versine_over = np.where(angle < _SMALL_ANGLE_RAD, 0.5, (1.0 - np.cos(safe)) / safe**2)
    x, y, z = np.moveaxis(axis_angle, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    return sine_over * cross + versine_over * (cross @ cross)
