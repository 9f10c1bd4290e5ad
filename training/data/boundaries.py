"""Phones that tile the speech, from the spikes of an aligner and the level of the sound.

A spike of the network lies 40 to 90 ms after its sound began. Boundaries are placed where they lie for voices whose
phones are known exactly (`_FIT`); those of stops and rests then go to where the level falls and rises.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.data.alignment import Spike
from training.data.alphabets import timed
from training.data.clips import SAMPLE_RATE_HZ, Floats
from training.data.phones import VOWELS, Phone

Doubles = NDArray[np.float64]

# Real voices' spikes come later than synthetic ones': 19 ms at words of GRID, 13 ms at EmoDB's marks. Half is taken.
_REAL_S = 0.008
# Where a boundary lies: (a, b), so that it is a + b * (this spike - the last one) seconds before this sound's spike;
# and how long before its spike a sound begins after silence. Fitted (least absolute deviations) to flite's rms and slt
# and espeak-ng's en-us+m3, whose phones are known exactly.
_FIT = {
    "stop": (0.007, 0.532, 0.088),
    "nasal": (0.022 + _REAL_S, 0.315, 0.081),
    "fricative": (0.022 + _REAL_S, 0.436, 0.090),
    "vowel": (0.035 + _REAL_S, 0.335, 0.060),
    "other": (0.023 + _REAL_S, 0.434, 0.080),
}
_STOPS = frozenset("ptkbdɡʔqʈɖ")
_MANNERS = {
    **dict.fromkeys(_STOPS, "stop"),
    **dict.fromkeys("mnŋɲɳ", "nasal"),
    **dict.fromkeys("fvszθðʃʒhxçɕʑʂʐɸβɣħ", "fricative"),
    **dict.fromkeys(VOWELS, "vowel"),
}
_LONGEST_GAP_S = 0.30  # between spikes of one breath
_SHORTEST_REST_S = 0.14
_LONGEST_TAIL_S = 0.35  # of a sound after its spike
_STEP_S = 0.005
_LEAST_FALL_DB = 6.0
_SEARCH_S = 0.035  # around an expected boundary, for the fall of a closure


def spans(spikes: Sequence[Spike], audio: Floats) -> list[Phone]:
    """Phones that tile the speech between its rests, from the spikes and the level of the sound they were found in."""
    if not spikes:
        return []
    level = _Level(audio)
    seconds = len(audio) / SAMPLE_RATE_HZ
    first = spikes[0]
    starts = [level.onset(first.time_s - _before(first)[2], first.time_s, 0.0)]
    ends = list[float]()
    for last, this in pairwise(spikes):
        gap_s = this.time_s - last.time_s
        offset_s, share, after_rest_s = _before(this)
        rest = level.rest(last.time_s, this.time_s) if gap_s > _SHORTEST_REST_S else None
        if rest is not None and rest[1] - rest[0] > _rest_s(this):
            ends.append(rest[0])
            starts.append(level.onset(this.time_s - after_rest_s, this.time_s, ends[-1]))
            continue
        at_s = this.time_s - offset_s - share * min(gap_s, _LONGEST_GAP_S)
        at_s = float(np.clip(at_s, last.time_s + 0.1 * gap_s, this.time_s))
        if this.sounds[0][0] in _STOPS:
            at_s = level.fall(at_s, last.time_s, this.time_s)
        ends.append(at_s)
        starts.append(at_s)
    ends.append(level.end(spikes[-1].time_s, min(seconds, spikes[-1].time_s + _LONGEST_TAIL_S)))
    phones = list[Phone]()
    for spike, start_s, end_s in zip(spikes, starts, ends, strict=True):
        phones += timed(spike.sounds, start_s, max(end_s, start_s + _STEP_S), spike.stress)
    return phones


def _before(spike: Spike) -> tuple[float, float, float]:
    return _FIT[_MANNERS.get(spike.sounds[0][0], "other")]


def _rest_s(following: Spike) -> float:
    """How long it must be quiet before a sound to be a rest: a stop's closure is quiet as well."""
    return _SHORTEST_REST_S + (0.06 if following.sounds[0][0] in _STOPS else 0.0)


class _Level:
    """Level of a recording in dB every 5 ms, and what is quiet in it."""

    def __init__(self, audio: Floats) -> None:
        step = round(_STEP_S * SAMPLE_RATE_HZ)
        padded = np.pad(np.asarray(audio, np.float64), (step, 2 * step))
        power = np.square(padded[: len(padded) // step * step]).reshape(-1, step).mean(axis=1)
        around = np.convolve(power, [0.25, 0.5, 0.25], "same")[1:-1]
        self._db: Doubles = 10.0 * np.log10(around + 1e-10)
        noise_db, loud_db = np.percentile(self._db, [5.0, 95.0])
        self._is_quiet = self._db < max(loud_db - 32.0, min(noise_db + 10.0, loud_db - 18.0))

    def _steps(self, begin_s: float, end_s: float) -> tuple[int, int]:
        last = len(self._db) - 1
        return min(max(int(begin_s / _STEP_S), 0), last), min(max(int(np.ceil(end_s / _STEP_S)), 0), last)

    def rest(self, begin_s: float, end_s: float) -> tuple[float, float] | None:
        """The longest quiet run within begin_s .. end_s."""
        begin, end = self._steps(begin_s, end_s)
        edges = np.flatnonzero(np.diff(np.pad(self._is_quiet[begin:end].astype(np.int8), 1)))
        runs = list(zip(edges[::2], edges[1::2], strict=True))
        if not runs:
            return None
        longest = max(runs, key=lambda run: run[1] - run[0])
        return (begin + int(longest[0])) * _STEP_S, (begin + int(longest[1])) * _STEP_S

    def onset(self, expected_s: float, spike_s: float, earliest_s: float) -> float:
        """When a sound after a rest begins: expected, but not in the rest unless it is a stop's closure."""
        begin, end = self._steps(max(earliest_s, spike_s - 0.25), spike_s)
        loud = np.flatnonzero(~self._is_quiet[begin:end])
        heard_s = (begin + int(loud[0])) * _STEP_S if len(loud) else expected_s
        return max(earliest_s, min(max(expected_s - 0.06, heard_s), expected_s + 0.03))

    def end(self, spike_s: float, latest_s: float) -> float:
        """When it is quiet after the last sound."""
        begin, end = self._steps(spike_s, latest_s)
        quiet = np.flatnonzero(self._is_quiet[begin:end])
        return (begin + int(quiet[0])) * _STEP_S if len(quiet) else latest_s

    def fall(self, expected_s: float, earliest_s: float, latest_s: float) -> float:
        """Where the level falls most steeply near the expected boundary."""
        begin, end = self._steps(max(expected_s - _SEARCH_S, earliest_s), min(expected_s + _SEARCH_S, latest_s))
        begin, end = max(begin, 2), min(end, len(self._db) - 2)
        if end - begin < 3:
            return expected_s
        falls = self._db[begin - 2 : end - 2] - self._db[begin + 2 : end + 2]
        return (begin + int(np.argmax(falls)) + 0.5) * _STEP_S if falls.max() > _LEAST_FALL_DB else expected_s
