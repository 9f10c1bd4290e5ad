"""A talking picture from one photograph: 478 face landmarks, a few drawn-by-hand shapes, a warp. No learning.

The photograph is cut into triangles between the landmarks and a coarse grid around them. A shape moves some landmarks,
all others follow smoothly (thin-plate splines); the head turns rigidly in 3D and drags hair and neck along. What the
lips uncover is painted: the photograph's own teeth in front of the dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from scipy.spatial import Delaunay

Image = NDArray[np.uint8]
Points = NDArray[Any]
Anchors = dict[int, Points]

LANDMARKS = 468  # without the irises, which lie inside the eyes' outlines

# MediaPipe's indices, from the subject's right to the left.
UPPER_LIP_INNER = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_LIP_INNER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
UPPER_LIP_OUTER = (185, 40, 39, 37, 0, 267, 269, 270, 409)
LOWER_LIP_OUTER = (146, 91, 181, 84, 17, 314, 405, 321, 375)
CORNERS_INNER = (78, 308)
CORNERS_OUTER = (61, 291)
JAW_LINE = (132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361)
FACE_TOP = (234, 127, 162, 21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251, 389, 356, 454)
NOSE = (1, 2, 4, 5, 6, 48, 64, 94, 97, 98, 115, 168, 195, 197, 220, 278, 294, 326, 327, 344, 440)
BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
UPPER_LIDS = (246, 161, 160, 159, 158, 157, 173, 466, 388, 387, 386, 385, 384, 398)
LOWER_LIDS = (7, 163, 144, 145, 153, 154, 155, 249, 390, 373, 374, 380, 381, 382)
EYE_CORNERS = (33, 133, 263, 362)
CHEEKS = (50, 205, 280, 425, 117, 346)

_MOUTH_COLOUR = np.array([42.0, 16.0, 16.0])
_GRID_PX = 36
# Less depth than the network believes in, so that turning the head never folds the cheek over the hair behind it.
_DEPTH = 0.6


@dataclass(frozen=True)
class Pose:
    """Where the head is against the photograph: rad (right-handed; x right, y down, z away) and pixels."""

    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0


class Portrait:
    """A photograph that can be posed.

    photo       uint8 [height, width, 3] RGB
    landmarks   float [478, 3]: MediaPipe's face mesh in pixels of the photograph, as `driver.track` gives them
    """

    def __init__(self, photo: Image, landmarks: NDArray[np.float32]) -> None:
        self._photo = photo
        height, width = photo.shape[:2]
        face = landmarks[:LANDMARKS] * np.array([1.0, 1.0, _DEPTH])
        self._unit = float(np.linalg.norm(face[33, :2] - face[263, :2]))
        self._centre = np.array([*face[[234, 454], :2].mean(0), face[[234, 454], 2].mean()])
        surround = _surroundings(face, width, height)
        self._rest = np.concatenate([face, surround])
        self._follows = np.concatenate([np.ones(len(face)), _head_weight(surround, face)])[:, None]
        triangles = Delaunay(self._rest[:, :2]).simplices
        self._mouth = _ring(CORNERS_INNER[0], UPPER_LIP_INNER, CORNERS_INNER[1], LOWER_LIP_INNER)
        outline = face[self._mouth, :2].astype(np.float32)
        middles = self._rest[triangles, :2].mean(1)
        inside = [cv2.pointPolygonTest(outline, (float(x), float(y)), False) >= 0 for x, y in middles]
        self._triangles = triangles[~np.array(inside)]
        self._teeth_mask = _filled(outline, (height, width), soften_px=1.2)
        still = self._follows[:, 0] < 0.15
        self._shapes = {
            name: self._spread_out(anchors, still) for name, anchors in _shapes(face[:, :2] / self._unit).items()
        }

    def render(self, weights: Mapping[str, float], pose: Pose) -> Image:
        """The face with these shape weights (1 = full) in this pose."""
        height, width = self._photo.shape[:2]
        moved = self._rest.copy()
        for name, weight in weights.items():
            moved[:, :2] += weight * self._shapes[name]
        posed = self._posed(moved, pose)
        picture = self._warp(posed)
        opening = _filled(posed[self._mouth], (height, width), soften_px=0.8)[..., None]
        return np.clip(picture * (1 - opening) + self._inside_of_mouth(pose) * opening, 0, 255).astype(np.uint8)

    def _posed(self, points: Points, pose: Pose) -> Points:
        """[points, 2]: turned about the head's centre, each as far as it follows the head."""
        turn = cv2.Rodrigues(np.array([pose.pitch, 0.0, 0.0]))[0]
        turn = cv2.Rodrigues(np.array([0.0, pose.yaw, 0.0]))[0] @ turn
        turn = cv2.Rodrigues(np.array([0.0, 0.0, pose.roll]))[0] @ turn
        turned = (points - self._centre) @ turn.T + self._centre + np.array([pose.shift_x, pose.shift_y, 0.0])
        return (points + self._follows * (turned - points))[:, :2]

    def _warp(self, posed: Points) -> NDArray[Any]:
        """The photograph with every triangle carried to its new place."""
        height, width = self._photo.shape[:2]
        owner = np.zeros((height, width), np.int32)
        corners = posed[self._triangles]
        for number, triangle in enumerate(np.round(corners * 16).astype(np.int32)):
            cv2.fillConvexPoly(owner, triangle, number, shift=4)
        homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=2)
        # A triangle closed to a line (an eyelid) has no inverse; nobody sees its inside.
        to_photo = np.linalg.pinv(homogeneous) @ self._rest[self._triangles, :2]
        y, x = np.mgrid[:height, :width].astype(np.float64)
        source = np.einsum("hwi,hwij->hwj", np.stack([x, y, np.ones_like(x)], -1), to_photo[owner]).astype(np.float32)
        return cv2.remap(
            self._photo, source[..., 0], source[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float64)

    def _inside_of_mouth(self, pose: Pose) -> NDArray[Any]:
        """Upper teeth, fixed to the skull, before the dark."""
        height, width = self._photo.shape[:2]
        fixed = [CORNERS_INNER[0], CORNERS_INNER[1], 2]
        before = self._rest[fixed, :2].astype(np.float32)
        after = self._posed(self._rest, pose)[fixed].astype(np.float32)
        carry = cv2.getAffineTransform(before, after)
        mask = cv2.warpAffine(self._teeth_mask, carry, (width, height))[..., None]
        teeth = cv2.warpAffine(self._photo, carry, (width, height), flags=cv2.INTER_CUBIC)
        return mask * (0.88 * teeth) + (1 - mask) * _MOUTH_COLOUR

    def _spread_out(self, anchors: Anchors, still: NDArray[np.bool_]) -> Points:
        """Displacements of all points in pixels: what `anchors` say exactly, what is `still` not at all."""
        places = np.concatenate([self._rest[list(anchors), :2], self._rest[still, :2]])
        moves = np.concatenate([np.array(list(anchors.values())) * self._unit, np.zeros((int(still.sum()), 2))])
        return RBFInterpolator(places, moves, kernel="thin_plate_spline")(self._rest[:, :2])


def _shapes(face: Points) -> dict[str, Anchors]:
    """Each shape as moves of anchor landmarks, in units of the distance between the outer eye corners, y down."""
    zero = np.zeros(2)
    lips = (*CORNERS_INNER, *CORNERS_OUTER, *UPPER_LIP_INNER, *LOWER_LIP_INNER, *UPPER_LIP_OUTER, *LOWER_LIP_OUTER)
    middle = face[list(lips)].mean(0)
    eyes = dict.fromkeys((*UPPER_LIDS, *LOWER_LIDS, *EYE_CORNERS, *BROWS), zero)
    frame = dict.fromkeys((*FACE_TOP, *NOSE), zero)
    jaw_line = dict.fromkeys(JAW_LINE, zero)
    gap = face[list(UPPER_LIP_INNER)] - face[list(LOWER_LIP_INNER)]

    def rows(upper: Sequence[Points], lower: Sequence[Points], corner: Points) -> Anchors:
        found: Anchors = dict.fromkeys((*CORNERS_INNER, *CORNERS_OUTER), corner)
        for inner, outer, moves in (
            (UPPER_LIP_INNER, UPPER_LIP_OUTER, upper),
            (LOWER_LIP_INNER, LOWER_LIP_OUTER, lower),
        ):
            found |= dict(zip(inner, moves, strict=True)) | dict(zip(outer, moves, strict=True))
        return found

    def stretched(factor: float, corner_down: float) -> Anchors:
        half_width = abs(face[CORNERS_OUTER[0], 0] - middle[0])
        return {
            index: np.array(
                [
                    (factor - 1) * (face[index, 0] - middle[0]),
                    corner_down * abs(face[index, 0] - middle[0]) / half_width,
                ]
            )
            for index in lips
        }

    along = np.sin(np.linspace(0.0, np.pi, len(UPPER_LIP_INNER) + 2))[1:-1]
    drop = [np.array([0.0, 0.07 + 0.17 * height]) for height in along]
    chin = np.sin(np.linspace(0.0, np.pi, len(JAW_LINE)))
    return {
        "seal": frame
        | eyes
        | rows(list(-0.3 * gap), list(0.7 * gap), zero)
        | {index: np.array([0.0, 0.45 * gap[4, 1] * height]) for index, height in zip(JAW_LINE, chin, strict=True)},
        "relax": frame | eyes | jaw_line | stretched(0.86, 0.035),
        "open": frame
        | eyes
        | rows([zero] * len(along), drop, np.array([0.0, 0.06]))
        | {index: np.array([0.0, 0.22 * height**2]) for index, height in zip(JAW_LINE, chin, strict=True)},
        "rounded": frame | eyes | jaw_line | stretched(0.70, 0.0),
        "spread": frame | eyes | jaw_line | stretched(1.10, -0.012),
        "upper_up": frame
        | eyes
        | jaw_line
        | rows([np.array([0.0, -0.035 * height]) for height in along], [zero] * len(along), zero),
        "blink": frame
        | eyes
        | {upper: 0.90 * (face[lower] - face[upper]) for upper, lower in zip(UPPER_LIDS, LOWER_LIDS, strict=True)},
        "brows_up": frame
        | dict.fromkeys((*UPPER_LIDS, *LOWER_LIDS, *EYE_CORNERS), zero)
        | {index: np.array([0.0, -0.055]) for index in BROWS},
    }


def _surroundings(face: Points, width: int, height: int) -> Points:
    """[points, 3]: a grid over the picture, its border included, that leaves out the face; at the ears' depth."""
    columns = np.linspace(0, width - 1, round(width / _GRID_PX) + 1)
    lines = np.linspace(0, height - 1, round(height / _GRID_PX) + 1)
    grid = np.stack(np.meshgrid(columns, lines), -1).reshape(-1, 2)
    hull = cv2.convexHull(face[:, :2].astype(np.float32))
    outside = [cv2.pointPolygonTest(hull, (float(x), float(y)), True) < -0.4 * _GRID_PX for x, y in grid]
    depth = float(face[[234, 454], 2].mean())
    return np.concatenate([grid[outside], np.full((sum(outside), 1), depth)], axis=1)


def _head_weight(points: Points, face: Points) -> NDArray[Any]:
    """How far points around the face follow the head: hair fully, the neck partly, the rest of the picture not."""
    low, high = face[:, :2].min(0), face[:, :2].max(0)
    centre = np.array([(low[0] + high[0]) / 2, low[1] + 0.25 * (high[1] - low[1])])
    radius = np.array([0.85 * (high[0] - low[0]), 0.72 * (high[1] - low[1])])
    distance = np.linalg.norm((points[:, :2] - centre) / radius, axis=1)
    below_chin = (points[:, 1] - high[1]) / (0.3 * (high[1] - low[1]))
    weight = 1 - np.clip((distance - 1.0) / 0.6, 0, 1)
    return np.where(below_chin > 0, np.minimum(weight, 0.8 * (1 - np.clip(below_chin, 0, 1))), weight)


def _ring(first: int, upper: tuple[int, ...], last: int, lower: tuple[int, ...]) -> list[int]:
    return [first, *upper, last, *reversed(lower)]


def _filled(outline: NDArray, size: tuple[int, int], soften_px: float) -> NDArray[Any]:
    """float [height, width] in 0..1: 1 inside the outline, with a soft edge."""
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(np.asarray(outline) * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
    return cv2.GaussianBlur(mask, (0, 0), soften_px) / 255.0
