"""The articulatory table: complete, within bounds, and refused with a reason where it breaks a rule."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.frame import ARKIT_SHAPES
from training.data.articulation import (
    NO_CONTACT,
    TABLE_PATH,
    ArticulationError,
    articulation,
    load_articulation,
    sided,
)
from training.data.phones import BILABIALS, INDEX_OF_PHONE, LABIODENTALS, PHONES, ROUNDED_VOWELS, SILENCE, VOWELS

TEXT = TABLE_PATH.read_text(encoding="utf-8")


def target(phone: str, shape: str) -> float:
    table = articulation()
    return float(table.targets[INDEX_OF_PHONE[phone], table.column(shape)])


def test_every_phone_has_a_line_within_bounds() -> None:
    table = articulation()
    assert table.targets.shape == (len(PHONES), len(table.shapes))
    assert ((table.targets >= 0.0) & (table.targets <= 1.0)).all()
    assert (table.insistence > 0.0).all()
    assert not table.targets[INDEX_OF_PHONE[SILENCE]].any()
    silent = {phone for phone, row in INDEX_OF_PHONE.items() if not table.targets[row].any()}
    assert silent == {SILENCE}


def test_shapes_are_arkit_s() -> None:
    names = [name for shape in articulation().shapes for name in sided(shape)]
    assert set(names) <= set(ARKIT_SHAPES)
    assert len(names) == len(set(names))


def test_contacts_are_those_of_the_phones_that_a_listener_sees() -> None:
    table = articulation()
    of_contact = {
        number: {phone for phone in PHONES if table.contact[INDEX_OF_PHONE[phone]] == number}
        for number in range(len(table.contacts))
    }
    assert list(of_contact.values()) == [BILABIALS, LABIODENTALS]
    assert (table.contact == NO_CONTACT).sum() == len(PHONES) - len(BILABIALS | LABIODENTALS)


def test_rounded_vowels_are_round_and_others_are_not() -> None:
    for vowel in VOWELS:
        rounding = target(vowel, "mouthFunnel") + target(vowel, "mouthPucker")
        spreading = target(vowel, "mouthStretch")
        if vowel in ROUNDED_VOWELS:
            assert rounding > 0.4, vowel
            assert spreading == 0.0, vowel
        else:
            assert rounding < 0.4, vowel


def test_open_vowels_open_and_sibilants_bring_the_teeth_together() -> None:
    assert min(target(v, "jawOpen") for v in "aɑ") > 3 * max(target(v, "jawOpen") for v in "iuy")
    assert max(target(c, "jawOpen") for c in "szʃʒɕʑʂʐ") < min(target(v, "jawOpen") for v in VOWELS)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a = { jawOpen = 0.40", "a = { jawOpened = 0.40", "phone a has the unknown entries .'jawOpened'"),
        ("a = { jawOpen = 0.40", "a = { jawOpen = 1.40", "phone a: all numbers must lie in 0..1"),
        ("a = { jawOpen = 0.40", "a = { insist = { jew = 0.5 }, jawOpen = 0.40", "phone a, insist: .'jew'"),
        ("a = { jawOpen = 0.40", "a = { insist = { jaw = 0.0 }, jawOpen = 0.40", "phone a .* must insist"),
        ("\na = {", "\nA = {", "phone A of phones.vowel is none of PHONES"),
        ("\nu = {", "\na = {", "phone a of phones.rounded_vowel .* twice"),
        ("\nh = {", "\n# h = {", r"\['h'\] are missing"),
        ("sil = {}", "sil = { jawOpen = 0.1 }", "sil must be the neutral face"),
        ("[phones.glottal]", "[phones.glottals]", "no classes.glottals"),
        ("[classes.vowel]\njaw = 0.85", "[classes.vowel]\njow = 0.85", "class vowel has the unknown entries"),
        ("[classes.vowel]\njaw = 0.85", "[classes.vowel]", "phone a or its class must insist"),
        ('["tongueOut"]', '["tongueIn"]', "'tongueIn' is no shape of ARKit"),
        ('["tongueOut"]', '["jawOpen"]', "jawOpen belongs to two articulators"),
        ("before_ms = 22", "before_ms = 0", "tongue: before_ms and after_ms must be positive"),
        ("before_ms = 22", "befor_ms = 22", "articulator tongue has the unknown entries"),
        ("close_ms = 85", "closing_ms = 85", "contact seal has the unknown entries"),
        ('contact = "seal", held = [0.05, 1.0]', 'contact = "kiss"', "phone m: contact 'kiss' is none of"),
        ("held = [0.05, 1.0]", "held = [0.5, 0.5]", "phone m: held is"),
    ],
)
def test_broken_tables_are_refused(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ArticulationError, match=message):
        load_articulation(TEXT.replace(old, new, 1))


def test_the_text_is_what_is_loaded() -> None:
    changed = load_articulation(TEXT.replace("a = { jawOpen = 0.40", "a = { jawOpen = 0.50", 1))
    difference = changed.targets - articulation().targets
    assert np.count_nonzero(difference) == 1
    assert difference[INDEX_OF_PHONE["a"], changed.column("jawOpen")] == pytest.approx(0.1)
