"""Visemes by the published groups (seed-systems A.12), and error rates that closed forms know."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from models.perceptual.visual_speech import VISEMES
from training.data.phones import PHONES, Phone
from training.data.viseme_groups import (
    VISEME_OF,
    edit_distance,
    error_rate,
    said,
    viseme_error_rate,
    viseme_rows,
    visemes_of,
)
from training.evaluate.lip_decoding import decoded


def _has_espeak() -> bool:
    try:
        ctypes.CDLL("libespeak-ng.so.1")
    except OSError:
        return False
    return True


def spoken(symbols: str, each_s: float = 0.1) -> list[Phone]:
    return [Phone(symbol, each_s * k, each_s * (k + 1)) for k, symbol in enumerate(symbols.split())]


def test_every_phone_but_the_glottal_stop_has_a_viseme() -> None:
    assert {phone for phone in PHONES if phone not in VISEME_OF} == {"ʔ"}
    assert set(VISEME_OF.values()) == set(VISEMES)


@pytest.mark.skipif(not _has_espeak(), reason="espeak-ng is not installed")
def test_words_that_look_alike_have_no_viseme_error() -> None:
    assert viseme_error_rate("bat", "pat") == 0.0
    assert error_rate("bat", "pat") == pytest.approx(1 / 3)
    assert viseme_error_rate("bat", "fat") == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        ("b æ t", ["p", "a", "t"]),
        ("t ʃ u z", ["S", "u", "s"]),  # an affricate looks like its second part
        ("d ʒ ɔ ɪ", ["S", "O"]),  # a diphthong like its first
        ("t ʔ a", ["t", "a"]),
        ("sil m sil", ["p"]),
    ],
)
def test_phones_become_visemes(symbols: str, expected: list[str]) -> None:
    assert [name for name, _, _ in visemes_of(spoken(symbols))] == expected


def test_pictures_get_the_viseme_of_their_instant() -> None:
    rows = viseme_rows(spoken("m a ɪ"), [0.05, 0.15, 0.25, 0.35])
    assert [VISEMES[row] for row in rows] == ["p", "a", "a", "sil"]
    assert [VISEMES[row] for row in said(rows)] == ["p", "a"]


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("kitten", "sitting", 3), ("abc", "", 3), ("", "ab", 2), ("ab", "ba", 2), ("flaw", "lawn", 2)],
)
def test_edit_distances_are_levenshteins(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == edit_distance(other, one) == distance


def test_an_error_rate_is_of_what_was_said() -> None:
    assert error_rate("ab", "abcd") == 1.0
    with pytest.raises(ValueError, match="nothing was said"):
        error_rate("", "a")


def test_decoding_pays_for_every_change() -> None:
    # Viseme 1 flickers for one picture by one nat.
    scores = np.array([[0.0, -3.0], [-1.0, 0.0], [0.0, -3.0], [0.0, -3.0]])
    assert decoded(scores, change_cost=0.0) == [0, 1, 0, 0]
    assert decoded(scores, change_cost=1.0) == [0, 0, 0, 0]
    assert decoded(np.array([[0.0, -9.0], [-9.0, 0.0]]), change_cost=1.0) == [0, 1]
    # What was nearly as likely at first is kept when it is the likelier after.
    assert decoded(np.array([[0.0, -0.5], [-2.0, 0.0]]), change_cost=1.0) == [1, 1]
