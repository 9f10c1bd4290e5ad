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
# Speech with lips in sight that every third of a recording must have.
_LEAST_SPOKEN_S = 2.5
_SPEECH = 0.5
# Recorders put sound and picture apart, but hardly by more.
_SEARCHED_S = 0.3
# Under this the lips do not follow this voice: a dubbed clip, or a silent one who is talked to.
_LEAST_R = 0.3
_LEAST_GAIN_R, _LEAST_GAIN = 0.05, 0.1
_STRENGTH_RANGE = (0.5, HIGHEST_STRENGTH)
_QUANTILES = np.linspace(0.05, 0.95, 19)


@dataclass(frozen=True, eq=False)
class Spoken:
    """What a voice model makes of H hops, and what the lips did meanwhile.

    opening_mm   style -> float32 [H], between the lips; "" is no style
    speech       [H], probability        shown_mm [H], of the filmed lips        is_shown [H]
    at_s         float64 [H]: the instants
    """

    opening_mm: dict[str, Floats]
    speech: Floats
    shown_mm: Floats
    is_shown: Flags
    at_s: Floats

    @property
    def is_used(self) -> Flags:
        """[H]: where somebody is heard who is seen."""
        return np.asarray((self.speech > _SPEECH) & self.is_shown)


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
        at_s,
    )


def spoken_way(spoken: Spoken, weights: str) -> tuple[SpokenWay | None, list[str]]:
    """What was found, None where nothing is better, and a sentence for each thing.

    Each third of the hops judges what the other two teach; what is better, all of them teach.
    """
    everywhere = np.ones(len(spoken.speech), bool)
    thirds = [np.isin(np.arange(len(everywhere)), part) for part in np.array_split(np.arange(len(everywhere)), 3)]
    least_s = min(spoken.is_used[third].sum() for third in thirds) * _HOP_S
    if least_s < _LEAST_SPOKEN_S:
        return None, [f"voice: a third of the recording has {least_s:.0f} s of speech, too little to learn from"]
    plain_r = followed(spoken, "", everywhere)
    if plain_r < _LEAST_R:
        return None, [f"voice: the lips do not follow the sound (r {plain_r:.2f}); left as it was"]
    style, said_of_style = _style(spoken, thirds)
    offs = [
        (sizes_off(spoken, "", 1.0, third), sizes_off(spoken, style, strength_of(spoken, style, ~third), third))
        for third in thirds
    ]
    before_mm, after_mm = np.mean(offs, axis=0)
    strength = strength_of(spoken, style, everywhere)
    if after_mm > (1.0 - _LEAST_GAIN) * before_mm or any(after > before for before, after in offs):
        said = f"articulation: openings are {before_mm:.2f} mm off, {after_mm:.2f} with {strength:g}; left as it was"
        return (SpokenWay(weights, 1.0, style) if style else None), [said_of_style, said]
    said = f"articulation: {strength:g}; openings are {after_mm:.2f} mm off, {before_mm:.2f} before"
    return SpokenWay(weights, strength, style), [said_of_style, said]


def _style(spoken: Spoken, thirds: list[Flags]) -> tuple[str, str]:
    """The style that is nearest wherever it is asked for, and better wherever it is judged; "" for none."""
    nearest = [max(spoken.opening_mm, key=lambda style, rest=~third: followed(spoken, style, rest)) for third in thirds]
    style = nearest[0]
    before, after = ([followed(spoken, name, third) for third in thirds] for name in ("", style))
    gains = np.subtract(after, before)
    if len(set(nearest)) > 1 or style == "" or gains.min() < 0.0 or gains.mean() < _LEAST_GAIN_R:
        return "", "style of speech: none of those that the voice model has is surely nearer; left as it was"
    r_after, r_before = np.mean(after), np.mean(before)
    return style, f"style of speech: {style}; the lips follow it with r {r_after:.2f}, {r_before:.2f} before"


def strength_of(spoken: Spoken, style: str, where: Flags) -> float:
    """The articulation that brings the style's openings to the size of the lips'."""
    heard, shown = _sizes(spoken, style, where)
    return round(float(np.clip(heard @ shown / max(float(heard @ heard), 1e-6), *_STRENGTH_RANGE)), 2)


def followed(spoken: Spoken, style: str, where: Flags) -> float:
    """Pearson's r of the lips' opening with the style's, at the lag of sound and picture."""
    lag_s, _ = best_lag(spoken.opening_mm[""], spoken.shown_mm, spoken.is_used.astype(np.float32), _SEARCHED_S)
    weight = (spoken.is_used & where).astype(np.float32)
    return lagged_r(spoken.opening_mm[style], spoken.shown_mm, weight, round(lag_s / _HOP_S))


def sizes_off(spoken: Spoken, style: str, strength: float, where: Flags) -> float:
    """Mean distance, mm, of the quantiles of the style's openings at this strength from those of the lips."""
    heard, shown = _sizes(spoken, style, where)
    return float(np.abs(strength * heard - shown).mean())


def has_styles(model: OnnxModel) -> bool:
    """Whether this voice model has the knobs that are learnt here."""
    try:
        VoiceBatch(model, 1).start(0, Knobs(articulation=1.5))
    except ModelError:
        return False
    return bool(model.styles)


def _sizes(spoken: Spoken, style: str, where: Flags) -> tuple[Floats, Floats]:
    used = spoken.is_used & where
    heard, shown = spoken.opening_mm[style][used], spoken.shown_mm[used]
    return np.quantile(heard, _QUANTILES), np.quantile(shown, _QUANTILES)
