"""Finds faces: MediaPipe's short-range detector on the whole picture and, for small faces, on tiles of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from driver.face_networks import Network
from protocol.frame import Floats

_INPUT_PX = 128
_SCORE_MINIMUM = 0.5
_OVERLAP_MINIMUM = 0.3  # boxes of one face, whose weighted mean is the detection
_KEYPOINTS = 6
# The detector's two feature maps: cells a side, anchors a cell (MediaPipe's SSD options for this network).
_ANCHOR_GRIDS = ((16, 2), (8, 6))
# The detector sees faces wider than a fifth of its input; tiles reach those of a tenth and a fifteenth of the picture.
_TILE_FRACTIONS = (1 / 2, 1 / 3)


@dataclass(frozen=True)
class Window:
    """A square of the picture, in pixels; it may reach beyond the borders, where it is black."""

    left: int
    top: int
    side: int


@dataclass(frozen=True, eq=False)
class Detection:
    """box        left, top, right, bottom in pixels of the picture
    keypoints  float32 [6, 2] pixels: right eye, left eye, nose tip, mouth, right ear, left ear
    score      0..1
    """

    box: Floats
    keypoints: Floats
    score: float


def whole(width: int, height: int) -> Window:
    """The smallest square around the whole picture."""
    side = max(width, height)
    return Window((width - side) // 2, (height - side) // 2, side)


def tiles(width: int, height: int) -> list[Window]:
    """Half-overlapping squares that cover the picture at two scales, the coarse ones first, centre first."""
    windows: list[Window] = []
    for fraction in _TILE_FRACTIONS:
        side = round(max(width, height) * fraction)
        lefts, tops = (_starts(size, side) for size in (width, height))
        grid = [Window(left, top, side) for top in tops for left in lefts]
        centre_x, centre_y = (width - side) / 2, (height - side) / 2
        windows += sorted(grid, key=lambda at: math.hypot(at.left - centre_x, at.top - centre_y))
    return windows


def _starts(size: int, side: int) -> list[int]:
    if side >= size:
        return [(size - side) // 2]
    count = math.ceil((size - side) / (side / 2)) + 1
    return [round(start) for start in np.linspace(0, size - side, count)]


def detect_faces(detector: Network, image: NDArray[np.uint8], window: Window) -> list[Detection]:
    """Faces in one window of an RGB picture (uint8 [height, width, 3]), the most certain first."""
    outputs = detector((_cut(image, window).astype(np.float32) / 127.5 - 1.0)[None])
    logits = outputs["classificators"][0, :, 0]
    scores: Floats = (1.0 / (1.0 + np.exp(-np.clip(logits, -50.0, 50.0)))).astype(np.float32)
    kept = np.flatnonzero(scores >= _SCORE_MINIMUM)
    scores, raw, anchors = scores[kept], outputs["regressors"][0, kept] / _INPUT_PX, _ANCHORS[kept]
    centres, sizes = raw[:, :2] + anchors, raw[:, 2:4]
    keypoints = raw[:, 4:] + np.tile(anchors, _KEYPOINTS)
    points = np.concatenate([centres - sizes / 2, centres + sizes / 2, keypoints], axis=1)
    origin = np.array([window.left, window.top] * (2 + _KEYPOINTS), np.float32)
    found: list[Detection] = []
    for group in _groups(points[:, :4], scores):
        weights = scores[group, None] / scores[group].sum()
        mean = origin + window.side * (weights * points[group]).sum(axis=0)
        found.append(Detection(mean[:4], mean[4:].reshape(_KEYPOINTS, 2), float(scores[group[0]])))
    return found


def _groups(boxes: Floats, scores: Floats) -> list[NDArray[np.intp]]:
    """Indices of the boxes of each face, the most certain box first (weighted non-maximum suppression)."""
    left = np.argsort(-scores, kind="stable")
    groups: list[NDArray[np.intp]] = []
    while len(left):
        same = _overlap(boxes[left[0]], boxes[left]) > _OVERLAP_MINIMUM
        same[0] = True
        groups.append(left[same])
        left = left[~same]
    return groups


def _overlap(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of `box` [4] with each of `boxes` [n, 4]."""
    shared = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared_area = np.prod(np.maximum(shared, 0.0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return shared_area / np.maximum(np.prod(box[2:] - box[:2]) + areas - shared_area, 1e-9)


def _cut(image: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
    """The window as uint8 [128, 128, 3]; area averaging, as bilinear sampling of a large picture loses small faces."""
    height, width = image.shape[:2]
    left, top = max(window.left, 0), max(window.top, 0)
    right, bottom = min(window.left + window.side, width), min(window.top + window.side, height)
    scale = _INPUT_PX / window.side
    x0, y0 = round((left - window.left) * scale), round((top - window.top) * scale)
    x1, y1 = round((right - window.left) * scale), round((bottom - window.top) * scale)
    cut = np.zeros((_INPUT_PX, _INPUT_PX, 3), np.uint8)
    cv2.resize(image[top:bottom, left:right], (x1 - x0, y1 - y0), dst=cut[y0:y1, x0:x1], interpolation=cv2.INTER_AREA)
    return cut


def _anchor_centres() -> Floats:
    """float32 [896, 2] in 0..1: every cell's centre, once for each of its anchors."""
    grids: list[Floats] = []
    for cells, repeats in _ANCHOR_GRIDS:
        middle = ((np.arange(cells) + 0.5) / cells).astype(np.float32)
        rows, columns = np.meshgrid(middle, middle, indexing="ij")
        grids.append(np.repeat(np.stack([columns.ravel(), rows.ravel()], axis=1), repeats, axis=0))
    return np.concatenate(grids)


_ANCHORS = _anchor_centres()
