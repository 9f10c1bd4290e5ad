"""Cuts a face's crop out of a picture, for the networks; stores for their training are cut by the same function."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from models.head.crop import Crop

Picture = NDArray[np.uint8]


def cut(image: Picture, crop: Crop, size_px: int) -> Picture:
    """The crop out of an RGB picture uint8 [H, W, 3], upright, as uint8 [size_px, size_px, 3].

    What lies beyond the picture is black. Large crops are averaged over their pixels, so that a large face
    does not shimmer: first by a whole number of them, which is quick, then as bilinear sampling does.
    """
    sampling, size = crop.sampling(size_px), (size_px, size_px)
    coarser = max(1, round(crop.side_px / size_px))
    if coarser > 1:
        reach = 0.5 * crop.side_px * (abs(math.cos(crop.roll_rad)) + abs(math.sin(crop.roll_rad))) + 2 * coarser
        left, top = (max(0, math.floor(middle - reach)) for middle in (crop.x_px, crop.y_px))
        right, bottom = math.ceil(crop.x_px + reach), math.ceil(crop.y_px + reach)
        part = image[top : max(top, bottom), left : max(left, right)]
        small = (part.shape[1] // coarser, part.shape[0] // coarser)
        if min(small) == 0:
            return np.zeros((*size, 3), np.uint8)
        part = part[: small[1] * coarser, : small[0] * coarser]
        image = np.asarray(cv2.resize(part, small, interpolation=cv2.INTER_AREA), np.uint8)
        # An index counts pixels from the middle of the first one.
        sampling = sampling / coarser
        sampling[:, 2] += (0.5 - np.array([left, top])) / coarser - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, sampling, size, flags=flags), np.uint8)
