"""Learns the corrections of one person: which part of what the points show is not told, and can be told from the rest.

The truth is the recording's own: the face's points, in which the network errs less than in the motion that it tells,
smoothed over neighbouring pictures. The resting level of each measure is taken out, since it is who somebody is, but
for the lips, which are at 0 when they touch. What differs is learnt by ridge regression, whose strength is found on
stretches of the recording that were left out; and as the points err too, each correction is weakened by v / (v + d^2):
v is the mean square of what differs, d what the points themselves are unsure of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driver.face_adapter import MEASURES, READ_SIZE, Correction
from training.personalise.measures import LID_COLUMNS, LIPS, moves, seen_measures, told_measures
from training.personalise.recording import Seen

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Parts of the face that are kept or left as they were together, each in the words of the report.
LIPS_PART = "lips' opening"
PARTS: dict[str, tuple[str, ...]] = {
    LIPS_PART: ("lips_apart",),
    "mouth's width": ("mouth_width",),
    "mouth's corners": ("corner_left", "corner_right"),
    "upper lip": ("upper_lip",),
    "brows": ("brow_left", "brow_right", "brow_inner"),
    "eyelids": ("lid_left", "lid_right"),
}
# What the points are unsure of, in the measures' units: about what they differ by from another tracker's on clips.
_DOUBT = np.array([1.0, 1.1, 0.9, 0.9, 0.9, 0.6, 0.6, 0.6, 0.06, 0.06])
_STRENGTHS = (0.03, 0.3, 3.0, 30.0)  # of the ridge, in pictures that say "nothing differs" for each that was seen
_FOLDS = 5
# Standard deviations of what is read under which a number is noise: sd, rad, closure.
_LEAST_SPREAD = np.concatenate([np.full(50, 0.1), np.full(3, 0.01), np.full(2, 0.03), np.full(4, 0.02)])
_MOST_QUANTILE = 0.99
# A part is kept that is better by so much where it did not learn.
_LEAST_GAIN, _LEAST_FOLLOWING = 0.1, 0.5
# Whoever talks closes the lips in more pictures than this share of them.
_CLOSED_QUANTILE = 0.02
_SMOOTHING = np.array([0.25, 0.5, 0.25])
# Of all pictures, how many show the eye wider than its open lids are taken to be; and the gap of shut ones over that.
_OPEN_QUANTILE, _SHUT_RANGE = 0.75, (0.08, 0.3)
_SHUT_QUANTILE = 0.003


@dataclass(frozen=True, eq=False)
class Lesson:
    """What F pictures teach: what was `told` [F, 59], its measures, those that were seen, and which pictures count.

    A lesson of another stretch of the same recording has levels of its own, so that nothing is handed over.
    """

    told: Doubles
    told_measures: Doubles
    seen_measures: Doubles
    counts: Flags

    @property
    def differs(self) -> Doubles:
        """[F, 10]: what should be added."""
        return self.seen_measures - self.told_measures


def lesson(seen: Seen) -> Lesson:
    """What `seen` teaches."""
    counts = seen.is_seen
    told_motion = seen.told.astype(np.float64)
    said = told_measures(seen.told, seen.rotation)
    shown = _smoothed(seen_measures(seen.points_px))
    shown[:, LIPS] = np.maximum(shown[:, LIPS], 0.0)
    for column, lid in zip(LID_COLUMNS, (53, 54), strict=True):
        shown[:, column] = _closure(shown[:, column] / np.maximum(said[:, column], 1.0), counts)
        said[:, column] = seen.told[:, lid]
    counts = counts & np.isfinite(shown).all(axis=1)
    for values in (shown, said):
        rest = np.median(values[counts], axis=0)
        rest[LIPS] = 0.0
        values -= rest
    return Lesson(told_motion, said, shown, counts)


def learn(taught: Lesson) -> dict[str, Correction]:
    """A correction for every measure, by name."""
    told, differs = taught.told[taught.counts], taught.differs[taught.counts]
    middle = told.mean(axis=0)
    spread = np.maximum(told.std(axis=0), _LEAST_SPREAD)
    read = (told - middle) / spread
    made: dict[str, Correction] = {}
    for column, name in enumerate(MEASURES):
        wanted = differs[:, column]
        weights = _ridge(read, wanted, _strength(read, wanted))
        square = float(np.mean(np.square(wanted)))
        belief = square / (square + _DOUBT[column] ** 2)
        reads = belief * weights / spread
        bias = belief * float(wanted.mean()) - float(reads @ middle)
        most = float(np.quantile(np.abs(bias + told @ reads), _MOST_QUANTILE))
        made[name] = Correction(bias, most, tuple(reads.tolist()), tuple(moves()[column].tolist()))
    return made


@dataclass(frozen=True, eq=False)
class Judged:
    """Of each measure [10]; NaN for one without a correction.

    before, after   mean absolute error as told, and as corrected
    follows         Pearson's r of the corrected measure with the seen one; 0 where either rests
    """

    before: Doubles
    after: Doubles
    follows: Doubles


def judge(taught: Lesson, corrections: dict[str, Correction]) -> Judged:
    """How well `corrections` do on pictures that they were not learnt from, or were."""
    told, differs = taught.told[taught.counts], taught.differs[taught.counts]
    said, shown = taught.told_measures[taught.counts], taught.seen_measures[taught.counts]
    after, follows = np.full((2, len(MEASURES)), np.nan)
    for column, name in enumerate(MEASURES):
        if name in corrections:
            amount = amounts(corrections[name], told)
            after[column] = np.abs(differs[:, column] - amount).mean()
            follows[column] = _correlation(said[:, column] + amount, shown[:, column])
    return Judged(np.abs(differs).mean(axis=0), after, follows)


def amounts(correction: Correction, told: Doubles) -> Doubles:
    """What is added to a measure [F], of what is told [F, 59]."""
    return np.clip(correction.bias + told @ np.array(correction.reads), -correction.most, correction.most)


def better_parts(judged: Sequence[Judged]) -> list[str]:
    """The names of PARTS whose error fell by a tenth or more, all measures of one in their own doubt, that are worse in
    none of `judged`, and that follow what is seen. (Of points that tell of nothing, a still face would be nearest.)
    """
    return [part for part, names in PARTS.items() if _is_better(judged, [MEASURES.index(name) for name in names])]


def shows_closed_lips(taught: Lesson) -> bool:
    """Whether the points show lips that touch, within what they are unsure of, in one picture of fifty. Where they
    never do, they do not see them close, and their opening counts from nowhere.
    """
    shown = taught.seen_measures[taught.counts, LIPS]
    return bool(np.quantile(shown, _CLOSED_QUANTILE) <= _DOUBT[LIPS])


def mean_errors(judged: Sequence[Judged], part: str) -> tuple[float, float]:
    """Mean error of a part's measures before and after."""
    columns = [MEASURES.index(name) for name in PARTS[part]]
    before, after = (np.mean([getattr(one, name)[columns].mean() for one in judged]) for name in ("before", "after"))
    return float(before), float(after)


def _is_better(judged: Sequence[Judged], columns: list[int]) -> bool:
    before, after = (
        np.array([(getattr(one, name)[columns] / _DOUBT[columns]).sum() for one in judged])
        for name in ("before", "after")
    )
    follows = np.mean([one.follows[columns].mean() for one in judged])
    is_less = after.sum() <= (1.0 - _LEAST_GAIN) * before.sum()
    return bool(is_less and (after <= before).all() and follows >= _LEAST_FOLLOWING)


def _correlation(one: Doubles, other: Doubles) -> float:
    if np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _ridge(read: Doubles, wanted: Doubles, strength: float) -> Doubles:
    """Weights [59] for numbers without mean; `wanted` may have one."""
    curvature = read.T @ read + strength * len(read) * np.eye(READ_SIZE)
    return np.linalg.solve(curvature, read.T @ (wanted - wanted.mean()))


def _strength(read: Doubles, wanted: Doubles) -> float:
    """The ridge that errs least on stretches that it did not learn from."""
    blocks = np.array_split(np.arange(len(read)), _FOLDS)
    errs = np.zeros(len(_STRENGTHS))
    for block in blocks:
        rest = np.setdiff1d(np.arange(len(read)), block)
        middle = read[rest].mean(axis=0)
        for number, strength in enumerate(_STRENGTHS):
            weights = _ridge(read[rest] - middle, wanted[rest], strength)
            guess = wanted[rest].mean() + (read[block] - middle) @ weights
            errs[number] += np.square(wanted[block] - guess).sum()
    return _STRENGTHS[int(np.argmin(errs))]


def _closure(ratio: Doubles, counts: Flags) -> Doubles:
    """0 open .. 1 shut of a lid's gap over the model's [F], by the person's own open and shut eye."""
    known = ratio[counts & np.isfinite(ratio)]
    opened = float(np.quantile(known, _OPEN_QUANTILE))
    shut = float(np.clip(np.quantile(known, _SHUT_QUANTILE) / opened, *_SHUT_RANGE)) * opened
    return np.clip((opened - ratio) / (opened - shut), 0.0, 1.0)


def _smoothed(values: Doubles) -> Doubles:
    """Each row a quarter of both neighbours and half of itself; where a neighbour is not known, as it is."""
    made = values.copy()
    inner = _SMOOTHING[0] * values[:-2] + _SMOOTHING[1] * values[1:-1] + _SMOOTHING[2] * values[2:]
    made[1:-1] = np.where(np.isfinite(inner), inner, values[1:-1])
    return made
