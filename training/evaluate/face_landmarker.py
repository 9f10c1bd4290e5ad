"""MediaPipe's Face Landmarker as its own package runs it, with blendshapes: what a user of the peer pays for a picture.

The other subjects run the same networks in another runtime, in half the time; to be cheaper than that is not the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from driver.types import VideoFrame
from models.head.landmarks import FACE_POINTS
from training.evaluate.video_subjects import Sight


class LandmarkerMissing(RuntimeError):
    """The package is not installed, or does not load here."""


class FaceLandmarker:
    """One face in pictures in order; its landmarks are told, its blendshapes are only computed.

    Raises LandmarkerMissing.
    """

    name = "MediaPipe's package, with blendshapes"

    def __init__(self, face_model: Path) -> None:
        try:
            import mediapipe  # pyright: ignore[reportMissingImports]
            from mediapipe.tasks import python as tasks  # pyright: ignore[reportMissingImports]
            from mediapipe.tasks.python import vision  # pyright: ignore[reportMissingImports]
        except (ImportError, OSError) as error:
            raise LandmarkerMissing(
                f"{self.name} was not timed: {error}; install the package mediapipe, in an environment of its own"
            ) from error
        self._mediapipe: Any = mediapipe
        self._make = lambda: vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                base_options=tasks.BaseOptions(model_asset_path=str(face_model)),
                running_mode=vision.RunningMode.VIDEO,
                output_face_blendshapes=True,
                num_faces=1,
            )
        )
        self._landmarker: Any = None

    def begin(self, focal: float) -> None:
        """A new clip; the package knows no camera."""
        if self._landmarker is not None:
            self._landmarker.close()
        self._landmarker = self._make()

    def look(self, frame: VideoFrame) -> Sight:
        image = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame.image)
        )
        result = self._landmarker.detect_for_video(image, frame.capture_ns // 1_000_000)
        if not result.face_landmarks:
            return Sight(None, None)
        height, width = frame.image.shape[:2]
        points = np.array([[mark.x * width, mark.y * height] for mark in result.face_landmarks[0]], np.float32)
        return Sight(None, points[list(FACE_POINTS)])
