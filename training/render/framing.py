"""Cameras and how heads are held before them; and what is told about a head in a stored crop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from models.head.crop import CROP_SIDE_M, Crop, PictureCamera, crop_of_head, head_in_crop, turn_to_crop
from models.head.flame import LEFT_EYE, RIGHT_EYE, open_head
from models.head.landmarks import FACE_POINTS, IRISES, LIPS, open_head_landmarks
from models.head.rotation import matrix_from_axis_angle
from training.data.face_store import MARGIN
from training.render.canvas import OTHER
from training.render.meshes import Floats

Doubles = NDArray[np.float64]

PICTURE_PX = (640, 480)  # of the camera; only shares of it matter
# Focal lengths in picture widths: most cameras have about 1, those that zoom in on a face more.
_FOCAL_WIDTHS, _FOCAL_SPREAD = (0.7, 2.2), 0.33
# From an arm holding a phone to across a room; most sit before a desk.
_DISTANCE_M, _USUAL_DISTANCE_M, _DISTANCE_SPREAD = (0.3, 1.5), 0.6, 0.4
# A crop over the picture's height at most, and how many heads are cut off by the picture's edge.
_LARGEST, _CUT_OFF = 0.95, 0.08
_LIMITS_RAD = np.radians([35.0, 70.0, 35.0])  # pitch, yaw, roll
_USUAL_RAD = np.radians([9.0, 15.0, 7.0])
_HOLD = 0.08  # a crop is kept until the head's own differs by more (Crop.differs), as it is while tracking
# A point is seen where nothing lies before it by more than this; irises lie right behind the lids.
_BEFORE_M, _LIDS_BEFORE_M, _OTHER_BEFORE_M = 0.005, 0.001, 0.0015


@dataclass(frozen=True, eq=False)
class Shot:
    """rotations float64 [n, 3, 3], translations [n, 3] m: the head to `camera`; crops: the stored crop of each."""

    camera: PictureCamera
    rotations: Doubles
    translations: Doubles
    crops: list[Crop]

    def held(self, count: int) -> Shot:
        """Its first pose, `count` times."""
        return replace(
            self,
            rotations=np.repeat(self.rotations[:1], count, axis=0),
            translations=np.repeat(self.translations[:1], count, axis=0),
            crops=self.crops[:1] * count,
        )


def draw_shot(rng: np.random.Generator, count: int, rate_hz: float, is_clear: bool = False) -> Shot:
    """One head before a camera: for a moment, or moving smoothly through `count` of them at `rate_hz`. If it must be
    clear, the head faces the camera, more or less, and all of it is in the picture.
    """
    width, height = PICTURE_PX
    focal = width * float(np.clip(np.exp(rng.normal(0.0, _FOCAL_SPREAD)), *_FOCAL_WIDTHS))
    camera = PictureCamera(focal, (width / 2, height / 2))
    distance_m = float(np.clip(_USUAL_DISTANCE_M * np.exp(rng.normal(0.0, _DISTANCE_SPREAD)), *_DISTANCE_M))
    # A head that fills more than the picture is one that leans in; a crop is mostly inside the picture.
    distance_m = max(distance_m, focal * CROP_SIDE_M / (_LARGEST * height))
    half = 0.5 * focal * CROP_SIDE_M / distance_m
    room = np.array([max(0.5 * width - half, 0.0), max(0.5 * height - half, 0.0)])
    reach = room + (half * rng.uniform(0.0, 1.2) if not is_clear and rng.uniform() < _CUT_OFF else 0.0)
    aside = np.clip(rng.normal(0.0, 0.45, 2), -1.0, 1.0) * reach
    ray = np.array([*aside, -focal])
    is_usual = is_clear or rng.uniform() < 0.72
    angles = rng.normal(0.0, _USUAL_RAD) if is_usual else rng.uniform(-1.0, 1.0, 3) * _LIMITS_RAD
    place = distance_m * ray / focal
    angles, places = np.tile(angles, (count, 1)), np.tile(place, (count, 1))
    if count > 1 and rng.uniform() < 0.75:
        angles += _wander(rng, count, rate_hz, 3) * _USUAL_RAD * rng.uniform(0.1, 1.2)
        places += _wander(rng, count, rate_hz, 3) * [0.012, 0.008, 0.02] * rng.uniform(0.1, 2.0)
        if rng.uniform() < 0.4:  # and holds still
            first, last = np.sort(rng.integers(0, count, 2))
            angles[first:last], places[first:last] = angles[first], places[first]
    angles = np.clip(angles, -_LIMITS_RAD, _LIMITS_RAD)
    rotations = np.stack([_towards(place) @ _turn(*row) for place, row in zip(places, angles, strict=True)])
    crops = list[Crop]()
    for rotation, translation in zip(rotations, places, strict=True):
        own = crop_of_head(rotation, translation, camera)
        own = replace(own, side_px=own.side_px * MARGIN)
        crops.append(crops[-1] if crops and crops[-1].differs(own) < _HOLD else own)
    return Shot(camera, rotations, places, crops)


def head_points(vertices: Floats) -> Floats:
    """FACE_POINTS on a head's vertices [V, 3]: float32 [140, 3]."""
    corners, shares = _embedding()
    return np.einsum("pk,pkd->pd", shares, vertices[corners])


def in_crop(points: Doubles, camera: PictureCamera, crop: Crop) -> Doubles:
    """Points [P, 3] of the camera frame in crop coordinates [P, 2]."""
    depth = -points[:, 2:]
    pixels = np.array(camera.centre_px) + camera.focal_px * points[:, :2] * [1.0, -1.0] / depth
    back = crop.from_picture()
    return pixels @ back[:, :2].T + back[:, 2]


def truths_of(shot: Shot, number: int, vertices: Floats, depth: Floats, owner: NDArray[np.uint8]) -> dict[str, Doubles]:
    """What a store tells of one picture's points and pose, by name.

    vertices [V, 3] in the head's frame; depth [S, S] m and owner [S, S] of what fills the crop (`canvas.seen`).
    """
    rotation, translation = shot.rotations[number], shot.translations[number]
    crop = shot.crops[number]
    points = head_points(vertices) @ rotation.T + translation
    flat = in_crop(points, shot.camera, crop)
    size = len(depth)
    inside = ((flat >= 0.0) & (flat < 1.0)).all(axis=1) & _in_picture(flat, crop)
    column, row = np.clip((flat * size).astype(int), 0, size - 1).T
    before = np.where(_is_iris(), _LIDS_BEFORE_M, _BEFORE_M)
    own_depth = -points[:, 2]
    farthest = cv2.dilate(np.minimum(depth, 1e3), np.ones((3, 3), np.uint8))
    by_other = (owner[row, column] == OTHER) & (depth[row, column] < own_depth - _OTHER_BEFORE_M)
    by_itself = ~by_other & (farthest[row, column] < own_depth - before)
    seen = inside & ~by_other & ~by_itself
    # What the head itself hides, as in profile, covers no region.
    could = ~by_itself | ~inside
    visibility = [(seen & region).sum() / max((could & region).sum(), 1) for region in _regions()]
    told = head_in_crop(rotation, translation, crop, shot.camera)
    return {
        "points": flat.reshape(-1),
        "points_seen": seen.astype(np.float64),
        "rotation": told.rotation.reshape(-1),
        "place": told.place,
        "focal": np.array([shot.camera.focal_px / crop.side_px]),
        "visibility": np.array(visibility),
    }


def rays(camera: PictureCamera, crop: Crop, size: int) -> tuple[Floats, NDArray[np.bool_]]:
    """(directions float32 [S, S, 3] in the camera frame through a crop's pixels, bool [S, S]: inside the picture)."""
    at = (np.arange(size) + 0.5) / size
    flat = np.stack(np.meshgrid(at, at), axis=-1)
    turn = crop.to_picture()
    pixels = flat @ turn[:, :2].T + turn[:, 2]
    aside = (pixels - np.array(camera.centre_px)) / camera.focal_px
    directions = np.stack([aside[..., 0], -aside[..., 1], -np.ones((size, size))], axis=-1)
    return directions.astype(np.float32), _in_picture(flat, crop)


def _in_picture(flat: Doubles, crop: Crop) -> NDArray[np.bool_]:
    turn = crop.to_picture()
    pixels = flat @ turn[:, :2].T + turn[:, 2]
    return np.all((pixels >= 0.0) & (pixels < np.array(PICTURE_PX)), axis=-1)


def _towards(place: Doubles) -> Doubles:
    """Turns a head that looks along +z so that it looks from `place` at the camera."""
    camera = PictureCamera(1.0, (0.0, 0.0))
    return turn_to_crop(Crop(-place[0] / place[2], place[1] / place[2], 1.0, 0.0), camera).T


def _turn(pitch: float, yaw: float, roll: float) -> Doubles:
    about = [matrix_from_axis_angle(axis) for axis in np.diag([pitch, yaw, roll])]
    return about[2] @ about[1] @ about[0]


def _wander(rng: np.random.Generator, count: int, rate_hz: float, columns: int) -> Doubles:
    """Smooth courses [count, columns] of about unit range: slow sways and a few quick moves."""
    slow = gaussian_filter1d(rng.normal(size=(count, columns)), 0.5 * rate_hz, axis=0, mode="reflect") * np.sqrt(
        rate_hz
    )
    quick = gaussian_filter1d(rng.normal(size=(count, columns)), 0.12 * rate_hz, axis=0, mode="reflect") * np.sqrt(
        rate_hz
    )
    return slow + 0.15 * quick * rng.uniform(0.0, 1.0)


@cache
def _embedding() -> tuple[NDArray[np.int64], Floats]:
    embedding, rows = open_head_landmarks(), np.array(FACE_POINTS)
    return open_head().f[embedding.triangles[rows]].astype(np.int64), embedding.barycentric[rows].astype(np.float32)


@cache
def _is_iris() -> NDArray[np.bool_]:
    return np.isin(FACE_POINTS, IRISES)


@cache
def _regions() -> NDArray[np.bool_]:
    """bool [4, 140]: which points belong to the mouth, the upper face, the eyes, the head."""
    head = open_head()
    points, joints = head_points(head.v_template), head.J_regressor @ head.v_template
    from_eyes = np.stack([np.linalg.norm((points - joints[eye])[:, :2], axis=1) for eye in (LEFT_EYE, RIGHT_EYE)]).min(
        axis=0
    )
    eyes = _is_iris() | (from_eyes < 0.0185)
    upper = (points[:, 1] > joints[LEFT_EYE, 1] + 0.006) & ~eyes
    return np.stack([np.isin(FACE_POINTS, LIPS), upper, eyes, np.ones(len(FACE_POINTS), bool)])
