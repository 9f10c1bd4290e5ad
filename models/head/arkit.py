"""ARKit's 52 weights to motion and back.

Towards motion each shape adds its row of the head's `arkit_motion` table. Back, jaw, eyelids and gaze give their shapes
directly (ARKit has opposite shapes for opposite turns), and the remaining ones follow from the expression by least
squares over the vertices, weighted by area, each within 0..1 and mouthClose below jawOpen.

Full weights mean: eyeLook* 25 degrees up or down and 30 aside on the open head, jawOpen its full opening.

On a head whose components are mirror-consistent (the open head), a mirrored input gives the mirrored output to the last
bit: both ways are computed for the input and for its mirror image, and averaged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.head.bounded import bounded_quadratic_minimum
from models.head.flame import EYELID_COUNT, Floats, HeadModel
from protocol.frame import ARKIT_SHAPES, PART_BY_NAME

Doubles = NDArray[np.float64]

JAW_SIZE, GAZE_SIZE = 3, 4
_PARTS = ("expression", "jaw", "eyelids", "gaze")

# Keeps shapes that nearly cancel (a smile against a frown) from growing together, as a share of each one's curvature.
_RIDGE = 1e-3

_DIRECT_SHAPES = tuple(
    name
    for name in ARKIT_SHAPES
    if name in ("jawOpen", "jawLeft", "jawRight") or name.startswith(("eyeBlink", "eyeLook"))
)


class ArkitMap:
    """Both ways for one head. Built once (30 ms); calls keep no state. Weights are in the order of ARKIT_SHAPES."""

    def __init__(self, head: HeadModel) -> None:
        if head.arkit_motion is None:
            raise ValueError(f"head {head.id} has no ARKit table; take the open head or one added by `head add`")
        self._table = head.arkit_motion.astype(np.float64)
        self._expression_count = head.expression_count
        self._weight_mirror = np.array([ARKIT_SHAPES.index(mirrored_name(name)) for name in ARKIT_SHAPES])
        self._motion_mirror, self._motion_signs = _motion_mirror(head)
        self._is_mirrorable = head.expression_signs is not None

        self._direct = np.array([ARKIT_SHAPES.index(name) for name in _DIRECT_SHAPES])
        self._solved = np.setdiff1d(np.arange(len(ARKIT_SHAPES)), self._direct)
        self._mouth_close = int(np.searchsorted(self._solved, ARKIT_SHAPES.index("mouthClose")))
        # Each direct shape reads one entry of jaw, eyelids or gaze: the one that it drives most.
        turns = self._table[self._direct, self._expression_count :]
        self._direct_entry = self._expression_count + np.argmax(np.abs(turns), axis=1)
        self._direct_full = self._table[self._direct, self._direct_entry]

        dirs = head.shapedirs[:, :, head.shape_count :].astype(np.float64).reshape(-1, self._expression_count)
        metric = dirs.T @ (np.repeat(_vertex_areas(head), 3)[:, None] * dirs)
        rows = self._table[self._solved, : self._expression_count]
        self._to_gradient = rows @ metric
        curvature = self._to_gradient @ rows.T
        self._curvature = curvature + _RIDGE * np.diag(np.diag(curvature))

    def to_motion(self, weights: ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
        """(expression [E] sd, jaw [3] rad, eyelids [2] 0..1, gaze [4] rad) of `weights` [52], all float32.

        Weights outside 0..1 are clipped, mouthClose to jawOpen, and impossible faces to the motion space's bounds.
        """
        given = np.clip(np.asarray(weights, np.float64), 0.0, 1.0)
        if given.shape != (len(ARKIT_SHAPES),):
            raise ValueError(f"there are {given.shape} weights; ARKit has {len(ARKIT_SHAPES)}")
        close, opening = ARKIT_SHAPES.index("mouthClose"), ARKIT_SHAPES.index("jawOpen")
        given[close] = min(given[close], given[opening])
        expression, jaw, eyelids, gaze = (
            np.clip(values, PART_BY_NAME[name].minimum, PART_BY_NAME[name].maximum)
            for name, values in zip(_PARTS, self.motion_change(given), strict=True)
        )
        return expression, jaw, eyelids, gaze

    def to_arkit(self, expression: ArrayLike, jaw: ArrayLike, eyelids: ArrayLike, gaze: ArrayLike) -> Floats:
        """Weights float32 [52] in 0..1 of a motion; arguments as `FaceRig.vertices` takes them."""
        motion = np.concatenate([expression, jaw, eyelids, gaze], dtype=np.float64)
        if motion.shape != self._motion_signs.shape:
            raise ValueError(f"the motion has {motion.size} values; head and ARKit need {self._motion_signs.size}")
        weights = self._solve(motion)
        if self._is_mirrorable:
            weights = 0.5 * (weights + self._solve(self._mirrored_motion(motion))[self._weight_mirror])
        return weights.astype(np.float32)

    def motion_change(self, change: ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
        """By how much (expression, jaw, eyelids, gaze) change when the weights change by `change` [52], of any sign.

        Nothing is clipped: the way from weights to motion is linear, so that what was in a motion beside its weights
        stays in it.
        """
        given = np.asarray(change, np.float64)
        motion = given @ self._table
        if self._is_mirrorable:
            motion = 0.5 * (motion + self._mirrored_motion(given[self._weight_mirror] @ self._table))
        parts = np.split(motion.astype(np.float32), np.cumsum([self._expression_count, JAW_SIZE, EYELID_COUNT]))
        expression, jaw, eyelids, gaze = parts
        return expression, jaw, eyelids, gaze

    def _solve(self, motion: Doubles) -> Doubles:
        weights = np.zeros(len(ARKIT_SHAPES))
        weights[self._direct] = np.clip(motion[self._direct_entry] / self._direct_full, 0.0, 1.0)
        expression = motion[: self._expression_count] - weights @ self._table[:, : self._expression_count]
        upper = np.ones(len(self._solved))
        upper[self._mouth_close] = weights[ARKIT_SHAPES.index("jawOpen")]
        weights[self._solved] = bounded_quadratic_minimum(self._curvature, self._to_gradient @ expression, upper)
        return weights

    def _mirrored_motion(self, motion: Doubles) -> Doubles:
        return motion[self._motion_mirror] * self._motion_signs


def mirrored_name(name: str) -> str:
    """The ARKit shape on the other side; shapes without a side are their own mirror image."""
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    return name.removesuffix("Right") + "Left" if name.endswith("Right") else name


def mirrored_weights(weights: NDArray[np.floating]) -> NDArray[np.floating]:
    """ARKit weights [..., 52] with left and right exchanged."""
    return weights[..., [ARKIT_SHAPES.index(mirrored_name(name)) for name in ARKIT_SHAPES]]


def _motion_mirror(head: HeadModel) -> tuple[NDArray[np.int64], Doubles]:
    """Index and sign that turn (expression, jaw, eyelids, gaze) into its mirror image: m'[i] = sign[i] m[index[i]]."""
    count = head.expression_count
    signs = np.ones(count) if head.expression_signs is None else head.expression_signs.astype(np.float64)
    jaw, eyelids, gaze = [0, 1, 2], [4, 3], [7, 8, 5, 6]  # offsets from the expression's end
    index = np.concatenate([np.arange(count), count + np.array(jaw + eyelids + gaze)])
    return index, np.concatenate([signs, [1.0, -1.0, -1.0], [1.0, 1.0], [1.0, -1.0, 1.0, -1.0]])


def _vertex_areas(head: HeadModel) -> Doubles:
    """A third of the area of each vertex's triangles [V], as shares of the whole."""
    corners = head.v_template[head.f].astype(np.float64)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    shares = sum(np.bincount(head.f[:, corner], areas, minlength=head.vertex_count) for corner in range(3))
    return shares / np.sum(shares)
