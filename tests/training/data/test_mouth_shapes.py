"""The sheets of mouths: what is drawn is what the phones do."""

from __future__ import annotations

import itertools

import numpy as np

from training.data.lips import lip_gap_mm
from training.data.mouth_shapes import SHEET, held, sentence, sentence_strip
from training.data.phones import BILABIALS, LABIODENTALS, PHONES, SILENCE


def test_a_held_phone_is_its_own_shape() -> None:
    assert lip_gap_mm(held("a")) > 12.0
    assert max(lip_gap_mm(held(phone)) for phone in BILABIALS) < 0.0
    assert not held("sil").any()


def test_the_sheet_shows_phones() -> None:
    shown = [symbol for _, symbols in SHEET for symbol in symbols.split()]
    assert len(shown) == len(set(shown))
    assert set(shown) <= set(PHONES)
    assert set(shown) >= {SILENCE, *BILABIALS, *LABIODENTALS}


def test_a_strip_is_drawn() -> None:
    strip = sentence_strip(step_hops=40)
    assert strip.dtype == np.uint8
    assert strip.shape[1:] == (1460, 3)
    assert (strip[..., 0].astype(int) - strip[..., 1] > 60).mean() > 0.02, "skin and lips"


def test_the_sentence_is_gapless() -> None:
    phones = sentence()
    assert all(one.end_s == other.start_s for one, other in itertools.pairwise(phones))
    assert {"m", "p", "f", "v", "b", "u"} <= {phone.symbol for phone in phones}
