"""How a person speaks, to the voice model: the style that moves like them, and how far they open their mouth.

The voice model hears the recording in every style that it has learnt; what the lips do is known from the pictures. The
style whose opening follows theirs best (Pearson's r) and the strength that brings its openings to their size (quantile
by quantile) are found on the first part of the recording, and kept if they are better on the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driver.errors import ModelError
from driver.knobs import HIGHEST_STRENGTH, Knobs
from driver.learnt import SpokenWay
from driver.runtime import OnnxModel
from driver.types import HOP_NS, HOP_SAMPLES
from driver.voices import VoiceBatch
from training.data.lips import lip_gap_mm
from training.evaluate.real_faces import best_lag, lagged_r

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]

_HOP_S = HOP_NS / 1e9
# Speech with lips in sight that is needed to learn from, and to judge by.
_LEAST_LEARNT_S, _LEAST_JUDGED_S = 6.0, 3.0
_SPEECH = 0.5
# Recorders put sound and picture apart, but hardly by more.
_SEARCHED_S = 0.3
# Under this the lips do not follow this voice: a dubbed clip, or a silent one who is talked to.
_LEAST_R = 0.3
_LEAST_GAIN_R, _LEAST_GAIN = 0.02, 0.1
_STRENGTH_RANGE = (0.5, HIGHEST_STRENGTH)
_QUANTILES = np.linspace(0.05, 0.95, 19)


@dataclass(frozen=True, eq=False)
class Spoken:
    """What a voice model makes of H hops, and what the lips did meanwhile.

    opening_mm   style -> float32 [H], between the lips; "" is no style
    speech       [H], probability        shown_mm [H], of the filmed lips        is_shown [H]
    """

    opening_mm: dict[str, Floats]
    speech: Floats
    shown_mm: Floats
    is_shown: Flags


def speak(model: OnnxModel, sound: Floats, times_s: Floats, shown_mm: Floats, counts: Flags) -> Spoken:
    """Every style of `model` on `sound` [n]; the lips' opening `shown_mm` [F] at `times_s` where it `counts`."""
    styles = ["", *model.styles]
    batch = VoiceBatch(model, len(styles))
    for row, style in enumerate(styles):
        batch.start(row, Knobs(style=style))
    hops = sound[: len(sound) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES).astype(np.float32)
    motion = np.zeros((len(hops), len(styles), 53), np.float32)
    speech, at_s = np.zeros(len(hops), np.float32), np.zeros(len(hops))
    for number, hop in enumerate(hops):
        told = batch.step_rows(
            range(len(styles)), np.tile(hop, (len(styles), 1)), [(number + 1) * HOP_NS] * len(styles)
        )
        motion[number] = [np.concatenate([one.expression, one.jaw]) for one in told]
        speech[number], at_s[number] = told[0].speech, told[0].capture_ns / 1e9
    opening = np.maximum(lip_gap_mm(motion), 0.0)
    return Spoken(
        {style: opening[:, row] for row, style in enumerate(styles)},
        speech,
        np.interp(at_s, times_s[counts], shown_mm[counts]),
        np.interp(at_s, times_s, counts.astype(np.float64), left=0.0, right=0.0) > 0.99,
    )


def spoken_way(spoken: Spoken, learnt_hops: int, weights: str) -> tuple[SpokenWay | None, list[str]]:
    """What was found, None where nothing is better, and a sentence for each thing; learnt from the first hops."""
    used = (spoken.speech > _SPEECH) & spoken.is_shown
    first, rest = used.copy(), used.copy()
    first[learnt_hops:] = False
    rest[:learnt_hops] = False
    if first.sum() * _HOP_S < _LEAST_LEARNT_S or rest.sum() * _HOP_S < _LEAST_JUDGED_S:
        return None, [
            f"voice: {used.sum() * _HOP_S:.0f} s of speech with the mouth in sight are too little to learn from"
        ]
    plain = spoken.opening_mm[""]
    lag_s, r = best_lag(plain, spoken.shown_mm, first.astype(np.float32), _SEARCHED_S)
    if r < _LEAST_R:
        return None, [f"voice: the lips do not follow the sound (r {r:.2f}); left as it was"]
    lag = round(lag_s / _HOP_S)

    def follows(style: str, where: Flags) -> float:
        return lagged_r(spoken.opening_mm[style], spoken.shown_mm, where.astype(np.float32), lag)

    best = max(spoken.opening_mm, key=lambda style: follows(style, first))
    style = best if follows(best, rest) >= follows("", rest) + _LEAST_GAIN_R else ""
    said = ["style of speech: none of those that the voice model has is nearer; left as it was"]
    if style:
        r_before, r_after = follows("", rest), follows(style, rest)
        said = [f"style of speech: {style}; the lips follow it with r {r_after:.2f}, {r_before:.2f} before"]
    opened = spoken.opening_mm[style]
    heard, shown = _sizes(opened, spoken.shown_mm, first)
    strength = round(float(np.clip(heard @ shown / max(float(heard @ heard), 1e-6), *_STRENGTH_RANGE)), 2)
    heard, shown = _sizes(opened, spoken.shown_mm, rest)
    plain_heard, _ = _sizes(plain, spoken.shown_mm, rest)
    before, after = np.abs(plain_heard - shown).mean(), np.abs(strength * heard - shown).mean()
    if after > (1.0 - _LEAST_GAIN) * before:
        said.append(f"articulation: openings are {before:.2f} mm off, {after:.2f} with {strength:g}; left as it was")
        return (SpokenWay(weights, 1.0, style) if style else None), said
    said.append(f"articulation: {strength:g}, openings are {after:.2f} mm off instead of {before:.2f}")
    return SpokenWay(weights, strength, style), said


def has_styles(model: OnnxModel) -> bool:
    """Whether this voice model has the knobs that are learnt here."""
    try:
        VoiceBatch(model, 1).start(0, Knobs(articulation=1.5))
    except ModelError:
        return False
    return bool(model.styles)


def _sizes(heard: Floats, shown: Floats, where: Flags) -> tuple[Floats, Floats]:
    """Quantiles of both."""
    return np.quantile(heard[where], _QUANTILES), np.quantile(shown[where], _QUANTILES)
