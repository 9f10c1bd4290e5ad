"""Where a recording sounds: loudness by hops, the bursts of a laugh and the bouts that they form.

A laugh is a bout of bursts, mostly four to six a second, "ha" by "ha" (Bachorowski, Smoski & Owren 2001, "The acoustic
features of human laughter": 4.4 bursts a second, 3.4 calls a bout on average, bouts of 0.9 s, long tails).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from training.data.clips import HOP_S, HOP_SAMPLES, Floats

FLOOR_DB = -90.0

# What is quieter than this below the recording's loudest is not heard as part of it.
_RANGE_DB = 34.0
_ABOVE_NOISE_DB = 9.0
# Bursts that follow one another faster than this belong to one bout: the breath between "ha" and "ha" is no pause.
BOUT_GAP_S = 0.36
_SHORTEST_S = 0.06
# A burst's peak stands this far above its surroundings.
_PEAK_DB = 2.5
_NEAREST_PEAKS_S = 0.11


def loudness_db(audio: Floats) -> Floats:
    """Level [hops] re full scale of the 40 ms around each row's instant (the hop before and the one after)."""
    power = np.mean(np.square(np.asarray(audio, np.float64)).reshape(-1, HOP_SAMPLES), axis=1)
    around = 0.5 * (power + np.append(power[1:], power[-1:]))
    return np.maximum(10.0 * np.log10(around + 1e-12), FLOOR_DB).astype(np.float32)


def sounding(level_db: Floats) -> NDArray[np.bool_]:
    """Rows [hops] that stand out of the recording's own noise."""
    noise_db, peak_db = np.percentile(level_db, 8.0), float(np.max(level_db))
    # A recording without pauses has no noise to stand out of: its quiet parts are not noise.
    threshold_db = max(peak_db - _RANGE_DB, min(noise_db + _ABOVE_NOISE_DB, peak_db - 14.0))
    return level_db > max(threshold_db, -65.0)


def bouts(is_sounding: NDArray[np.bool_], gap_s: float = BOUT_GAP_S) -> list[tuple[int, int]]:
    """(first hop, hop after the last) of each run of sounding rows; shorter gaps than `gap_s` belong to the run."""
    edges = np.flatnonzero(np.diff(np.pad(is_sounding.astype(np.int8), 1)))
    runs: list[tuple[int, int]] = []
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if runs and (begin - runs[-1][1]) * HOP_S < gap_s:
            runs[-1] = (runs[-1][0], int(end))
        else:
            runs.append((int(begin), int(end)))
    return [(begin, end) for begin, end in runs if (end - begin) * HOP_S >= _SHORTEST_S]


def rows_of_bouts(runs: list[tuple[int, int]], hops: int) -> Floats:
    """1 within the runs, 0 elsewhere [hops]."""
    rows = np.zeros(hops, np.float32)
    for begin, end in runs:
        rows[begin:end] = 1.0
    return rows


def burst_peaks(level_db: Floats) -> NDArray[np.int64]:
    """Hops where bursts are loudest: maxima at least 2.5 dB over the dips beside them, at least 0.11 s apart."""
    smooth = gaussian_filter1d(level_db.astype(np.float64), 0.8)
    reach = round(_NEAREST_PEAKS_S / HOP_S)
    candidates = np.flatnonzero((maximum_filter1d(smooth, 2 * reach + 1) == smooth) & sounding(level_db))
    peaks: list[int] = []
    for hop in candidates:
        before, after = smooth[max(0, hop - 3 * reach) : hop + 1], smooth[hop : hop + 3 * reach + 1]
        if smooth[hop] - min(before) > _PEAK_DB and smooth[hop] - min(after) > _PEAK_DB:
            peaks.append(int(hop))
    return np.array(peaks, np.int64)
