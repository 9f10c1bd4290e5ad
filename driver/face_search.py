"""Faces in a whole picture, in any light and however near: where to look closer while no face is held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from driver.runtime import Array
from models.head.face_boxes import DETECTOR_PX, DetectedFace, detected_faces, fitted_size

Picture = NDArray[np.uint8]

# Who asks looks closer before it believes, but not at everything.
_MOST_FACES = 3
# The level that a hundredth of the pixels exceeds where there is light enough, and where it is brought where not.
_LIGHT_ENOUGH, _LIGHTENED = 100, 180
_MOST_GAIN = 12.0


class Detector(Protocol):
    """What is asked of `driver.runtime.OnnxNetwork`: picture uint8 [1, 256, 256, 3] -> score, boxes, points."""

    def __call__(self, *, picture: Array) -> dict[str, Array]: ...


def faces_in(image: Picture, detector: Detector) -> Iterator[DetectedFace]:
    """Faces of uint8 [H, W, 3], in its pixels, the likeliest first. A second, smaller look is taken only when asked.

    The detector knows faces from 8 to 90 % of the picture. Larger ones, cut off by the picture's edge, are of that kind
    in a picture of half the size.
    """
    height, width = image.shape[:2]
    fitted = fitted_size(width, height)
    picture = lightened(np.asarray(cv2.resize(image, fitted, interpolation=cv2.INTER_AREA), np.uint8))
    for scale in (1, 2):
        small = (max(1, fitted[0] // scale), max(1, fitted[1] // scale))
        square = np.zeros((1, DETECTOR_PX, DETECTOR_PX, 3), np.uint8)
        square[0, : small[1], : small[0]] = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        told = detector(picture=square)
        score, boxes, points = (told[name][0] for name in ("score", "boxes", "points"))
        yield from detected_faces(score, boxes, points, width * scale, height * scale)[:_MOST_FACES]


def lightened(picture: Picture) -> Picture:
    """A dark picture uint8 [H, W, 3] as if there had been more light; any other as it is."""
    bright = int(np.quantile(picture.max(axis=2), 0.99))
    if bright >= _LIGHT_ENOUGH:
        return picture
    gain = min(_MOST_GAIN, _LIGHTENED / max(1, bright))
    return np.asarray(cv2.convertScaleAbs(picture, alpha=gain), np.uint8)
