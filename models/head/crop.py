"""The square of a picture that the face networks look at, and how what they see there is so in the whole picture.

A crop is fixed by the head's place, size and tilt, not by its expression: an opening jaw moves no crop. The networks
see the head through the crop's own camera, whose axis goes through the middle of the crop: a face in a picture's corner
that looks straight at the camera is frontal to them.

Axes are the motion space's: +X to the subject's left (right in the picture), +Y up, +Z towards the viewer; the head is
at negative z. Pixels count from the top left, y down; angles of a crop are clockwise on the screen. Numpy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

# How much of the world a crop shows at the head's depth, and the point of the head that is in its middle.
CROP_SIDE_M = 0.24
CROP_MIDDLE_M = (0.0, -0.02, 0.02)
# Between a mean head's pupils, and from their middle down to the mouth's corners.
_BETWEEN_EYES_M, _EYES_TO_MOUTH_M = 0.062, 0.068


@dataclass(frozen=True)
class PictureCamera:
    """A pinhole with square pixels: focal length in pixels and where its axis meets the picture."""

    focal_px: float
    centre_px: tuple[float, float]


@dataclass(frozen=True)
class Crop:
    """A square of the picture, turned by `roll_rad` about its middle. Crop coordinates are 0..1, y down."""

    x_px: float
    y_px: float
    side_px: float
    roll_rad: float

    def to_picture(self) -> Doubles:
        """float64 [2, 3]: from crop coordinates to pixels."""
        c, s = self.side_px * math.cos(self.roll_rad), self.side_px * math.sin(self.roll_rad)
        return np.array([[c, -s, self.x_px - (c - s) / 2], [s, c, self.y_px - (s + c) / 2]])

    def from_picture(self) -> Doubles:
        """float64 [2, 3]: from pixels to crop coordinates."""
        turn = self.to_picture()
        back = np.linalg.inv(turn[:, :2])
        return np.asarray(np.concatenate([back, -back @ turn[:, 2:]], axis=1), np.float64)

    def sampling(self, size_px: int) -> Doubles:
        """float64 [2, 3]: from indices of pixels of a cut of `size_px` to indices of pixels of the picture.

        A pixel's middle is half a pixel from its corner in both.
        """
        scale = self.to_picture()
        turn = scale[:, :2] / size_px
        return np.concatenate([turn, scale[:, 2:] + 0.5 * turn.sum(axis=1, keepdims=True) - 0.5], axis=1)

    def widened(self, factor: float) -> Crop:
        """The same crop with `factor` times its side."""
        return replace(self, side_px=self.side_px * factor)

    def differs(self, other: Crop) -> float:
        """How unlike two crops are: shift in sides, change of size as a share, tilt in rad; the largest of them."""
        shift = math.hypot(self.x_px - other.x_px, self.y_px - other.y_px) / self.side_px
        tilt = math.remainder(self.roll_rad - other.roll_rad, math.tau)
        return max(shift, abs(math.log(self.side_px / other.side_px)), abs(tilt))


@dataclass(frozen=True, eq=False)
class HeadInCrop:
    """A head as the networks tell it.

    rotation   float64 [3, 3], head to the crop's camera
    place      float64 [3]: x and y of the head's origin in crop coordinates, and crop sides a metre at its depth
    """

    rotation: Doubles
    place: Doubles


def crop_of_head(rotation: Doubles, translation: Doubles, camera: PictureCamera) -> Crop:
    """The crop of a head at [3, 3], [3] (head to camera, m) in front of `camera`."""
    middle = rotation @ np.array(CROP_MIDDLE_M) + translation
    depth_m = max(-float(middle[2]), 1e-3)
    x = camera.centre_px[0] + camera.focal_px * float(middle[0]) / depth_m
    y = camera.centre_px[1] - camera.focal_px * float(middle[1]) / depth_m
    up = rotation[:, 1]
    return Crop(x, y, camera.focal_px * CROP_SIDE_M / depth_m, math.atan2(float(up[0]), float(up[1])))


def crop_of_points(right_eye: Doubles, left_eye: Doubles, mouth: Doubles) -> Crop:
    """A first guess from a detector's points, pixels [2] each: the subject's eyes and the middle of the mouth."""
    eyes = 0.5 * (right_eye + left_eye)
    across, down = left_eye - right_eye, mouth - eyes
    # Turned sideways the eyes come together, tilted up or down the mouth comes to them: the longer one is the truer.
    px_a_metre = max(np.linalg.norm(across) / _BETWEEN_EYES_M, np.linalg.norm(down) / _EYES_TO_MOUTH_M, 1.0)
    middle = 0.45 * eyes + 0.55 * mouth
    upright = down / max(float(np.linalg.norm(down)), 1e-6) + np.array([-across[1], across[0]]) * (
        1.0 / max(float(np.linalg.norm(across)), 1e-6)
    )
    roll = math.atan2(-float(upright[0]), float(upright[1]))
    return Crop(float(middle[0]), float(middle[1]), CROP_SIDE_M * float(px_a_metre), roll)


def turn_to_crop(crop: Crop, camera: PictureCamera) -> Doubles:
    """Rotation [3, 3] from the picture's camera to the crop's: the crop's middle comes onto the axis, upright."""
    ray = np.array(
        [crop.x_px - camera.centre_px[0], camera.centre_px[1] - crop.y_px, -camera.focal_px], dtype=np.float64
    )
    ray /= np.linalg.norm(ray)
    # The smallest rotation that takes the ray to the axis (0, 0, -1).
    right, up, cosine = float(ray[0]), float(ray[1]), -float(ray[2])
    cross = np.array([[0.0, 0.0, right], [0.0, 0.0, up], [-right, -up, 0.0]])
    onto_axis = np.eye(3) + cross + cross @ cross / (1.0 + cosine)
    c, s = math.cos(crop.roll_rad), math.sin(crop.roll_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ onto_axis


def head_in_crop(rotation: Doubles, translation: Doubles, crop: Crop, camera: PictureCamera) -> HeadInCrop:
    """How a head at [3, 3], [3] (head to the picture's camera, m) is told in `crop`."""
    depth_m = -float(translation[2])
    x = camera.centre_px[0] + camera.focal_px * float(translation[0]) / depth_m
    y = camera.centre_px[1] - camera.focal_px * float(translation[1]) / depth_m
    back = crop.from_picture()
    place = back[:, :2] @ np.array([x, y]) + back[:, 2]
    scale = camera.focal_px / (depth_m * crop.side_px)
    return HeadInCrop(turn_to_crop(crop, camera) @ rotation, np.array([place[0], place[1], scale]))


def head_in_picture(seen: HeadInCrop, crop: Crop, camera: PictureCamera) -> tuple[Doubles, Doubles]:
    """(rotation [3, 3], translation [3] m) of a head, to the picture's camera. The inverse of `head_in_crop`."""
    depth_m = camera.focal_px / (float(seen.place[2]) * crop.side_px)
    out = crop.to_picture()
    x, y = out[:, :2] @ seen.place[:2] + out[:, 2]
    translation = np.array(
        [
            (x - camera.centre_px[0]) * depth_m / camera.focal_px,
            (camera.centre_px[1] - y) * depth_m / camera.focal_px,
            -depth_m,
        ]
    )
    return turn_to_crop(crop, camera).T @ seen.rotation, translation
