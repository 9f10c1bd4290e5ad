"""The face tracker: a picture in, 478 landmarks out.

While a face is held, one network places the landmarks in a rotated square around it, and they say where the square of
the next picture is. When the network no longer believes in the face, the detector searches: the whole picture every
time, and a few tiles a picture in turn, so that a searching picture costs as much as a tracked one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from driver.face_detect import Detection, Window, detect_faces, tiles, whole
from driver.face_networks import load_face_networks
from driver.types import FaceTrack, VideoFrame
from protocol.frame import Floats

LANDMARKS = 478

_INPUT_PX = 256
_REGION_SCALE = 1.5  # the landmark network was trained on squares of one and a half faces
_PRESENCE_MINIMUM = 0.5
_TILES_PER_PICTURE = 4
_SMALL_FACE_PX = 60.0
_EYE_CORNERS = (33, 263)  # outer corners, the subject's right and left


@dataclass(frozen=True)
class Region:
    """A rotated square of the picture around a face: pixels, and radians clockwise on the screen."""

    centre_x: float
    centre_y: float
    side: float
    rotation: float

    @staticmethod
    def around(box: Floats, right_eye: Floats, left_eye: Floats) -> Region:
        """The square that the landmark network wants for a face in `box` whose eyes are at these points."""
        (left, top, right, bottom), (dx, dy) = box.tolist(), (left_eye - right_eye).tolist()
        side = _REGION_SCALE * max(right - left, bottom - top)
        return Region((left + right) / 2, (top + bottom) / 2, side, math.atan2(dy, dx))

    def to_picture(self) -> Floats:
        """float32 [2, 3]: from crop coordinates in 0..1 to pixels of the picture."""
        c, s = self.side * math.cos(self.rotation), self.side * math.sin(self.rotation)
        return np.array(
            [[c, -s, self.centre_x - (c - s) / 2], [s, c, self.centre_y - (s + c) / 2]],
            np.float32,
        )


@dataclass(frozen=True)
class _Hold:
    """What is carried from picture to picture: where the face is (or was last), and how far a search has come."""

    region: Region | None = None
    is_held: bool = False
    next_tile: int = 0


class FaceTracker:
    """Stage: VideoFrame -> FaceTrack, one face. Equal pictures in equal order give equal landmarks.

    Of several faces the largest and most central is taken, and kept until it is gone.
    `notice` is a sentence for the user about the picture, or None when all is well; `notify` is told the first one.
    """

    def __init__(self, face_model: Path, notify: Callable[[str], None] | None = None) -> None:
        """Loads the networks of `face_model` (see `driver.face_model`); ModelError when it is not usable."""
        self._notify = notify
        networks = load_face_networks(face_model)
        self._detector, self._landmarker = networks.detector, networks.landmarker
        self._hold = _Hold()
        self.notice: str | None = None

    def process(self, item: VideoFrame) -> FaceTrack:
        """The face in this picture; `landmarks` is None when there is none."""
        height, width = item.image.shape[:2]
        landmarks, presence = None, 0.0
        if self._hold.is_held and self._hold.region is not None:
            landmarks, presence = self._place(item.image, self._hold.region)
        if landmarks is None:  # lost, or never had: a face found now is still this picture's face
            for region in self._search(item.image):
                landmarks, presence = self._place(item.image, region)
                if landmarks is not None:  # the detector's square is rough; the landmarks' own is not
                    landmarks, presence = self._place(item.image, _region_of(landmarks))
                    break
        if landmarks is None:
            self._hold = _Hold(self._hold.region, False, self._hold.next_tile + _TILES_PER_PICTURE)
        else:
            self._hold = _Hold(_region_of(landmarks), True)
        self.notice = None if landmarks is None else _size_notice(landmarks, width)
        if self.notice is not None and self._notify is not None:
            self._notify(self.notice)
            self._notify = None  # once a run: the width would change the sentence with every picture
        return FaceTrack(landmarks, presence, (width, height), item.capture_ns)

    def forget(self) -> None:
        """Search the next picture as if it were the first."""
        self._hold = _Hold()

    def close(self) -> None:
        """Nothing to let go of."""

    def _place(self, image: NDArray[np.uint8], region: Region) -> tuple[Floats | None, float]:
        """Landmarks of the face in `region`, or None, and how much the network believes in it (0..1)."""
        outputs = self._landmarker((_crop(image, region).astype(np.float32) / 255.0)[None])
        presence = 1.0 / (1.0 + math.exp(-float(outputs["Identity_1"].ravel()[0])))
        if presence < _PRESENCE_MINIMUM:
            return None, presence
        points = outputs["Identity"].reshape(LANDMARKS, 3) / _INPUT_PX
        to_picture = region.to_picture()
        landmarks = np.empty((LANDMARKS, 3), np.float32)
        landmarks[:, :2] = points[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
        landmarks[:, 2] = points[:, 2] * region.side
        return landmarks, presence

    def _search(self, image: NDArray[np.uint8]) -> list[Region]:
        """Where faces may be, the best first; looks at the whole picture, where the last face was, and a few tiles."""
        height, width = image.shape[:2]
        windows = [whole(width, height)]
        if (last := self._hold.region) is not None:
            side = max(round(2 * last.side), 2)
            windows.append(Window(round(last.centre_x - side / 2), round(last.centre_y - side / 2), side))
        for window in windows:
            if found := detect_faces(self._detector, image, window):
                return _best_first(found, width, height)
        grid = tiles(width, height)
        for number in range(self._hold.next_tile, self._hold.next_tile + _TILES_PER_PICTURE):
            if found := detect_faces(self._detector, image, grid[number % len(grid)]):
                return _best_first(found, width, height)
        return []


def _best_first(found: list[Detection], width: int, height: int) -> list[Region]:
    """Large and central faces first: a face at the border counts as half as wide as one in the middle."""

    def rank(face: Detection) -> float:
        left, top, right, bottom = face.box.tolist()
        offset = math.hypot((left + right - width) / width, (top + bottom - height) / height) / math.sqrt(2)
        return (right - left) * (1 - 0.5 * min(offset, 1.0))

    return [
        Region.around(face.box, face.keypoints[0], face.keypoints[1]) for face in sorted(found, key=rank, reverse=True)
    ]


def _region_of(landmarks: Floats) -> Region:
    flat = landmarks[:, :2]
    box = np.concatenate([flat.min(axis=0), flat.max(axis=0)])
    return Region.around(box, flat[_EYE_CORNERS[0]], flat[_EYE_CORNERS[1]])


def _crop(image: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """The region, turned upright, as uint8 [256, 256, 3]; black beyond the borders of the picture."""
    from_crop = region.to_picture()
    from_crop[:, :2] /= _INPUT_PX
    from_crop[:, 2] += from_crop[:, :2] @ np.array([0.5, 0.5], np.float32) - 0.5  # pixel centres
    return cv2.warpAffine(
        image,
        from_crop,
        (_INPUT_PX, _INPUT_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )  # type: ignore[return-value]


def _size_notice(landmarks: Floats, picture_width: int) -> str | None:
    width = float(np.ptp(landmarks[:, 0]))
    if width >= _SMALL_FACE_PX:
        return None
    return (
        f"The face is {width:.0f} of {picture_width} pixels wide; under {_SMALL_FACE_PX:.0f} its expression "
        f"is a guess: come closer or raise the camera's resolution."
    )
