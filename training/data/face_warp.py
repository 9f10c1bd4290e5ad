"""A picture of a face pulled into an expression that it does not show, and told so.

Whoever draws a thousand people draws each of them in a few moments, and a network learns by heart which picture showed
a jaw aside. Here the same picture shows another jaw every time that it is seen: the head behind it is moved from what
it did to what it shall do, and the picture goes along. Shading stays as it was, and nothing comes to light that lips or
lids hide: so only what moves over the face is pulled, and never what opens.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.head.arkit import ArkitMap
from models.head.flame import GROUPS, FaceRig, open_head
from models.head.surface import vertex_normals
from protocol.frame import ARKIT_SHAPES, PART_BY_NAME
from training.data.face_store import PICTURE_PX, Picture
from training.data.mirror import Truth

Floats = NDArray[np.float32]

# What is pulled, how often each, and how far at most (its ARKit weight).
_SIDED = ("jaw", "mouth", "noseSneer", "cheekSquint", "browDown", "browOuterUp", "mouthUpperUp", "mouthSmile")
_SIDED_TOO = ("mouthFrown", "mouthDimple", "mouthStretch")
ACTS = (
    *(f"{name}{side}" for name in (*_SIDED, *_SIDED_TOO) for side in ("Left", "Right")),
    "browInnerUp",
    "mouthPucker",
    "mouthShrugLower",
    "mouthShrugUpper",
)
_CHANCE, _LEAST, _MOST = 0.15, 0.15, 0.9
# The picture's motion is smoothed over so much of it, and fades beside the face: cells of two pixels.
_CELLS = PICTURE_PX // 2
_SMOOTH_CELLS, _FAINT, _PASSES = 1.0, 0.02, 3
# How far a vertex must look this way (cosine) to be seen, and how near the camera comes at most.
_FACING, _NEAREST_M = 0.1, 0.02
_DOWN = np.array([1.0, -1.0], np.float32)
# Steps from where a point was to where it is now, of a field that is known where things are now.
_TURNS = 3


def pulled(picture: Picture, truth: Truth, rng: np.random.Generator) -> tuple[Picture, Truth]:
    """A stored picture [192, 192, 3] and its truths with some of ACTS added; as it was where the head is not known."""
    needed = ("expression", "jaw", "eyelids", "gaze", "shape", "rotation", "place", "focal")
    if not all(np.isfinite(truth[name]).all() for name in needed):
        return picture, truth
    weights = np.zeros(len(ARKIT_SHAPES))
    for name in ACTS:
        if rng.random() < _CHANCE:
            weights[ARKIT_SHAPES.index(name)] = rng.uniform(_LEAST, _MOST)
    if not weights.any():
        return picture, truth
    face = _face()
    expression, jaw, _, _ = face.arkit.motion_change(weights)
    told = dict(truth)
    told["expression"] = truth["expression"] + expression
    told["jaw"] = np.clip(truth["jaw"] + jaw, PART_BY_NAME["jaw"].minimum, PART_BY_NAME["jaw"].maximum)
    told["mood"] = np.full_like(truth["mood"], np.nan)
    before, after = face.seen(truth, told)
    field = _field(before, after, face.facing(truth))
    told["points"] = _carried(truth["points"].reshape(-1, 2), field).reshape(-1)
    return _moved(picture, field), told


class _Face:
    """The front of the open head's skin, seen by a stored picture's camera."""

    def __init__(self) -> None:
        head = open_head()
        normals = vertex_normals(head.v_template.astype(np.float64), head.f.astype(np.int64)).astype(np.float32)
        is_skin = np.zeros(head.vertex_count, bool)
        is_skin[head.f if head.groups is None else head.f[head.groups == GROUPS.index("skin")]] = True
        rows = np.flatnonzero(is_skin & (normals[:, 2] > 0.0))
        self.rig = FaceRig(head, vertex_ids=rows)
        self.shapes = np.ascontiguousarray(head.shapedirs[rows][:, :, : head.shape_count].reshape(3 * len(rows), -1))
        self.normals = normals[rows]
        self.arkit = ArkitMap(head)

    def seen(self, *moments: Truth) -> list[Floats]:
        """Its vertices [N, 2] in the picture, 0..1, in some moments of one head in one place; see
        `training.losses.face_surface.projected`.
        """
        truth = moments[0]
        shape = (self.shapes @ truth["shape"]).reshape(-1, 3)
        origin, scale = truth["place"][:2], truth["place"][2]
        depth = truth["focal"][0] / scale
        turn = truth["rotation"].reshape(3, 3).T
        found = list[Floats]()
        for moment in moments:
            parts = (moment["expression"], moment["jaw"], moment["eyelids"], moment["gaze"])
            at = (self.rig.vertices(*parts) + shape) @ turn
            nearer = depth / np.maximum(depth - at[:, 2], _NEAREST_M)
            found.append(np.asarray(0.5 + nearer[:, None] * (origin - 0.5 + scale * at[:, :2] * _DOWN), np.float32))
        return found

    def facing(self, truth: Truth) -> NDArray[np.bool_]:
        return self.normals @ truth["rotation"].reshape(3, 3)[2] > _FACING


@cache
def _face() -> _Face:
    return _Face()


def _field(before: Floats, after: Floats, facing: NDArray[np.bool_]) -> Floats:
    """How far from where it was everything is now [192, 192, 2], pixels, by where it is now."""
    at, off = after[facing] * _CELLS, (after - before)[facing] * PICTURE_PX
    inside = np.all((at >= 0.0) & (at < _CELLS), axis=1)
    column, row = at[inside].astype(np.int64).T
    cell, missing = row * _CELLS + column, off[inside]

    def spread(values: Floats) -> Floats:
        sums = np.bincount(cell, values, _CELLS * _CELLS).reshape(_CELLS, _CELLS)
        sums = cv2.GaussianBlur(sums.astype(np.float32), (0, 0), _SMOOTH_CELLS, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(sums, np.float32)

    share = 1.0 / (spread(np.ones(len(cell), np.float32)) + _FAINT)
    field = np.zeros((_CELLS, _CELLS, 2), np.float32)
    # What smoothing took away is added again, so that the picture moves as far as it is said to.
    for _ in range(_PASSES):
        field += np.stack([spread(values) * share for values in missing.T], axis=2)
        missing = off[inside] - field.reshape(-1, 2)[cell]
    return np.asarray(cv2.resize(field, (PICTURE_PX, PICTURE_PX), interpolation=cv2.INTER_LINEAR), np.float32)


def _moved(picture: Picture, field: Floats) -> Picture:
    rows, columns = np.indices((PICTURE_PX, PICTURE_PX), np.float32)
    moved = cv2.remap(
        picture, columns - field[:, :, 0], rows - field[:, :, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


def _carried(points: Floats, field: Floats) -> Floats:
    """Where points [P, 2], 0..1, have gone: those at p with p - field(p) where they were."""
    was = points * PICTURE_PX - 0.5
    now = was
    for _ in range(_TURNS):
        columns, rows = now[None, :, 0], now[None, :, 1]
        now = was + np.asarray(cv2.remap(field, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))[0]
    return np.asarray((now + 0.5) / PICTURE_PX, np.float32)
