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
    does not shimmer.
    """
    finer = max(1, math.ceil(crop.side_px / size_px))
    fine_px = finer * size_px
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(image, crop.sampling(fine_px), (fine_px, fine_px), flags=flags)
    if finer > 1:
        fine = cv2.resize(fine, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return np.asarray(fine, np.uint8)
