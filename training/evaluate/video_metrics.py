"""What is measured of faces that were read from pictures. Plain arrays in, numbers out; what is not known is NaN.

Points are in pixels; F is pictures. The 68 marks are those of the 300-W annotations (and dlib), counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.head.landmarks import FACE_POINTS, INNER_LIPS, LIPS
from models.head.rotation import matrix_from_axis_angle
from training.data.lips import landmark_moves_mm

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Mark of the 68 -> the landmark that lies nearest it (on 120 photographs that do not judge, within 9 % of the eye
# distance, those of lips and eyes within 6 %). The jaw line is left out: its marks follow the outline that is seen, the
# landmarks points of the surface; and so are the marks between nostril and septum, near which no landmark is told.
LANDMARK_OF_MARK = {
    **dict(zip(range(17, 22), (70, 63, 105, 66, 107), strict=True)),
    **dict(zip(range(22, 27), (336, 296, 334, 293, 300), strict=True)),
    **dict(zip((*range(27, 31), 31, 35), (168, 197, 5, 4, 98, 327), strict=True)),
    **dict(zip(range(36, 42), (33, 160, 158, 133, 153, 144), strict=True)),
    **dict(zip(range(42, 48), (362, 385, 387, 263, 373, 380), strict=True)),
    **dict(zip(range(48, 55), (61, 39, 37, 0, 267, 269, 291), strict=True)),
    **dict(zip(range(55, 60), (405, 314, 17, 84, 181), strict=True)),
    **dict(zip(range(60, 68), (78, 82, 13, 312, 308, 317, 14, 87), strict=True)),
}
MARKS = np.array(list(LANDMARK_OF_MARK))
MARKED_POINTS = np.array([FACE_POINTS.index(landmark) for landmark in LANDMARK_OF_MARK.values()])
_OUTER_EYES = (36, 45)  # marks: the subject's right and left
_EYE_POINTS = tuple(FACE_POINTS.index(landmark) for landmark in (33, 263))

_LIP_ROWS = [FACE_POINTS.index(landmark) for landmark in (*INNER_LIPS[0][3:6], *INNER_LIPS[1][3:6], 61, 291)]
_LIP_MARKS = (61, 62, 63, 67, 66, 65, 48, 54)
_LID_ROWS = [
    [FACE_POINTS.index(landmark) for landmark in eye]
    for eye in ((263, 362, 385, 387, 380, 373), (33, 133, 158, 160, 153, 144))
]
_LID_MARKS = ((45, 42, 43, 44, 47, 46), (36, 39, 38, 37, 40, 41))

REGIONS = {
    "mouth": LIPS,
    "brows": (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285),
    "cheeks": (50, 205, 117, 123, 187, 207, 280, 425, 346, 352, 411, 427),
}

# Corners of the face's plane, m: what a shaking head moves.
_PLANE_M = np.array([[x, y, 0.05] for x in (-0.06, 0.06) for y in (-0.07, 0.07)])
# The smallest share of its usual opening that an eye keeps in a blink, and the longest blink.
_BLINK_OPEN, _BLINK_S, _BLINK_APART_S = 0.6, 0.5, 0.12
_BLINK_USUAL_S = 1.0
_SHUT = 0.5


def eye_distance_px(marks: Floats) -> Doubles:
    """Between the outer corners of the eyes [...] of marks [..., 68, 2]."""
    return np.linalg.norm(marks[..., _OUTER_EYES[1], :] - marks[..., _OUTER_EYES[0], :], axis=-1)


def mark_offsets(points: Floats, marks: Floats) -> Doubles:
    """Points [F, 140, 2] less marks [F, 68, 2], in eye distances, along and across the line of the eyes: [F, M, 2]."""
    across = (marks[:, _OUTER_EYES[1]] - marks[:, _OUTER_EYES[0]]).astype(np.float64)
    unit = across / (across**2).sum(axis=1, keepdims=True)
    apart = (points[:, MARKED_POINTS] - marks[:, MARKS]).astype(np.float64)
    along = np.einsum("fmi,fi->fm", apart, unit)
    upright = apart[:, :, 1] * unit[:, None, 0] - apart[:, :, 0] * unit[:, None, 1]
    return np.stack([along, upright], axis=2)


def mark_error(points: Floats, marks: Floats) -> Doubles:
    """Mean distance of the landmarks from their marks, in outer-eye distances: [F]; NaN without a face."""
    return np.linalg.norm(mark_offsets(points, marks), axis=2).mean(axis=1)


def mark_error_less_habits(points: Floats, marks: Floats) -> Doubles:
    """The same less the mean difference between the two ways of marking; each picture's comes from the other half."""
    offsets = mark_offsets(points, marks)
    even = np.arange(len(offsets)) % 2 == 0
    habits = np.where(even[:, None, None], _mean_of_known(offsets[~even]), _mean_of_known(offsets[even]))
    return np.linalg.norm(offsets - habits, axis=2).mean(axis=1)


def _mean_of_known(offsets: Doubles) -> Doubles:
    """Over the pictures [F, M, 2] in which all are known: [M, 2]; NaN when there is none."""
    known = offsets[np.isfinite(offsets).all(axis=(1, 2))]
    return known.mean(axis=0) if len(known) else np.full(offsets.shape[1:], np.nan)


def is_same_face(points: Floats, marks: Floats) -> Flags:
    """[F]: whether the eyes that were found are those that were marked, within half of their distance."""
    found = points[:, _EYE_POINTS, :].mean(axis=1)
    apart = np.linalg.norm(found - marks[:, _OUTER_EYES, :].mean(axis=1), axis=1)
    return np.nan_to_num(apart, nan=np.inf) < 0.5 * eye_distance_px(marks)


def lips_of_points(points: Floats) -> tuple[Doubles, Doubles]:
    """(opening, width) of the lips [F] of points [F, 140, 2], in distances between the outer corners of the eyes."""
    unit = np.linalg.norm(points[:, _EYE_POINTS[1]] - points[:, _EYE_POINTS[0]], axis=1)
    return _lips(points[:, _LIP_ROWS], unit)


def lips_of_marks(marks: Floats) -> tuple[Doubles, Doubles]:
    """The same of marks [F, 68, 2]."""
    return _lips(marks[:, _LIP_MARKS, :], eye_distance_px(marks))


def _lips(points: Floats, unit: Floats) -> tuple[Doubles, Doubles]:
    opening = np.linalg.norm(points[:, :3] - points[:, 3:6], axis=2).mean(axis=1)
    return opening / unit, np.linalg.norm(points[:, 7] - points[:, 6], axis=1) / unit


def openness_of_points(points: Floats) -> Doubles:
    """Opening of both eyes over their width [F] (the eye aspect ratio of Soukupova and Cech 2016), mean of both."""
    return np.mean([_openness(points[:, rows]) for rows in _LID_ROWS], axis=0)


def openness_of_marks(marks: Floats) -> Doubles:
    """The same of marks [F, 68, 2]."""
    return np.mean([_openness(marks[:, rows, :]) for rows in _LID_MARKS], axis=0)


def _openness(points: Floats) -> Doubles:
    gaps = np.linalg.norm(points[:, 2:4] - points[:, 4:6], axis=2).mean(axis=1)
    return gaps / np.linalg.norm(points[:, 1] - points[:, 0], axis=1)


def correlation(one: Floats, other: Floats) -> float:
    """Pearson's r over the pictures where both are known; NaN when nothing moves or fewer than ten are."""
    known = np.isfinite(one) & np.isfinite(other)
    if np.count_nonzero(known) < 10 or np.ptp(one[known]) == 0.0 or np.ptp(other[known]) == 0.0:
        return float("nan")
    return float(np.corrcoef(one[known], other[known])[0, 1])


def blinks_of_openness(openness: Floats, times_s: Floats) -> list[float]:
    """Middles of the blinks, s: stretches under 0.6 of the median of a second to both sides, at most half a second."""
    known = np.isfinite(openness)
    usual = [np.median(openness[known & (np.abs(times_s - time_s) <= _BLINK_USUAL_S)]) for time_s in times_s[known]]
    is_shut = np.zeros(len(openness), bool)
    is_shut[known] = openness[known] < _BLINK_OPEN * np.array(usual)
    return _blinks(is_shut, times_s)


def blinks_of_eyelids(eyelids: Floats, times_s: Floats) -> list[float]:
    """Middles of the stretches [s] in which the mean of both lids [F, 2] is over a half, at most half a second long."""
    return _blinks(np.nan_to_num(eyelids).mean(axis=1) > _SHUT, times_s)


def _blinks(is_shut: Flags, times_s: Floats) -> list[float]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_shut, [False]]).astype(int)))
    stretches = [
        (float(times_s[start]), float(times_s[end - 1])) for start, end in zip(*[iter(edges)] * 2, strict=True)
    ]
    return [0.5 * (start + end) for start, end in stretches if end - start <= _BLINK_S]


def matched(told: Sequence[float], true: Sequence[float]) -> tuple[int, int, int]:
    """(found, told, true): events within 120 ms of each other, each used once, the nearest first."""
    pairs = sorted((abs(a - b), i, j) for i, a in enumerate(told) for j, b in enumerate(true))
    used_told: set[int] = set()
    used_true: set[int] = set()
    for apart, i, j in pairs:
        if apart <= _BLINK_APART_S and i not in used_told and j not in used_true:
            used_told.add(i)
            used_true.add(j)
    return len(used_told), len(told), len(true)


def f1(counts: Sequence[tuple[int, int, int]]) -> float:
    """Harmonic mean of precision and recall over all clips; NaN when there is nothing to find or tell."""
    found, told, true = np.sum(counts, axis=0) if counts else (0, 0, 0)
    return float(2 * found / (told + true)) if told + true else float("nan")


def rotations(axis_angles: Floats) -> Doubles:
    """[F, 3] -> [F, 3, 3]; NaN stays NaN."""
    return np.stack(
        [np.full((3, 3), np.nan) if np.isnan(row).any() else matrix_from_axis_angle(row) for row in axis_angles]
    )


def angle_deg(one: Doubles, other: Doubles) -> Doubles:
    """Angle [F] of the turn between rotations [F, 3, 3]."""
    cosine = (np.einsum("fij,fij->f", one, other) - 1.0) / 2.0
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def gaze_error_deg(told: Floats, true: Floats) -> Doubles:
    """Angle [F, 2] between gaze directions, left and right, of [F, 4] rad (pitch and yaw of each eye)."""
    one, other = (_directions(np.asarray(gaze, np.float64).reshape(-1, 2, 2)) for gaze in (told, true))
    return np.degrees(np.arccos(np.clip((one * other).sum(axis=2), -1.0, 1.0)))


def _directions(angles: Doubles) -> Doubles:
    pitch, yaw = angles[..., 0], angles[..., 1]
    return np.stack([np.cos(pitch) * np.sin(yaw), -np.sin(pitch), np.cos(pitch) * np.cos(yaw)], axis=-1)


def region_error_mm(told: Floats, true: Floats, region: str) -> Doubles:
    """Mean distance [F] between the surface points of a region as two motions [F, 53] move them on the mean head."""
    moves = [np.stack(landmark_moves_mm(motion, *REGIONS[region]), axis=1) for motion in (told, true)]
    return np.linalg.norm(moves[0].astype(np.float64) - moves[1], axis=2).mean(axis=1)


def lip_jitter_mm(motion: Floats) -> Doubles:
    """Trembling [F - 2] of the lips of a motion [F, 53]: see `trembling`."""
    return trembling(np.stack(landmark_moves_mm(motion, *LIPS), axis=1).astype(np.float64))


def head_jitter_mm(rotation: Doubles, translation: Floats) -> Doubles:
    """Trembling [F - 2] of the face's plane across the line of sight, of [F, 3, 3] and [F, 3] m."""
    placed = np.einsum("fij,pj->fpi", rotation, _PLANE_M) + translation[:, None]
    return trembling(1e3 * placed[:, :, :2])


def trembling(places: Doubles) -> Doubles:
    """Root mean square over points [F, P, D] of how far each picture is from the line between its neighbours.

    Over sqrt(1.5): of white noise it is the noise's own length. Steady motion does not count.
    """
    bend = places[1:-1] - 0.5 * (places[:-2] + places[2:])
    return np.sqrt((bend**2).sum(axis=2).mean(axis=1) / 1.5)
