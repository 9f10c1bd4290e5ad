"""What is told of a picture, told of its mirror image. Left becomes right, exactly: the head is symmetric.

A mirror image shows the face of somebody whose left side is the first one's right. What its motion becomes is said in
`models.head.mirror`; with M = diag(-1, 1, 1) points change sides, and a rotation R becomes M R M.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS, open_head_landmarks
from models.head.mirror import MotionMirror
from protocol.frame import ARKIT_SHAPES

Floats = NDArray[np.float32]
Truth = dict[str, Floats]

_ROTATION = np.outer([-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]).astype(np.float32).reshape(9)
_MOTION = ("expression", "shape", "jaw", "eyelids", "gaze")


def mirrored(truth: Truth) -> Truth:
    """The truths (see `training.data.face_store.SIZES`) of the mirror image: each float32 [..., size]."""
    told = dict(truth)
    order = _points_order()
    if "points" in told:
        points = told["points"].reshape(*told["points"].shape[:-1], -1, 2)[..., order, :]
        told["points"] = np.stack([1.0 - points[..., 0], points[..., 1]], axis=-1).reshape(told["points"].shape)
    if "points_seen" in told:
        told["points_seen"] = told["points_seen"][..., order]
    for name in _MOTION:
        if name in told:
            told[name] = _motion_mirror().part(name, told[name])
    if "rotation" in told:
        told["rotation"] = told["rotation"] * _ROTATION
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


@cache
def _motion_mirror() -> MotionMirror:
    return MotionMirror(open_head())
