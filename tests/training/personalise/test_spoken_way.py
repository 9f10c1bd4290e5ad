"""Style and strength of speech: found where they are, kept only if they are better on what was not learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from driver.learnt import SpokenWay
from training.personalise.voice_habits import Spoken, spoken_way

HOPS = 1500
SUM = "0a" * 32
AT_S = 0.02 * np.arange(HOPS)


def mumble(seed: int, hops: int = HOPS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wave = np.convolve(rng.normal(size=hops + 20), np.hanning(21), mode="valid")
    return np.maximum(2.0 * wave, 0.0).astype(np.float32)


def spoken(style: str = "", strength: float = 1.0, seed: int = 0, lag: int = 0) -> Spoken:
    """A person who moves as `style` does, so much stronger, `lag` hops later, seen with some noise."""
    plain = mumble(0)
    opening = {"": plain, "wide": 0.6 * plain + mumble(1), "lips": 0.6 * plain + mumble(2)}
    noise = np.random.default_rng(9).normal(0.0, 0.2, HOPS)
    shown = strength * np.roll(opening[style], lag) + noise if seed == 0 else mumble(seed)
    everywhere = np.ones(HOPS, bool)
    return Spoken(opening, np.ones(HOPS, np.float32), shown, everywhere, AT_S)


@pytest.mark.parametrize(("style", "strength", "lag"), [("wide", 1.4, 0), ("lips", 0.7, 4), ("", 1.5, -3)])
def test_who_speaks_in_a_known_way_is_found(style: str, strength: float, lag: int) -> None:
    way, said = spoken_way(spoken(style, strength, lag=lag), SUM)
    assert way is not None
    assert (way.weights, way.style) == (SUM, style)
    assert way.articulation == pytest.approx(strength, rel=0.06)
    assert len(said) == 2


def test_who_speaks_as_everybody_does_is_left_alone() -> None:
    way, said = spoken_way(spoken(), SUM)
    assert way is None
    assert all(sentence.endswith("left as it was") for sentence in said)


def test_what_does_not_hold_in_one_third_is_not_kept() -> None:
    loud = spoken("", 1.6)
    shown = loud.shown_mm.copy()
    shown[1000:] = 0.95 * loud.opening_mm[""][1000:]
    way, _ = spoken_way(Spoken(loud.opening_mm, loud.speech, shown, loud.is_shown, AT_S), SUM)
    assert way is None


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (spoken(seed=5), "the lips do not follow the sound"),
        (
            Spoken({"": mumble(0)}, np.zeros(HOPS), mumble(0), np.ones(HOPS, bool), AT_S),
            "has 0 s of speech, too little",
        ),
        (Spoken({"": mumble(0)}, np.ones(HOPS), mumble(0), np.zeros(HOPS, bool), AT_S), "too little to learn from"),
    ],
)
def test_without_speech_that_fits_the_lips_the_voice_stays(made: Spoken, says: str) -> None:
    way, said = spoken_way(made, SUM)
    assert way is None
    assert len(said) == 1
    assert says in said[0]


def test_a_way_of_speaking_is_within_the_knobs_range() -> None:
    way, _ = spoken_way(spoken("", 5.0), SUM)
    assert way == SpokenWay(SUM, 2.0, "")
