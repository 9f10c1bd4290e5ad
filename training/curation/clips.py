"""Cuts what is left into clips of one length: those that laugh throughout, and those that talk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from training.curation.item import LAUGH, TALK, Item, on_grid
from training.curation.settings import CurationSettings
from training.curation.sound import laughing_bouts
from training.data.clips import HOP_S

# A rounding error of a time on the grid of hops.
_EPSILON_S = 1e-6
# A laugh so short is part of the speech around it.
_CHUCKLE_S = 0.5


def clips(item: Item, settings: CurationSettings) -> Iterator[Item]:
    """The talking and laughing clips of `item`, in order; what is neither, or too short, is turned down."""
    begin_s = item.begin_s
    for first, last in laughing_bouts(item.arrays["laughter"], settings):
        bout_s = (last - first) * HOP_S
        if bout_s < _CHUCKLE_S:
            continue
        bout = item.part(item.begin_s + first * HOP_S, item.begin_s + last * HOP_S)
        yield from _talking(item, begin_s, bout.begin_s, settings)
        yield from _laughing(bout, settings)
        begin_s = bout.end_s
    yield from _talking(item, begin_s, item.end_s, settings)


def _laughing(bout: Item, settings: CurationSettings) -> Iterator[Item]:
    bout = bout.with_figures(laughter_s=bout.seconds)
    if bout.seconds < settings.laughter_s - _EPSILON_S:
        reason = f"{bout.seconds:.2f} s of laughter; a laughing clip has {settings.laughter_s:g} s"
        yield bout.reject("clips", reason)
    else:
        yield from (replace(clip, subset=LAUGH) for clip in _cut(bout, settings))


def _talking(item: Item, begin_s: float, end_s: float, settings: CurationSettings) -> Iterator[Item]:
    if end_s - begin_s < _EPSILON_S:
        return
    for clip in _cut(item.part(begin_s, end_s), settings):
        share = float(np.mean(clip.arrays["speech"] >= settings.speech_minimum)) if not clip.is_rejected else 1.0
        if clip.is_rejected:
            yield clip
        elif share < settings.speech_share:
            reason = f"{share:.0%} of it is speech; a talking clip has {settings.speech_share:.0%}"
            yield clip.reject("clips", reason, speech_share=share)
        else:
            yield replace(clip.with_figures(speech_share=share), subset=TALK)


def _cut(piece: Item, settings: CurationSettings) -> Iterator[Item]:
    """As many clips as fit in the middle of `piece`; a piece that is too short is turned down."""
    count = int((piece.seconds + _EPSILON_S) // settings.clip_s)
    if count == 0:
        yield piece.reject("clips", f"{piece.seconds:.2f} s are left; a clip is {settings.clip_s:g} s")
        return
    begin_s = on_grid(piece.begin_s + 0.5 * (piece.seconds - count * settings.clip_s))
    for number in range(count):
        clip = piece.part(begin_s + number * settings.clip_s, begin_s + (number + 1) * settings.clip_s)
        yield clip.with_figures(seconds=clip.seconds)
