"""Reads real pictures with MediaPipe's networks: landmarks and blendshape scores of every face, for pseudo-truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from driver.capture.media_video import VideoFile
from driver.cut import cut
from driver.errors import AvatarDriverError
from driver.face_detect import Detection, detect_faces, tiles, whole
from driver.face_model import find_face_model
from driver.face_networks import load_face_networks
from driver.track import FaceTracker
from driver.types import FaceTrack, VideoFrame
from training.evaluate.blendshape_scores import BlendshapeScores
from training.evaluate.real_faces import played
from training.evaluate.talking_faces import shared_data

__all__ = ["BROKEN", "FaceReader", "SeenFace", "cut", "find_face_model", "shared_data"]

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

# What a file that cannot be read raises.
BROKEN = (AvatarDriverError, OSError, ValueError, cv2.error)

_AROUND = 2.5  # side of the piece that is cut out of a collage around a face, over the detector's box
_SAME_FACE = 0.5  # detections nearer than this share of their width are of one face


@dataclass(frozen=True, eq=False)
class SeenFace:
    """track   of picture number `index`      scores  float32 [52], NaN where there is no face
    image   the picture, where it is one of a photograph; empty for videos, whose pictures are read again
    """

    index: int
    track: FaceTrack
    scores: Floats
    image: Picture

    @property
    def has_face(self) -> bool:
        return self.track.landmarks is not None


class FaceReader:
    """Finds faces in videos, photographs and collages."""

    def __init__(self, face_model: Path) -> None:
        self._tracker = FaceTracker(face_model)
        self._detector = load_face_networks(face_model).detector
        self._scores = BlendshapeScores(face_model)

    def video(self, path: Path) -> list[SeenFace]:
        """Every picture of a video, in order, without the pictures themselves."""
        self._tracker.forget()
        nothing = np.zeros((0, 0, 3), np.uint8)
        frames = played(VideoFile(path, 0, realtime=False))
        return [self._face(index, frame, nothing) for index, frame in enumerate(frames)]

    def pictures(self, path: Path) -> Iterator[Picture]:
        """The pictures of a video once more, as `video` counted them."""
        return (frame.image for frame in played(VideoFile(path, 0, realtime=False)))

    def largest_in(self, image: Picture) -> list[SeenFace]:
        """The largest and most central face of a photograph, alone; nothing without one."""
        self._tracker.forget()
        face = self._face(0, VideoFrame(image, 0, 0), image)
        return [face] if face.has_face else []

    def all_in(self, image: Picture) -> list[SeenFace]:
        """Every face of a collage, each as if it were a photograph of its own."""
        height, width = image.shape[:2]
        windows = [whole(width, height), *tiles(width, height)]
        found = sorted(
            (face for window in windows for face in detect_faces(self._detector, image, window)),
            key=lambda face: -face.score,
        )
        kept: list[Detection] = []
        for face in found:
            if all(np.linalg.norm(_middle(face) - _middle(other)) > _SAME_FACE * _width(other) for other in kept):
                kept.append(face)
        return [seen for face in kept for seen in self.largest_in(_around(image, face))]

    def _face(self, index: int, frame: VideoFrame, image: Picture) -> SeenFace:
        track = self._tracker.process(frame)
        scores = np.full(52, np.nan, np.float32) if track.landmarks is None else self._scores(track.landmarks)
        return SeenFace(index, track, scores, image)


def _middle(face: Detection) -> Floats:
    return 0.5 * (face.box[:2] + face.box[2:])


def _width(face: Detection) -> float:
    return float(face.box[2] - face.box[0])


def _around(image: Picture, face: Detection) -> Picture:
    """The square around a face, as far as the picture reaches."""
    x, y = _middle(face)
    half = 0.5 * _AROUND * _width(face)
    left, top = max(round(float(x) - half), 0), max(round(float(y) - half), 0)
    return np.ascontiguousarray(image[top : round(float(y) + half), left : round(float(x) + half)])
