"""Foreign names of sounds to our phones: nothing unknown passes silently, nothing known is lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.alphabets import Sounds, of_emodb, of_festival, of_hama, of_ipa, of_radio, timed
from training.data.phones import INDEX_OF_PHONE, PHONES, SILENCE


def symbols(sounds: Sounds) -> str:
    return " ".join(symbol for symbol, _ in sounds)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aɪ", "a ɪ"),
        ("t͡ʃ", "t ʃ"),
        ("ɔ̃", "ɔ"),
        ("iː", "i"),
        ("tʰ", "t"),
        ("ç", "ç"),
        ("pf", "p f"),
        ("g", "ɡ"),
        ("ɱ", "v"),
        ("əl", "ə l"),
        ("ˈ", ""),
        ("", ""),
        ("aɪə", "a ɪ ə"),
    ],
)
def test_ipa(name: str, expected: str) -> None:
    assert symbols(of_ipa(name)) == expected


def test_every_phone_means_itself() -> None:
    for phone in PHONES[2:]:
        assert symbols(of_ipa(phone)) == phone


@pytest.mark.parametrize("name", ["ꭥ", "Q", "あ", "5"])
def test_unknown_ipa_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="add it to"):
        of_ipa(name)


def test_radio_speaks_all_of_english() -> None:
    names = (
        "aa ae ah ao aw ax axr ay b ch d dh dx eh el em en er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw"
    )
    heard = {symbol for name in [*names.split(), *"v w y z zh".split()] for symbol, _ in of_radio(name)}  # noqa: SIM905
    assert heard >= set("ɑæʌɔəɚaɪʊbdðɛeɪfɡhilmnŋoprsʃtθuvwjzʒɾɹ") - {"r"}
    assert symbols(of_radio("AW1")) == "a ʊ"
    with pytest.raises(ValueError, match="radio"):
        of_radio("qq")


@pytest.mark.parametrize(
    ("alphabet", "name", "expected"),
    [
        ("radio", "pau", SILENCE),
        ("msu_ru", "sch", "ɕ"),
        ("msu_ru", "pp", "p"),
        ("catalan", "E1", "ɛ"),
        ("catalan", "ll", None),
        ("italian", "tS", "t ʃ"),
        ("italian", "#", SILENCE),
    ],
)
def test_festival(alphabet: str, name: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match=alphabet):
            of_festival(alphabet, name)
    else:
        assert symbols(of_festival(alphabet, name)) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("_t", "t"),
        ("!t", "t"),
        ("kasp", "k"),
        ("aI", "a ɪ"),
        ("U:", "ʊ"),
        ("-sth", ""),
        (".", ""),
        ("", ""),
        ("(gef", ""),
        ("d+nas", "d"),
    ],
)
def test_emodb(label: str, expected: str) -> None:
    assert symbols(of_emodb(label)) == expected


def test_every_token_of_the_network_is_known() -> None:
    hama = pytest.importorskip("hama")
    tokens = [*hama.Vocabulary.load().decoder, "<wb>", "<blank>"]
    assert len(tokens) == 191
    silent = {token for token in tokens if not of_hama(token)}  # raises on an unknown one
    letters = {token for token in silent if len(token) == 1 and token.isalpha() and token.isascii()}
    assert not letters
    assert {"<blank>", "<wb>", "ʰ", "˥"} <= silent
    assert len(tokens) - len(silent) == 129


@given(st.sampled_from(["a", "aɪ", "tʃ", "aɪə", "əl", "ja"]), st.floats(0, 10), st.floats(0, 2), st.integers(0, 2))
def test_timed_tiles_its_span(name: str, start_s: float, length_s: float, stress: int) -> None:
    phones = timed(of_ipa(name), start_s, start_s + length_s, stress)
    assert phones[0].start_s == start_s
    assert phones[-1].end_s == start_s + length_s
    for left, right in pairwise(phones):
        assert left.end_s == right.start_s
    assert {phone.stress for phone in phones} == {stress}
    assert all(phone.symbol in INDEX_OF_PHONE for phone in phones)
    assert sum(share for _, share in of_ipa(name)) == pytest.approx(1.0)
