"""Is the face that is seen the one that is heard? Lips and voice of a speaker open together; dubbed ones do not.

The lips' opening is compared with two ways of hearing how far lips part: the strength of what an open mouth lets out
(500..4000 Hz), and the opening that our voice model asks for. Both are looked at as they move at the rate of syllables,
and at lags up to `lag_maximum_s`, since many clips were muxed with an offset. The score is Pearson's r at the best lag,
the mean of both ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.head.landmarks import EYE_CORNERS, FACE_POINTS, INNER_LIPS
from training.curation.item import Array, Item
from training.curation.settings import CurationSettings
from training.curation.sound import longest_bout_s
from training.data.clips import HOP_S, Floats, hop_times_s
from training.evaluate.real_faces import lagged_r, syllabic, voice_strength

# Lips that move less than this, in distances between the eyes, say nothing.
_STILL = 0.004
_ROW = {landmark: row for row, landmark in enumerate(FACE_POINTS)}
_UPPER, _LOWER = ([_ROW[landmark] for landmark in lip[3:6]] for lip in INNER_LIPS)
_EYES = [_ROW[EYE_CORNERS[0]], _ROW[EYE_CORNERS[3]]]


@dataclass(frozen=True)
class Synchrony:
    """r       Pearson's r of lips and voice at the best lag, the mean of both ways of hearing
    lag_s   how much later than the voice the lips move there
    motion  standard deviation of the lips' opening at the rate of syllables, in distances between the eyes
    """

    r: float
    lag_s: float
    motion: float


def speaker(item: Item, settings: CurationSettings) -> Iterator[Item]:
    """`item` with how lips and voice agree, turned down where the lips are still or follow another voice."""
    found = synchrony(item, settings)
    is_laugh = longest_bout_s(item.arrays["laughter"], settings) >= settings.laughter_s - 1e-6
    least = least_r(item.seconds, settings, settings.laugh_r if is_laugh else settings.speaker_r)
    measured = item.with_figures(sync_r=found.r, sync_lag_s=found.lag_s, lips_motion=found.motion)
    if found.motion < _STILL:
        yield measured.reject("speaker", f"the lips are still ({found.motion:.4f} eye distances; {_STILL:g} move)")
    elif found.r < least:
        yield measured.reject("speaker", f"lips and voice do not agree: r {found.r:.2f}, a speaker's have {least:.2f}")
    else:
        yield measured


def least_r(seconds: float, settings: CurationSettings, long_r: float) -> float:
    """The r that is asked of a piece, of which `long_r` is asked when it is long: chance reaches further in short ones,
    by the root of their length."""
    return long_r * max(1.0, float(np.sqrt(settings.speaker_s / seconds)))


def synchrony(item: Item, settings: CurationSettings) -> Synchrony:
    """How the lips of an item with sound and face follow its voice."""
    hops = len(item.arrays["voice_gap"])
    return agreement(opening_on_hops(item, hops), item.arrays["audio"], item.arrays["voice_gap"], settings)


def agreement(opening: Floats, audio: Floats, voice_gap: Floats, settings: CurationSettings) -> Synchrony:
    """How an opening of the lips [hops] follows a voice: its sound, and the opening [hops] that it asks for."""
    shown, everywhere = syllabic(opening), np.ones(len(opening), np.float32)
    heard = [syllabic(voice_strength(audio)), syllabic(voice_gap)]
    most = round(settings.lag_maximum_s / HOP_S)
    tried = [
        (float(np.mean([lagged_r(one, shown, everywhere, lag) for one in heard])), lag)
        for lag in range(-most, most + 1)
    ]
    r, lag = max(tried)
    return Synchrony(r, lag * HOP_S, float(shown.std()))


def opening_on_hops(item: Item, hops: int) -> Floats:
    """The lips' opening at the ends of hops, between pictures on a straight line, float32 [hops]; see `opening`."""
    at_s = item.begin_s + hop_times_s(hops)
    return np.interp(at_s, item.arrays["times_s"], opening(item.arrays["points"])).astype(np.float32)


def opening(points: Array) -> Array:
    """How far the inner lips part [F], in distances between the eyes' outer corners, of FACE_POINTS [F, 140, 2]."""
    across = points[:, _EYES[1]] - points[:, _EYES[0]]
    unit = np.maximum(np.linalg.norm(across, axis=1), 1e-6)
    # Down the face is square to the line of the eyes.
    down = np.stack([-across[:, 1], across[:, 0]], axis=1) / unit[:, None]
    gap = points[:, _LOWER].mean(axis=1) - points[:, _UPPER].mean(axis=1)
    return np.einsum("fc,fc->f", gap, down) / unit
