"""What a camera sees of a face, as ten numbers: of points in a picture, and of a motion seen from where its head is.

Both are told in the plane of the picture, turned upright by the line of the eyes and scaled by it, so that neither
distance nor tilt counts; a turned head is seen turned in both. Numbers are in mm on the mean head, but for the lids,
which are openings over the openings of a head with open eyes that looks the same way.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from driver.face_adapter import CHANGED_SIZE, MEASURES
from models.head.flame import JAW, open_head
from models.head.landmarks import FACE_POINTS, INNER_LIPS, LandmarkRig, open_head_landmarks
from models.head.rotation import matrix_from_axis_angle
from protocol.frame import PART_BY_NAME

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

LIDS = ("lid_left", "lid_right")
LIPS = MEASURES.index("lips_apart")
LID_COLUMNS = [MEASURES.index(name) for name in LIDS]

_EXPRESSION, _JAW = PART_BY_NAME["expression"].size, PART_BY_NAME["jaw"].size
# A step of each number of the motion that is small, and yet more than float32's noise.
_STEPS = np.concatenate([np.full(_EXPRESSION, 0.25), np.full(_JAW, 0.02)])
# How far faces go, one standard deviation: of the expression by construction, of the jaw about x, y and z in rad.
_SPREAD = np.concatenate([np.ones(_EXPRESSION), [0.15, 0.03, 0.02]])
# How exactly a measure is to be met, mm: less leaves the face to the likelier motion.
_MET_MM = 0.3


def _rows(*landmarks: int) -> list[int]:
    return [FACE_POINTS.index(landmark) for landmark in landmarks]


_OUTER_RIGHT, _OUTER_LEFT = _rows(33, 263)
_CORNERS_OF_EYES = _rows(33, 133, 362, 263)
_UPPER_LIP, _LOWER_LIP = _rows(*INNER_LIPS[0][3:6]), _rows(*INNER_LIPS[1][3:6])
_RIGHT_CORNER, _LEFT_CORNER = _rows(61, 291)
_LIP_TOP, _LIP_BOTTOM, _NOSE_TIP = _rows(0, 17, 4)
_LEFT_BROW, _RIGHT_BROW, _INNER_BROWS = _rows(293, 334, 282, 283), _rows(63, 105, 52, 53), _rows(107, 336, 55, 285)
_LEFT_LIDS, _RIGHT_LIDS = (_rows(385, 387), _rows(380, 373)), (_rows(158, 160), _rows(153, 144))


def seen_measures(points_px: NDArray[np.floating]) -> Doubles:
    """float64 [F, 10] in the order of MEASURES, of FACE_POINTS [F, 140, 2] (y down); lids are gaps in mm still."""
    points = np.asarray(points_px, np.float64)
    across = points[:, _OUTER_LEFT] - points[:, _OUTER_RIGHT]
    scale = _eye_distance_mm() / (across**2).sum(axis=1)
    middle = points[:, _CORNERS_OF_EYES].mean(axis=1)
    x, y = np.moveaxis(points - middle[:, None], 2, 0)
    dx, dy = across.T[:, :, None]
    right = (x * dx + y * dy) * scale[:, None]
    up = (x * dy - y * dx) * scale[:, None]

    def height(rows: list[int]) -> Doubles:
        return np.asarray(up[:, rows].mean(axis=1))

    lips = 0.5 * (up[:, _LIP_TOP] + up[:, _LIP_BOTTOM])
    by_name = {
        "lips_apart": height(_UPPER_LIP) - height(_LOWER_LIP),
        "mouth_width": right[:, _LEFT_CORNER] - right[:, _RIGHT_CORNER],
        "corner_left": up[:, _LEFT_CORNER] - lips,
        "corner_right": up[:, _RIGHT_CORNER] - lips,
        "upper_lip": up[:, _LIP_TOP] - up[:, _NOSE_TIP],
        "brow_left": height(_LEFT_BROW),
        "brow_right": height(_RIGHT_BROW),
        "brow_inner": height(_INNER_BROWS),
        "lid_left": height(_LEFT_LIDS[0]) - height(_LEFT_LIDS[1]),
        "lid_right": height(_RIGHT_LIDS[0]) - height(_RIGHT_LIDS[1]),
    }
    return np.stack([by_name[name] for name in MEASURES], axis=1)


def told_points(motion: NDArray[np.floating], gaze: Floats, rotation: Floats) -> Doubles:
    """FACE_POINTS [F, 140, 2] (m, y down) of the mean head with open eyes, as a far camera sees them.

    motion    [F, 53]: expression (sd) and jaw (rad)     gaze [F, 4] rad
    rotation  [F, 3]: axis-angle of the head to the camera, rad
    """
    rig, rest, joint = _rig()
    placed: list[Doubles] = []
    for row, looks, turn in zip(motion, gaze, rotation, strict=True):
        points = rig.posed(rest, joint, row[:_EXPRESSION].astype(np.float32), row[_EXPRESSION:], (0.0, 0.0), looks)
        turned = points.points @ matrix_from_axis_angle(turn.astype(np.float64)).T
        placed.append(turned[:, :2] * (1.0, -1.0))
    return np.stack(placed)


def told_measures(told: Floats, rotation: Floats) -> Doubles:
    """float64 [F, 10] of what a network told [F, 59] (`driver.face_adapter`) of heads turned by `rotation` [F, 3].

    The lips' opening counts from lips that touch, where it is 0 and stays 0 however hard they are pressed; the lids'
    gaps are those of open lids that look the same way.
    """
    motion, gaze = told[:, : _EXPRESSION + _JAW], told[:, -4:]
    made = seen_measures(told_points(motion, gaze, rotation))
    touching = seen_measures(told_points(np.zeros_like(motion), np.zeros_like(gaze), rotation))
    made[:, LIPS] = np.maximum(made[:, LIPS] - touching[:, LIPS], 0.0)
    return made


@cache
def moves() -> Floats:
    """float32 [10, 55]: the likeliest change of expression (sd), jaw (rad) and eyelids that moves each measure by 1 and
    leaves the others; of the lids' measures, a closure of the lid alone.

    With the spread C of faces and the derivative G of the measures by the motion: C G' (G C G' + R)^-1.
    """
    base = np.zeros(_EXPRESSION + _JAW)
    variants = np.concatenate([sign * np.diag(_STEPS) for sign in (1.0, -1.0)]) + base
    still = np.zeros((len(variants), 4), np.float32), np.zeros((len(variants), 3), np.float32)
    seen = seen_measures(told_points(variants.astype(np.float32), *still))
    by_motion = (seen[: len(base)] - seen[len(base) :]) / (2.0 * _STEPS[:, None])
    spread = by_motion * np.square(_SPREAD)[:, None]
    doubt = np.eye(len(MEASURES)) * _MET_MM**2
    gain = np.linalg.solve(by_motion.T @ spread + doubt, spread.T)
    made = np.zeros((len(MEASURES), CHANGED_SIZE), np.float32)
    made[:, : len(base)] = gain
    made[LID_COLUMNS] = 0.0
    made[LID_COLUMNS, _EXPRESSION + _JAW + np.arange(len(LIDS))] = 1.0
    return made


@cache
def _rig() -> tuple[LandmarkRig, Floats, Floats]:
    head = open_head()
    rig = LandmarkRig(head, open_head_landmarks(), FACE_POINTS)
    nobody = np.zeros(0, np.float32)
    return rig, rig.at_rest(nobody), rig.joint(JAW, nobody, np.zeros(_EXPRESSION, np.float32))


@cache
def _eye_distance_mm() -> float:
    rest = _rig()[1]
    return 1e3 * float(np.linalg.norm(rest[_OUTER_LEFT] - rest[_OUTER_RIGHT]))
