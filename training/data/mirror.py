"""What is told of a picture, told of its mirror image. Left becomes right, exactly: the head is symmetric.

A mirror image shows the face of somebody whose left side is the first one's right. With M = diag(-1, 1, 1): points and
lids change sides, a rotation R becomes M R M, an axis-angle (x, y, z) becomes (x, -y, -z), and a component of the
head's bases keeps or changes its sign (`HeadModel.shape_signs`, `expression_signs`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS, open_head_landmarks
from protocol.frame import ARKIT_SHAPES

Floats = NDArray[np.float32]
Truth = dict[str, Floats]

_AXIS_ANGLE = np.array([1.0, -1.0, -1.0], np.float32)
_ROTATION = np.outer([-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]).astype(np.float32).reshape(9)
# Left pitch, left yaw, right pitch, right yaw: eyes change places, and yaws their sign.
_GAZE_ORDER, _GAZE = [2, 3, 0, 1], np.array([1.0, -1.0, 1.0, -1.0], np.float32)


def mirrored(truth: Truth) -> Truth:
    """The truths (see `training.data.face_store.SIZES`) of the mirror image: each float32 [..., size]."""
    told = dict(truth)
    order = _points_order()
    if "points" in told:
        points = told["points"].reshape(*told["points"].shape[:-1], -1, 2)[..., order, :]
        told["points"] = np.stack([1.0 - points[..., 0], points[..., 1]], axis=-1).reshape(told["points"].shape)
    if "points_seen" in told:
        told["points_seen"] = told["points_seen"][..., order]
    for name, change in (
        ("expression", _signs("expression")),
        ("shape", _signs("shape")),
        ("jaw", _AXIS_ANGLE),
        ("rotation", _ROTATION),
    ):
        if name in told:
            told[name] = told[name] * change
    if "eyelids" in told:
        told["eyelids"] = told["eyelids"][..., ::-1]
    if "gaze" in told:
        told["gaze"] = told["gaze"][..., _GAZE_ORDER] * _GAZE
    if "place" in told:
        told["place"] = np.concatenate([1.0 - told["place"][..., :1], told["place"][..., 1:]], axis=-1)
    if "blendshapes" in told:
        told["blendshapes"] = told["blendshapes"][..., _shapes_order()]
    return told


@cache
def _points_order() -> NDArray[np.int64]:
    """[140]: the row of FACE_POINTS that each row has on the other side."""
    row_of = {landmark: row for row, landmark in enumerate(FACE_POINTS)}
    other = open_head_landmarks().mirror
    return np.array([row_of[int(other[landmark])] for landmark in FACE_POINTS])


@cache
def _shapes_order() -> NDArray[np.int64]:
    """[52]: the row of ARKIT_SHAPES with left and right exchanged."""

    def other(name: str) -> str:
        for one, two in (("Left", "Right"), ("Right", "Left")):
            if name.endswith(one):
                return name.removesuffix(one) + two
        return name

    return np.array([ARKIT_SHAPES.index(other(name)) for name in ARKIT_SHAPES])


def _signs(basis: str) -> Floats:
    head = open_head()
    signs = head.shape_signs if basis == "shape" else head.expression_signs
    if signs is None:
        raise ValueError(f"the head {head.id} has no signs of its {basis} under mirroring; build it with its mirror")
    return signs
