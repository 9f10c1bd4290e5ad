"""The face tracker on real faces. Needs the face networks and the shared clips; skips without them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from driver.errors import ModelError
from driver.face_model import find_face_model
from driver.track import FaceTracker, Region
from driver.types import VideoFrame

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "video"
PERIOD_NS = 33_000_000
# MediaPipe's numbers of a few landmarks and of the same ones on the other side of the face.
MIRRORED = {33: 263, 61: 291, 105: 334, 127: 356, 1: 1, 13: 13, 152: 152}


@cache
def pictures(name: str, count: int) -> list[NDArray[np.uint8]]:
    path = CLIPS / name
    if not path.is_file():
        pytest.skip(f"{path} is not here; this test needs the shared clips")
    clip = cv2.VideoCapture(str(path))
    frames = [clip.read()[1] for _ in range(count)]
    return [np.ascontiguousarray(frame[..., ::-1]) for frame in frames]


@pytest.fixture
def tracker() -> FaceTracker:
    try:
        return FaceTracker(find_face_model())
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture
def faces() -> list[NDArray[np.uint8]]:
    return pictures("grid_s1/bbaf3s.mp4", 20)


def track(tracker: FaceTracker, images: list[NDArray[np.uint8]]):
    return [tracker.process(VideoFrame(image, 7 + index * PERIOD_NS, index)) for index, image in enumerate(images)]


def placed(face: NDArray[np.uint8], scale: float, left: int, top: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A grey picture of `size` (width, height) with a shrunken face in it."""
    canvas = np.full((size[1], size[0], 3), 90, np.uint8)
    small = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def test_a_talking_face_is_found_at_once_and_never_lost(tracker: FaceTracker, faces) -> None:
    tracks = track(tracker, faces)
    height, width = faces[0].shape[:2]
    for index, item in enumerate(tracks):
        assert item.landmarks is not None
        assert item.landmarks.shape == (478, 3)
        assert item.landmarks.dtype == np.float32
        assert item.presence > 0.9
        assert item.image_size == (width, height)
        assert item.capture_ns == 7 + index * PERIOD_NS
        assert np.all((item.landmarks[:, :2] > 0) & (item.landmarks[:, :2] < [width, height]))
    assert tracker.notice is None


def test_landmarks_have_their_anatomical_order(tracker: FaceTracker, faces) -> None:
    (item,) = track(tracker, faces[:1])
    assert item.landmarks is not None
    right_eye, left_eye, nose, chin, forehead = item.landmarks[[33, 263, 1, 152, 10], :2]
    assert right_eye[0] < nose[0] < left_eye[0], "the subject's right is on the picture's left"
    assert forehead[1] < right_eye[1] < nose[1] < chin[1]
    assert item.landmarks[1, 2] < item.landmarks[[33, 263, 152], 2].min(), "the nose is nearest to the camera"


def test_a_mirrored_picture_gives_mirrored_landmarks(tracker: FaceTracker, faces) -> None:
    (item,) = track(tracker, faces[:1])
    (mirrored,) = track(FaceTracker(find_face_model()), [np.ascontiguousarray(faces[0][:, ::-1])])
    assert item.landmarks is not None
    assert mirrored.landmarks is not None
    width = faces[0].shape[1]
    face_width = np.ptp(item.landmarks[:, 0])
    for here, there in MIRRORED.items():
        x, y = mirrored.landmarks[there, :2]
        distance = np.hypot(width - x - item.landmarks[here, 0], y - item.landmarks[here, 1])
        assert distance < 0.05 * face_width, (here, there)


def test_equal_pictures_give_equal_landmarks(tracker: FaceTracker, faces) -> None:
    one, two = track(tracker, faces), track(FaceTracker(find_face_model()), faces)
    for here, there in zip(one, two, strict=True):
        np.testing.assert_array_equal(here.landmarks, there.landmarks)


def test_a_face_that_turns_with_the_picture_is_followed(tracker: FaceTracker, faces) -> None:
    height, width = faces[0].shape[:2]
    turns = [cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0) for angle in range(0, 60, 4)]
    tracks = track(tracker, [cv2.warpAffine(faces[0], turn, (width, height)) for turn in turns])
    first, last = tracks[0].landmarks, tracks[-1].landmarks
    assert first is not None
    assert last is not None
    expected = first[:, :2] @ turns[-1][:, :2].T + turns[-1][:, 2]
    assert np.median(np.linalg.norm(last[:, :2] - expected, axis=1)) < 0.03 * np.ptp(first[:, 0])


@pytest.mark.parametrize(("left", "top"), [(10, 20), (1050, 500), (560, 300)])
def test_a_small_face_is_found_by_tiles(tracker: FaceTracker, faces, left: int, top: int) -> None:
    # About 110 of 1280 pixels: a twelfth of the width, where the short-range detector alone sees nothing.
    tracks = track(tracker, [placed(faces[0], 0.6, left, top, (1280, 720))] * 12)
    found = [item.landmarks is not None for item in tracks]
    assert any(found)
    assert all(found[found.index(True) :])
    nose = tracks[-1].landmarks[1]  # type: ignore[index]
    assert left < nose[0] < left + 0.6 * faces[0].shape[1]
    assert top < nose[1] < top + 0.6 * faces[0].shape[0]


def test_the_user_is_told_that_a_face_is_too_small(tracker: FaceTracker, faces) -> None:
    track(tracker, [placed(faces[0], 0.3, 200, 150, (640, 480))] * 12)
    assert tracker.notice is not None
    assert "of 640 pixels wide" in tracker.notice
    track(tracker, faces[:2])
    assert tracker.notice is None


def test_a_lost_face_is_said_and_found_again_elsewhere(tracker: FaceTracker, faces) -> None:
    empty = np.full((480, 640, 3), 90, np.uint8)
    here, there = placed(faces[0], 1.0, 0, 0, (640, 480)), placed(faces[0], 1.0, 270, 180, (640, 480))
    tracks = track(tracker, [here, here, empty, empty, there, there])
    assert [item.landmarks is not None for item in tracks] == [True, True, False, False, True, True]
    assert tracks[2].presence < 0.5
    assert tracks[5].landmarks[1, 0] - tracks[1].landmarks[1, 0] == pytest.approx(270, abs=5)  # type: ignore[index]


def test_the_face_that_is_held_stays_held(tracker: FaceTracker, faces) -> None:
    alone = placed(faces[0], 0.8, 0, 0, (640, 480))
    both = alone.copy()
    both[150:438, 280:640] = faces[0]
    tracks = track(tracker, [alone, both, both])
    assert all(item.landmarks is not None and item.landmarks[1, 0] < 280 for item in tracks)
    (fresh,) = track(FaceTracker(find_face_model()), [both])
    assert fresh.landmarks is not None
    assert fresh.landmarks[1, 0] > 280, "the larger and more central face is taken"


def test_a_region_maps_its_crop_to_the_picture() -> None:
    region = Region.around(
        np.array([100, 200, 180, 260], np.float32), np.array([120, 220], np.float32), np.array([120, 260], np.float32)
    )
    assert region.side == pytest.approx(120)
    to_picture = region.to_picture()
    corner = to_picture @ np.array([0, 0, 1], np.float32)
    middle = to_picture @ np.array([0.5, 0.5, 1], np.float32)
    np.testing.assert_allclose(middle, [140, 230], atol=1e-3)
    # Turned by a quarter clockwise, the crop's top left is the picture's top right.
    np.testing.assert_allclose(corner, [200, 170], atol=1e-3)


def test_a_small_face_is_said_once(faces) -> None:
    said: list[str] = []
    tracker = FaceTracker(find_face_model(), said.append)
    small = [placed(face, 0.35, 200, 150, (640, 480)) for face in faces[:6]]
    assert any(seen.landmarks is not None for seen in track(tracker, small))
    assert len(said) == 1
    assert "come closer" in said[0]
