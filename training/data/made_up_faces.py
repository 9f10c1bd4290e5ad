"""Painted faces with exact truth: a mask of polygons through the head's points. For tests, and to try things quickly.

They move as the head moves and are seen as a pinhole sees them, so whatever is said of truths holds for them; nothing
about real faces is learnt from them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.head.crop import Crop, PictureCamera, crop_of_head, head_in_crop
from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS, OUTLINE_ROWS
from models.head.rotation import matrix_from_axis_angle
from training.data.face_store import MARGIN, PICTURE_PX, FaceClip, FaceClipInfo, FaceWriter, Picture
from training.data.mirror import Truth
from training.losses.face_surface import FaceSurface

Doubles = NDArray[np.float64]

_CAMERA = PictureCamera(700.0, (320.0, 240.0))
_RATE_HZ = 30.0
_ROW_OF = {landmark: row for row, landmark in enumerate(FACE_POINTS)}
_OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
_INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
_RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
_LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
_BROWS = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
_IRISES = (tuple(range(469, 473)), tuple(range(474, 478)))
_NOSE = (168, 48, 2, 278)


def made_up_faces(folder: Path, clips: int = 5, pictures: int = 8, seed: int = 0) -> None:
    """A store at `folder` of that many clips, a fifth of them for validation, and two pictures of nobody."""
    surface = FaceSurface(open_head())
    with FaceWriter(folder) as writer:
        for number in range(clips):
            info = FaceClipInfo(
                f"clip{number}",
                f"person{number}",
                "made up",
                "synthetic",
                "free",
                "val" if number % 5 == 4 else "train",
                _RATE_HZ,
            )
            writer.add(FaceClip(info, *made_up_clip(surface, pictures, np.random.default_rng([seed, number]))))
        rng = np.random.default_rng([seed, clips])
        for number, split in enumerate(("train", "val")):
            info = FaceClipInfo(f"nobody{number}", "nobody", "made up", "nobody", "free", split)
            writer.add(FaceClip(info, _wall(rng)[None], {"presence": np.zeros((1, 1), np.float32)}))


def made_up_clip(surface: FaceSurface, pictures: int, rng: np.random.Generator) -> tuple[Picture, Truth]:
    """Pictures uint8 [n, 192, 192, 3] of one person who moves from one face to another, and their truths."""
    shape = rng.normal(0.0, 0.7, 100)
    begin, end = _motion(rng), _motion(rng)
    colours, wall = rng.integers(40, 256, (5, 3)), _wall(rng)
    shown: list[Picture] = []
    rows: list[Truth] = []
    for share in np.linspace(0.0, 1.0, pictures):
        motion = {name: (1.0 - share) * begin[name] + share * end[name] for name in begin}
        motion["shape"] = shape
        rotation = matrix_from_axis_angle(motion.pop("head"))
        translation = motion.pop("translation")
        crop = crop_of_head(rotation, translation, _CAMERA)
        stored = Crop(crop.x_px, crop.y_px, MARGIN * crop.side_px, crop.roll_rad)
        seen = head_in_crop(rotation, translation, stored, _CAMERA)
        points = _points(surface, motion, rotation, translation, stored)
        shown.append(_painted(points * PICTURE_PX, colours, wall))
        told = {
            **motion,
            "rotation": seen.rotation.reshape(9),
            "place": seen.place,
            "focal": np.array([_CAMERA.focal_px / stored.side_px]),
            "points": points.reshape(-1),
            "points_seen": np.ones(len(points)),
            "presence": np.ones(1),
            "visibility": np.ones(4),
            "belief": np.ones(1),
        }
        rows.append({name: values.astype(np.float32) for name, values in told.items()})
    return np.stack(shown), {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _motion(rng: np.random.Generator) -> dict[str, Doubles]:
    """A random face, and where it is."""
    lids, gaze = rng.choice([0.0, 0.3, 1.0], 2, p=(0.6, 0.25, 0.15)), rng.normal(0.0, 0.2, 2)
    return {
        "expression": rng.normal(0.0, 0.6, 50),
        "jaw": np.array([max(0.0, rng.normal(0.08, 0.1)), *rng.normal(0.0, 0.02, 2)]),
        "eyelids": lids,
        "gaze": np.tile(gaze, 2),
        "head": rng.normal(0.0, (0.2, 0.3, 0.15)),
        "translation": np.array([*rng.normal(0.0, 0.06, 2), -rng.uniform(0.4, 0.8)]),
    }


def _points(
    surface: FaceSurface, motion: dict[str, Doubles], rotation: Doubles, translation: Doubles, crop: Crop
) -> Doubles:
    """FACE_POINTS [140, 2] in crop coordinates."""

    def tensor(*names: str) -> torch.Tensor:
        return torch.tensor(np.concatenate([motion[name] for name in names]), dtype=torch.float32)[None]

    with torch.no_grad():
        rest = surface(tensor("expression", "jaw"), tensor("eyelids"), tensor("gaze"), tensor("shape"))
    placed = 0.001 * rest[0].double().numpy() @ rotation.T + translation
    offset = _CAMERA.focal_px * placed[:, :2] / -placed[:, 2:]
    picture = np.array(_CAMERA.centre_px) + offset * (1.0, -1.0)
    back = crop.from_picture()
    return picture @ back[:, :2].T + back[:, 2]


def _painted(points_px: Doubles, colours: NDArray[np.int64], wall: Picture) -> Picture:
    picture = wall.copy()
    skin, hair, lips, iris, brow = (tuple(int(level) for level in colour) for colour in colours)

    def fill(ids: tuple[int, ...], colour: tuple[int, ...]) -> None:
        corners = points_px[[_ROW_OF[landmark] for landmark in ids]]
        # Sixteenths of a pixel; a pixel's middle is half a pixel from its corner.
        cv2.fillPoly(picture, [np.round(16.0 * (corners - 0.5)).astype(np.int32)], colour, cv2.LINE_AA, 4)

    hull = cv2.convexHull(points_px[OUTLINE_ROWS].astype(np.float32))[:, 0]
    middle = hull.mean(axis=0)
    for grown, colour in ((1.15, hair), (1.0, skin)):
        corners = np.round(16.0 * (middle + grown * (hull - middle) - 0.5)).astype(np.int32)
        cv2.fillPoly(picture, [corners], colour, cv2.LINE_AA, 4)
    for eye, ring in ((_RIGHT_EYE, _IRISES[0]), (_LEFT_EYE, _IRISES[1])):
        fill(eye, (245, 245, 245))
        before = picture.copy()
        fill(ring, iris)
        inside = np.zeros(picture.shape[:2], np.uint8)
        corners = points_px[[_ROW_OF[landmark] for landmark in eye]]
        cv2.fillPoly(inside, [np.round(16.0 * (corners - 0.5)).astype(np.int32)], 1, cv2.LINE_8, 4)
        picture[inside == 0] = before[inside == 0]
    for ids in _BROWS:
        fill(ids, brow)
    fill(_NOSE, tuple(round(0.8 * level) for level in skin))
    fill(_OUTER_LIPS, lips)
    fill(_INNER_LIPS, (30, 10, 10))
    return picture


def _wall(rng: np.random.Generator) -> Picture:
    cells = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(cells, (PICTURE_PX, PICTURE_PX), interpolation=cv2.INTER_CUBIC), np.uint8)
