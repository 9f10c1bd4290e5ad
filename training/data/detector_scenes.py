"""Pictures with several faces or none, for the face detector: faces of the stores pasted into places without any.

Everything random of a batch comes from (seed, step). Tiles without a face are pasted like those with one, so that the
seams of a tile tell nothing.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from models.head.face_boxes import DETECTOR_PX, fitted_size
from models.head.landmarks import FACE_POINTS
from training.data.face_looks import cover, draw_look
from training.data.face_source import FaceData, FaceSource, picture_of
from training.data.face_store import PICTURE_PX, Picture
from training.data.mirror import mirrored

Batch = dict[str, Tensor]
Floats = NDArray[np.float32]

MOST_FACES = 4
# Height of a face, brows to chin, over the picture's.
SMALLEST, _LARGEST = 0.08, 1.0
_SIZES = ((16, 9), (16, 9), (4, 3), (4, 3), (1, 1), (9, 16))
_HOW_MANY = (0, 1, 1, 1, 1, 2, 3, MOST_FACES)
_MOST_ROLL_RAD = math.radians(30.0)
_TRIES = 8
_CLOSE = 0.9
# The five points as means of FACE_POINTS: eyes by their corners, tip of the nose, corners of the mouth.
_FIVE = tuple(
    tuple(FACE_POINTS.index(landmark) for landmark in landmarks)
    for landmarks in ((33, 133), (362, 263), (1,), (61,), (291,))
)


class DetectorScenes(Dataset[Batch]):
    """Item `step` is the batch of that step: picture uint8 [B, 256, 256, 3]; boxes [B, 4, 4] (left, top, right, bottom)
    and points [B, 4, 5, 2], 0..1 of the square, NaN where there are fewer faces (see `models.head.face_boxes`).
    """

    def __init__(self, data: FaceData, batch: int, seed: int, is_validation: bool = False) -> None:
        self.data, self.batch, self.seed = data, batch, seed
        self.source = FaceSource.of(data, 1, is_validation)

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng([self.seed, index])
        scenes = [self.scene(rng) for _ in range(self.batch)]
        pictures, boxes, points = (torch.from_numpy(np.stack(parts)) for parts in zip(*scenes, strict=True))
        return {"picture": pictures, "boxes": boxes, "points": points}

    def scene(self, rng: np.random.Generator) -> tuple[Picture, Floats, Floats]:
        """One picture, its boxes and points."""
        width, height = fitted_size(*_SIZES[int(rng.integers(len(_SIZES)))])
        canvas = self._background(width, height, rng)
        boxes = np.full((MOST_FACES, 4), np.nan, np.float32)
        points = np.full((MOST_FACES, 5, 2), np.nan, np.float32)
        for _ in range(int(rng.integers(0, 4)) if self.source.has_nobody else 0):
            store, clip = self.source.nobody(rng)
            size_px = height * math.exp(rng.uniform(math.log(2.0 * SMALLEST), 0.0))
            turn = _placed(np.array([0.5, 0.5]) * PICTURE_PX, size_px / PICTURE_PX, width, height, rng)
            _paste(canvas, np.asarray(store.pictures[int(store.first[clip])]), turn, rng)
        found: list[Floats] = []
        for number in range(int(rng.choice(_HOW_MANY))):
            face = self._face(canvas, found, rng)
            if face is not None:
                found.append(face)
                boxes[number] = np.concatenate([face.min(axis=0), face.max(axis=0)]) / DETECTOR_PX
                points[number] = np.stack([face[list(rows)].mean(axis=0) for rows in _FIVE]) / DETECTOR_PX
        square = np.zeros((DETECTOR_PX, DETECTOR_PX, 3), np.uint8)
        square[:height, :width] = canvas
        if rng.random() < self.data.looks:
            square = draw_look(rng)(square, rng)
            square[height:], square[:, width:] = 0, 0
        return square, boxes, points

    def _background(self, width: int, height: int, rng: np.random.Generator) -> Picture:
        """A part of a picture of nobody, or coarse colours where no store has one."""
        if not self.source.has_nobody:
            cells = rng.integers(0, 256, (int(rng.integers(2, 9)), int(rng.integers(2, 9)), 3)).astype(np.uint8)
            return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
        store, clip = self.source.nobody(rng)
        picture = np.asarray(store.pictures[int(store.first[clip])])
        side = int(rng.integers(PICTURE_PX // 3, PICTURE_PX + 1))
        left, top = rng.integers(0, PICTURE_PX - side + 1, 2)
        part = picture[top : top + side, left : left + side]
        return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)

    def _face(self, canvas: Picture, found: list[Floats], rng: np.random.Generator) -> Floats | None:
        """Paste a face where none is and give its points [140, 2] in pixels; None when there is no place for it."""
        store, clip = self.source.face(rng)
        picture, truth = picture_of(store, int(store.first[clip] + rng.integers(store.counts[clip])))
        if rng.random() < 0.5:
            picture, truth = picture[:, ::-1], mirrored(truth)
        if rng.random() < self.data.covered:
            other, clip = self.source.nobody(rng) if self.source.has_nobody else self.source.face(rng)
            picture, truth = cover(picture, truth, np.asarray(other.pictures[int(other.first[clip])]), rng)
        stored = truth["points"].reshape(-1, 2) * PICTURE_PX
        if not np.isfinite(stored).all():
            return None
        height, width = canvas.shape[:2]
        face_px = float(np.ptp(stored[:, 1]))
        for _ in range(_TRIES):
            share = math.exp(rng.uniform(math.log(SMALLEST), math.log(_LARGEST)))
            turn = _placed(stored.mean(axis=0), share * height / face_px, width, height, rng)
            points = (stored @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
            if all(_apart(points, other) for other in found):
                _paste(canvas, picture, turn, rng)
                return points
        return None


def _placed(middle: NDArray[np.float64], scale: float, width: int, height: int, rng: np.random.Generator) -> Floats:
    """Affine [2, 3] that scales, turns a little, and brings `middle` somewhere onto a canvas."""
    roll = float(np.clip(rng.normal(0.0, 0.25), -1.0, 1.0)) * _MOST_ROLL_RAD
    c, s = scale * math.cos(roll), scale * math.sin(roll)
    turn = np.array([[c, -s], [s, c]])
    at = rng.uniform(0.06, 0.94, 2) * (width, height)
    return np.concatenate([turn, (at - turn @ middle)[:, None]], axis=1).astype(np.float32)


def _paste(canvas: Picture, tile: Picture, turn: Floats, rng: np.random.Generator) -> None:
    """Draw `tile` onto `canvas`, in place, with a hard or a soft edge, square or round."""
    height, width = canvas.shape[:2]
    scale = float(np.hypot(turn[0, 0], turn[1, 0]))
    side = tile.shape[0]
    if scale < 1.0:
        # Shrunk as a camera does it: every pixel is the mean of what it covers.
        small = max(4, round(side * scale))
        tile = np.asarray(cv2.resize(tile, (small, small), interpolation=cv2.INTER_AREA), np.uint8)
        turn = np.concatenate([turn[:, :2] * np.float32(side / small), turn[:, 2:]], axis=1)
        side = small
    mask = np.zeros((side, side), np.float32)
    edge = max(1, round(side * 0.04))
    if rng.random() < 0.5:
        mask[edge:-edge, edge:-edge] = 1.0
    else:
        middle, reach = side // 2, side // 2 - edge
        cv2.ellipse(mask, (middle, middle), (max(1, round(0.85 * reach)), max(1, reach)), 0.0, 0.0, 360.0, 1.0, -1)
    if rng.random() < 0.7:
        mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.5 * edge))
    drawn = cv2.warpAffine(np.ascontiguousarray(tile), turn, (width, height), flags=cv2.INTER_LINEAR)
    share = cv2.warpAffine(mask, turn, (width, height), flags=cv2.INTER_LINEAR)[:, :, None]
    canvas[:] = (canvas + share * (drawn.astype(np.float32) - canvas)).astype(np.uint8)


def _apart(one: Floats, other: Floats) -> bool:
    """Whether the bounding circles of two faces do not meet."""
    reach = sum(float(np.ptp(points, axis=0).max()) for points in (one, other)) * 0.5
    return bool(np.linalg.norm(one.mean(axis=0) - other.mean(axis=0)) > _CLOSE * reach * math.sqrt(2.0))
