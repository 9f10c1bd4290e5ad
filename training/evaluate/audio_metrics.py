"""How good a face is that a voice drives: one function a measure, on arrays alone.

Lips and upper face are sets of MediaPipe's landmarks on the head's surface, so that the same points are measured on
synthetic truth and on real faces. Motions are [hops, 53] (expression sd, jaw rad), 50 rows a second; gaps are in mm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.data.clips import HOP_S, UNKNOWN_PHONE
from training.data.lips import landmark_moves_mm
from training.data.phones import BILABIALS, INDEX_OF_PHONE, LABIODENTALS, ROUNDED_VOWELS, SILENCE

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

LIPS = (
    *(61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 146, 91, 181, 84, 17, 314, 405, 321, 375),
    *(78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 95, 88, 178, 87, 14, 317, 402, 318, 324),
)
UPPER_FACE = (
    *(70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
    *(10, 151, 9, 8, 109, 338, 67, 297, 117, 118, 101, 346, 347, 330),
)

CLOSED_MM = 1.5
NEAR_S = 0.04
_WINDOW_S = 0.4
_LONGEST_SHIFT_S = 0.2
_HEARD_LAUGH = 0.5


def moves_mm(motion: Floats, landmarks: tuple[int, ...]) -> Floats:
    """How far each landmark is from rest: [hops, L, 3]."""
    return np.stack(landmark_moves_mm(motion, *landmarks), axis=1)


def worst_squared_mm2(motion: Floats, truth: Floats) -> Doubles:
    """[hops]: the squared error of the lips' worst landmark, mm^2; what LVE is made from."""
    error = moves_mm(motion, LIPS).astype(np.float64) - moves_mm(truth, LIPS)
    return np.max(np.sum(error**2, axis=2), axis=1)


def lip_vertex_error_mm(worst_mm2: ArrayLike) -> float:
    """LVE as ARTalk has it: the root of the mean over frames (of all clips) of the worst lip point's squared error."""
    return float(np.sqrt(np.mean(np.asarray(worst_mm2, np.float64))))


def liveliness_mm2(motion: Floats) -> float:
    """Mean over the upper face's points of the deviation in time of their squared distance from rest, mm^2.

    FDD as CodeTalker has it is the mean over clips of liveliness(truth) - liveliness(motion): signed, positive = too
    still.
    """
    squared = np.sum(moves_mm(motion, UPPER_FACE).astype(np.float64) ** 2, axis=2)
    return float(np.mean(np.std(squared, axis=0)))


def near(rows: Flags, reach_s: float = NEAR_S) -> Flags:
    """Rows within `reach_s` of one that is set."""
    reach = round(reach_s / HOP_S)
    padded = np.pad(rows, reach)
    return np.any(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1)


def is_phone(phones: NDArray[np.uint8], symbols: frozenset[str] | set[str]) -> Flags:
    """Rows in which one of `symbols` is spoken."""
    return np.isin(phones, [INDEX_OF_PHONE[symbol] for symbol in symbols])


def runs(rows: Flags) -> list[slice]:
    """The stretches of set rows."""
    edges = np.flatnonzero(np.diff(np.pad(rows.astype(np.int8), 1)))
    return [slice(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def closures(gap_mm: Floats, phones: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """(closed, bilabials, rightly, closed_rows): what recall and precision of bilabial closure are made from.

    closed of `bilabials` p, b and m have the lips less than CLOSED_MM apart within NEAR_S. In speech the lips are that
    close in `closed_rows` rows, `rightly` of them within NEAR_S of a p, b or m. Speech is where a phone is known, away
    from silence and from f and v, in which closed lips are no fault.
    """
    is_bilabial, is_closed = is_phone(phones, BILABIALS), gap_mm < CLOSED_MM
    stretches = runs(is_bilabial)
    reach = round(NEAR_S / HOP_S)
    closed = sum(bool(np.any(is_closed[max(0, run.start - reach) : run.stop + reach])) for run in stretches)
    forgiven = near(is_phone(phones, LABIODENTALS | {SILENCE}) | (phones == UNKNOWN_PHONE))
    close_by = near(is_bilabial)
    counted = is_closed & (~forgiven | close_by)
    return closed, len(stretches), int(np.count_nonzero(counted & close_by)), int(np.count_nonzero(counted))


def rounded_rows(phones: NDArray[np.uint8]) -> Flags:
    """The middle halves of the rounded vowels: their ends belong to the neighbours."""
    rows = np.zeros(len(phones), bool)
    for run in runs(is_phone(phones, ROUNDED_VOWELS)):
        quarter = (run.stop - run.start) // 4
        rows[run.start + quarter : run.stop - quarter] = True
    return rows


def correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's r; 0 where one of the two does not move, NaN for fewer than three values."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(x) < 3:
        return float("nan")
    return 0.0 if np.ptp(x) == 0.0 or np.ptp(y) == 0.0 else float(np.corrcoef(x, y)[0, 1])


def misalignment_s(gap: ArrayLike, truth: ArrayLike) -> float:
    """Mean temporal misalignment: how far apart dynamic time warping pairs the lips' velocities, on average, in s.

    The velocities are brought to unit deviation; the path joins both ends of the clip and strays up to 200 ms.
    """
    a, b = _unit(np.gradient(np.asarray(gap, np.float64))), _unit(np.gradient(np.asarray(truth, np.float64)))
    path = _warping_path(a, b, round(_LONGEST_SHIFT_S / HOP_S))
    return float(np.mean(np.abs(path[:, 0] - path[:, 1]))) * HOP_S


def _unit(values: Doubles) -> Doubles:
    deviation = float(np.std(values))
    return values / deviation if deviation > 0.0 else values


def _warping_path(a: Doubles, b: Doubles, band: int) -> NDArray[np.int64]:
    """The cheapest path [N, 2] of pairs (i, j), |i - j| <= band, from (0, 0) to the last pair; squared differences.

    A detour costs nothing beyond its pairs, so ties go to the diagonal: what does not move is not misaligned.
    """
    count, width = len(a), 2 * band + 1
    cost = np.full((count, width), np.inf)
    for offset in range(-band, band + 1):
        rows = np.arange(max(0, -offset), min(count, count - offset))
        cost[rows, offset + band] = (a[rows] - b[rows + offset]) ** 2
    total: list[list[float]] = []
    came_from: list[list[int]] = []  # 0 diagonal, 1 from i - 1, 2 from j - 1
    infinite = float("inf")
    for i, row in enumerate(cost.tolist()):
        before = total[-1] if i else [infinite] * width
        sums, origins = [infinite] * width, [0] * width
        for k in range(width):
            if row[k] == infinite:
                continue
            diagonal = before[k] if i else (0.0 if k == band else infinite)
            upper = before[k + 1] if k + 1 < width else infinite
            left = sums[k - 1] if k else infinite
            best = min(diagonal, upper, left)
            origins[k] = 0 if best == diagonal else 1 if best == upper else 2
            sums[k] = row[k] + best
        total.append(sums)
        came_from.append(origins)
    i, k, path = count - 1, band, []
    while True:
        path.append((i, i + k - band))
        if i == 0 and k == band:
            return np.array(path[::-1])
        step = came_from[i][k]
        i, k = (i - 1, k) if step == 0 else (i - 1, k + 1) if step == 1 else (i, k - 1)


def intensity_correlation(level_db: Floats, motion: Floats, used: Flags) -> float:
    """SLCC: Pearson's r between how loud and how far the lips move, over windows of 0.4 s that are `used` throughout.

    Loudness is the window's mean level in dB; the lips' intensity is the mean distance of their points from rest.
    """
    rows = round(_WINDOW_S / HOP_S)
    intensity = np.mean(np.linalg.norm(moves_mm(motion, LIPS), axis=2), axis=1)
    windows = [slice(start, start + rows) for start in range(0, len(level_db) - rows + 1, rows)]
    windows = [window for window in windows if bool(np.all(used[window]))]
    return correlation(
        [float(np.mean(level_db[window])) for window in windows],
        [float(np.mean(intensity[window])) for window in windows],
    )


def area_under_curve(scores: ArrayLike, is_positive: ArrayLike) -> float:
    """Probability that a positive scores above a negative, ties counting half (Mann-Whitney); NaN without both."""
    scores, positive = np.asarray(scores, np.float64), np.asarray(is_positive, bool)
    positives, negatives = int(np.count_nonzero(positive)), int(np.count_nonzero(~positive))
    if positives == 0 or negatives == 0:
        return float("nan")
    _, where, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(counts) - (counts - 1) / 2.0
    return float((middle_rank[where][positive].sum() - positives * (positives + 1) / 2.0) / (positives * negatives))


def onset_delays_s(laughter: Floats, labelled: Floats) -> list[float]:
    """For every stretch of labelled laughter, how long until `laughter` [hops] passes 0.5, in s; infinite if never."""
    delays: list[float] = []
    for run in runs(np.nan_to_num(labelled) > _HEARD_LAUGH):
        heard = np.flatnonzero(laughter[run] > _HEARD_LAUGH)
        delays.append(float(heard[0]) * HOP_S if len(heard) else float("inf"))
    return delays


def furthest_mm(motion: Floats) -> float:
    """How far the lips' points ever are from the neutral face."""
    return float(np.max(np.linalg.norm(moves_mm(motion, LIPS), axis=2)))
