"""Where a face is looked for: pixels of the picture, whatever its shape or light or how much of it is face."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from driver.face_search import faces_in, lightened
from driver.runtime import Array
from models.head.face_boxes import DETECTOR_PX


class BrightSpots:
    """Sees a face wherever a square is bright, unless it is wider than `largest_px`."""

    def __init__(self, largest_px: int = DETECTOR_PX) -> None:
        self.largest_px = largest_px
        self.seen: list[NDArray[np.uint8]] = []

    def __call__(self, *, picture: Array) -> dict[str, Array]:
        self.seen.append(np.asarray(picture[0], np.uint8))
        rows, columns = np.nonzero(picture[0].min(axis=2) > 150)
        is_found = len(rows) > 0 and np.ptp(columns) < self.largest_px
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if is_found else [0, 0, 1, 1]
        return {
            "score": np.full((1, 1), 1.0 if is_found else 0.0, np.float32),
            "boxes": np.array(box, np.float32).reshape(1, 1, 4) / DETECTOR_PX,
            "points": np.zeros((1, 1, 5, 2), np.float32),
        }


def picture(level: int, box: tuple[int, int, int, int], width: int = 640, height: int = 360) -> NDArray[np.uint8]:
    image = np.full((height, width, 3), level // 4, np.uint8)
    left, top, right, bottom = box
    image[top:bottom, left:right] = level
    return image


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (300, 300)])
def test_a_box_is_told_in_the_pictures_own_pixels(size: tuple[int, int]) -> None:
    face = next(faces_in(picture(200, (60, 100, 180, 240), *size), BrightSpots()))
    np.testing.assert_allclose(face.box, [60, 100, 180, 240], atol=3.0)


def test_a_face_that_fills_the_picture_is_found_at_half_the_size_in_the_same_pixels() -> None:
    detector = BrightSpots(largest_px=150)
    face = next(faces_in(picture(200, (40, 20, 600, 340)), detector))
    np.testing.assert_allclose(face.box, [40, 20, 600, 340], atol=6.0)
    assert len(detector.seen) == 2


def test_the_second_look_is_taken_only_when_the_first_was_not_enough() -> None:
    detector = BrightSpots()
    next(faces_in(picture(200, (60, 100, 180, 240)), detector))
    assert len(detector.seen) == 1
    assert not list(faces_in(np.zeros((90, 160, 3), np.uint8), detector))
    assert len(detector.seen) == 3


def test_a_dark_picture_is_lightened_and_others_stay() -> None:
    face = next(faces_in(picture(20, (60, 100, 180, 240)), BrightSpots()))
    np.testing.assert_allclose(face.box, [60, 100, 180, 240], atol=3.0)
    light = picture(120, (60, 100, 180, 240))
    assert lightened(light) is light
    assert int(lightened(picture(2, (0, 0, 300, 300))).max()) == 24
    assert not lightened(np.zeros((4, 4, 3), np.uint8)).any()
