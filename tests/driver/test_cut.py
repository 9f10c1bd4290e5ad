"""What a crop shows: every place of the picture where the crop says it is, however large, turned or far out it is."""

from __future__ import annotations

import numpy as np
import pytest

from driver.cut import cut
from models.head.crop import Crop

SIZE = 64
SLOPE = 0.2371


def slope(width: int = 800, height: int = 600) -> np.ndarray:
    """A picture that is redder to the right and greener downwards, by `SLOPE` levels a pixel."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :, 0] = np.round(SLOPE * (np.arange(width) + 0.5))
    image[:, :, 1] = np.round(SLOPE * (np.arange(height) + 0.5))[:, None]
    return image


@pytest.mark.parametrize("side_px", [40.0, 64.0, 97.0, 150.0, 333.0, 500.0])
@pytest.mark.parametrize("roll_rad", [0.0, 0.4, -1.2])
def test_every_place_is_where_the_crop_has_it(side_px: float, roll_rad: float) -> None:
    crop = Crop(405.0, 295.0, side_px, roll_rad)
    shown = cut(slope(), crop, SIZE).astype(float)
    line = (np.arange(SIZE) + 0.5) / SIZE
    places = np.stack(np.meshgrid(line, line), axis=2) @ crop.to_picture()[:, :2].T + crop.to_picture()[:, 2]
    inside = ((places > 16.0) & (places < (784.0, 584.0))).all(axis=2)
    # The mean of few whole levels is rounded up more often than down.
    error = shown[inside][:, :2] - SLOPE * places[inside]
    assert np.abs(error).max() < 1.2
    assert np.abs(error.mean(axis=0)).max() < 0.2


def test_what_is_beyond_the_picture_is_black() -> None:
    white = np.full((600, 800, 3), 255, np.uint8)
    for side_px in (60.0, 300.0):
        shown = cut(white, Crop(800.0, 300.0, side_px, 0.0), SIZE)
        assert int(shown[:, : SIZE // 2 - 2].min()) == 255
        assert not shown[:, SIZE // 2 + 2 :].any()
        assert not cut(white, Crop(2000.0, -900.0, side_px, 0.3), SIZE).any()


def test_a_large_crop_is_averaged() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3)).astype(np.uint8)
    assert cut(noise, Crop(400.0, 300.0, 512.0, 0.0), SIZE).std() < 0.2 * noise.std()
