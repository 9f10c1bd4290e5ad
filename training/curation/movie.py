"""A clip to look at and hear: the face as it was filmed, and beside it with the lifted head's points upon it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from models.head.landmarks import BROW_ROWS, EYE_ROWS, MOUTH_ROWS, OUTLINE_ROWS
from training.curation.item import Array, Item
from training.curation.lifting import lifted_points
from training.curation.media import Picture, pictures, write_clip

_SIDE_PX = 256
_MARGIN = 1.35  # of the box around the face
_GREEN, _YELLOW = (60, 230, 90), (250, 220, 60)


def write_movie(item: Item, path: Path) -> None:
    """The movie of a lifted clip as MP4 at `path`. MediaError when its source cannot be read."""
    box, points = _box(item.arrays["points"]), lifted_points(item)
    rate_hz = 1.0 / float(np.median(np.diff(item.arrays["times_s"])))
    half = path.with_suffix(".part.mp4")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_clip(half, _pairs(item, box, points), rate_hz, item.arrays["audio"])
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _pairs(item: Item, box: tuple[int, int, int], points: Array) -> Iterator[Picture]:
    left, top, side = box
    shown = pictures(Path(item.source), item.begin_s, item.end_s)
    for (_, image), seen in zip(shown, points, strict=False):
        # What lies beyond the picture is black.
        moved = np.array(
            [[_SIDE_PX / side, 0.0, -left * _SIDE_PX / side], [0.0, _SIDE_PX / side, -top * _SIDE_PX / side]]
        )
        face = np.asarray(cv2.warpAffine(image, moved, (_SIDE_PX, _SIDE_PX), flags=cv2.INTER_AREA), np.uint8)
        marked = face.copy()
        for rows, colour in ((MOUTH_ROWS, _GREEN), (EYE_ROWS, _GREEN), (BROW_ROWS, _YELLOW), (OUTLINE_ROWS, _YELLOW)):
            for x, y in (seen[rows] - [left, top]) * _SIDE_PX / side:
                cv2.circle(marked, (round(float(x)), round(float(y))), 1, colour, -1, cv2.LINE_AA)
        yield np.hstack([face, marked])


def _box(points: Array) -> tuple[int, int, int]:
    """Left, top and side of the square that shows the face in all pictures."""
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    side = _MARGIN * float((high - low).max())
    left, top = 0.5 * (low + high) - 0.5 * side
    return round(float(left)), round(float(top)), round(side)
