"""A network's crop out of a stored picture, as the driver's would be a little off, and every truth told anew in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.head.crop import Crop, HeadInCrop, PictureCamera, head_in_crop, head_in_picture
from training.data.face_store import MARGIN, PICTURE_PX, Picture
from training.data.mirror import Truth

# A webcam at arm's length, in sides of a stored crop, where a camera is unknown.
_USUAL_FOCAL = 2.0
# The least side of a crop that is taken anywhere, of a stored picture's.
_LEAST_SIDE = 0.2
_STORED = Crop(PICTURE_PX / 2, PICTURE_PX / 2, PICTURE_PX, 0.0)


@dataclass(frozen=True)
class Jitter:
    """How far a crop is from the head's own: uniform within these, or far off where a detector has just found it.

    shift        in sides of a network's crop          size   share
    roll_rad     tilt, rad                             far    how often everything is `farther` times as much
    """

    shift: float = 0.08
    size: float = 0.12
    roll_rad: float = math.radians(12.0)
    far: float = 0.08
    farther: float = 2.0

    def draw(self, rng: np.random.Generator) -> Crop:
        """A crop, in pixels of a stored picture."""
        reach = self.farther if rng.random() < self.far else 1.0
        side = PICTURE_PX / MARGIN
        x, y, size, roll = rng.uniform(-reach, reach, 4) * (self.shift, self.shift, self.size, self.roll_rad)
        return Crop(_STORED.x_px + side * x, _STORED.y_px + side * y, side * math.exp(size), roll)

    def anywhere(self, rng: np.random.Generator) -> Crop:
        """A crop of any part of a stored picture, as a detector that errs would have it."""
        side = PICTURE_PX * math.exp(rng.uniform(math.log(_LEAST_SIDE), 0.0))
        x, y = rng.uniform(0.4 * side, PICTURE_PX - 0.4 * side, 2)
        return Crop(float(x), float(y), side, float(rng.uniform(-1.0, 1.0)) * self.roll_rad)


def cut(picture: Picture, crop: Crop, size_px: int, filled: NDArray[np.uint8] | None = None) -> Picture:
    """`crop` of a picture uint8 [H, W, 3] as uint8 [size_px, size_px, 3]; outside is `filled` [3], or the edge's."""
    border = cv2.BORDER_REPLICATE if filled is None else cv2.BORDER_CONSTANT
    colour = (0.0, 0.0, 0.0) if filled is None else tuple(float(value) for value in filled)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut_out = cv2.warpAffine(
        picture, crop.sampling(size_px), (size_px, size_px), flags=flags, borderMode=border, borderValue=colour
    )
    return np.asarray(cut_out, np.uint8)


def told_in(truth: Truth, crop: Crop) -> Truth:
    """The truths of one stored picture (each [size]) in `crop` of it; `focal` becomes one in sides of that crop."""
    told = dict(truth)
    back = crop.from_picture()
    points = truth["points"].reshape(-1, 2) * PICTURE_PX
    told["points"] = (points @ back[:, :2].T + back[:, 2]).astype(np.float32).reshape(-1)
    focal_px = PICTURE_PX * float(truth["focal"][0] if np.isfinite(truth["focal"][0]) else _USUAL_FOCAL)
    told["focal"] = np.array([focal_px / crop.side_px], np.float32)
    if np.isfinite(truth["rotation"]).all() and np.isfinite(truth["place"]).all():
        camera = PictureCamera(focal_px, (PICTURE_PX / 2, PICTURE_PX / 2))
        stored = HeadInCrop(truth["rotation"].reshape(3, 3).astype(np.float64), truth["place"].astype(np.float64))
        seen = head_in_crop(*head_in_picture(stored, _STORED, camera), crop, camera)
        told["rotation"] = seen.rotation.astype(np.float32).reshape(9)
        told["place"] = seen.place.astype(np.float32)
    return told
