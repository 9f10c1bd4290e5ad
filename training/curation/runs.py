"""Splits a piece where some of its pictures are of no use, and says of each part that is dropped why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from training.curation.item import Item
from training.curation.settings import CurationSettings

# So little of something else is a stumble of the network, not an event.
_STUMBLE_S = 0.12


def kept_runs(
    item: Item, stage: str, times_s: Sequence[float], problems: Sequence[str], settings: CurationSettings
) -> Iterator[Item]:
    """The runs of pictures without a problem that make a clip, in order; all else turned down by `stage`.

    problems   of each picture, "" for none
    """
    runs = _runs(times_s, _without_stumbles(times_s, problems), item.end_s)
    begin_s, dropped, rests = item.begin_s, Counter[str](), 0

    def rejected(end_s: float) -> Iterator[Item]:
        if dropped or rests:
            part = item.part(begin_s, end_s)
            rest = f"{part.seconds:.2f} s are left; a clip is {settings.clip_s:g} s"
            yield part.reject(stage, dropped.most_common(1)[0][0] if dropped else rest, seconds=part.seconds)

    for problem, run_begin_s, run_end_s in runs:
        part = item.part(run_begin_s, run_end_s)
        if not problem and part.seconds >= settings.clip_s - 1e-6:
            yield from rejected(part.begin_s)
            yield part
            begin_s, rests = part.end_s, 0
            dropped.clear()
        elif problem:
            dropped[problem] += max(1, round(1000 * part.seconds))
        else:  # good pictures, too few of them: what broke them off is the reason
            rests += 1
    yield from rejected(item.end_s)


def _runs(times_s: Sequence[float], problems: Sequence[str], end_s: float) -> Iterator[tuple[str, float, float]]:
    """(problem, begin, end in s) of each run of equal problems."""
    first = 0
    for problem, group in groupby(problems):
        last = first + len(list(group))
        yield problem, times_s[first], times_s[last] if last < len(times_s) else end_s
        first = last


def _without_stumbles(times_s: Sequence[float], problems: Sequence[str]) -> list[str]:
    """`problems` without those that last a moment only, between pictures of use."""
    calm, first = list(problems), 0
    for problem, group in groupby(problems):
        last = first + len(list(group))
        is_inside = first > 0 and last < len(problems)
        if problem and is_inside and times_s[last] - times_s[first] <= _STUMBLE_S + 1e-6:
            calm[first:last] = [""] * (last - first)
        first = last
    return calm
