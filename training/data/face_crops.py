"""Cuts crops out of pictures, as training stores them and as a driver hands them to the networks."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from models.head.crop import Crop

Picture = NDArray[np.uint8]


def widened(crop: Crop, factor: float) -> Crop:
    """The same crop with `factor` times its side."""
    return replace(crop, side_px=crop.side_px * factor)


def cut(image: Picture, crop: Crop, size_px: int) -> Picture:
    """The crop out of an RGB picture uint8 [H, W, 3] as uint8 [size_px, size_px, 3]; black beyond the borders.

    Large crops are averaged over their pixels, so that fine hair does not flicker.
    """
    finer = max(1, math.ceil(crop.side_px / size_px))
    fine_px = finer * size_px
    matrix = crop.to_picture()
    matrix[:, :2] /= fine_px
    matrix[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5  # pixel centres
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(image, matrix, (fine_px, fine_px), flags=flags, borderMode=cv2.BORDER_CONSTANT)
    if finer > 1:
        fine = cv2.resize(fine, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return np.asarray(fine, np.uint8)
