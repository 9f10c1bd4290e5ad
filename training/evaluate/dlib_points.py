"""Sixty-eight points of dlib's face predictor (Kazemi and Sullivan 2014): a tracker that is neither ours nor MediaPipe.

Its weights come in the package face-recognition-models, and were learnt from the 300-W training photographs: it may
judge clips, not those photographs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from driver.types import VideoFrame

Floats = NDArray[np.float32]

POINTS = 68
_WEIGHTS = ("face_recognition_models", "models", "shape_predictor_68_face_landmarks.dat")
_DETECTOR_PX = 480  # of the picture's longer side, for the detector alone
_DETECT_EVERY = 5  # pictures; between them the face hardly leaves its box


class DlibMissing(Exception):
    """The packages are not here; the text says which, for the table."""


class DlibPoints:
    """Pictures -> float32 [F, 68, 2] in pixels, NaN without a face. Every picture by itself, but for the box."""

    fingerprint = "dlib-68-1"

    def __init__(self) -> None:
        """DlibMissing when dlib or its weights are not installed."""
        spec = importlib.util.find_spec(_WEIGHTS[0])
        if spec is None or spec.origin is None or importlib.util.find_spec("dlib") is None:
            raise DlibMissing("dlib did not judge: install dlib-bin and face-recognition-models")
        dlib: Any = importlib.import_module("dlib")
        self._rectangle = dlib.rectangle
        self._detector = dlib.get_frontal_face_detector()
        # Located, not imported: the package asks for setuptools when it is.
        self._predictor = dlib.shape_predictor(str(Path(spec.origin).parent.joinpath(*_WEIGHTS[1:])))

    def read(self, frames: Iterable[VideoFrame]) -> Floats:
        rows: list[Floats] = []
        box: Any = None
        for number, frame in enumerate(frames):
            if box is None or number % _DETECT_EVERY == 0:
                box = self._box(frame.image)
            if box is None:
                rows.append(np.full((POINTS, 2), np.nan, np.float32))
                continue
            shape = self._predictor(frame.image, box)
            # dlib counts pixels from their middles.
            rows.append(np.array([(shape.part(n).x + 0.5, shape.part(n).y + 0.5) for n in range(POINTS)], np.float32))
        return np.stack(rows)

    def _box(self, image: NDArray[np.uint8]) -> Any:
        """The largest face's box in pixels of the picture, or None."""
        scale = min(1.0, _DETECTOR_PX / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1.0 else image
        found = max(self._detector(small, 0), key=lambda box: box.width(), default=None)
        if found is None:
            return None
        edges = (found.left(), found.top(), found.right(), found.bottom())
        return self._rectangle(*(round(edge / scale) for edge in edges))
