"""Which phones look alike on a mouth, and how far what was read is from what was said.

The groups are those that SPECTRE is judged by (Polly's, seed-systems A.12), for espeak-ng's English; phones of other
languages go with the most alike. Two phones in a row may be one viseme: an affricate looks like its second part, a
diphthong like its first.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import groupby

from models.perceptual.visual_speech import VISEMES
from training.data.alphabets import timed
from training.data.phones import BREATH, PHONES, SILENCE, Phone
from training.data.utterance import with_silences
from training.data.voice_espeak import pronounced

_GROUPS = {
    "sil": f"{SILENCE} {BREATH}",
    "p": "p b m ɸ β",
    "f": "f v ʋ",
    "T": "θ ð",
    "t": "t d n l ɾ ʈ ɖ ɳ ɭ ɬ ɲ ʎ",
    "s": "s z",
    "S": "ʃ ʒ ɕ ʑ ʂ ʐ",
    "k": "k ɡ ŋ h x ɣ ç q ħ ʕ",
    "r": "ɹ r ʁ",
    "i": "i ɪ j ɨ ɯ",
    "u": "u ʊ w y ʏ ʉ ɥ",
    "@": "ə ɚ ɐ",
    "a": "a æ ɑ",
    "e": "e",
    "E": "ɛ ɜ ʌ",
    "o": "o ø ɤ",
    "O": "ɔ ɒ œ",
}
# A glottal stop moves no lip: its time is its neighbour's.
_UNSEEN = frozenset("ʔ")
_ONE_VISEME = {("t", "S"): "S", ("d", "S"): "S"} | {
    (first, second): group
    for first, second, group in (
        ("a", "ɪ", "a"), ("a", "ʊ", "a"), ("e", "ɪ", "e"), ("o", "ʊ", "o"), ("ə", "ʊ", "o"), ("ɔ", "ɪ", "O"),
    )
}  # fmt: skip
VISEME_OF = {phone: name for name, phones in _GROUPS.items() for phone in phones.split()}
_PAIRS = {
    (first, second): _ONE_VISEME[key]
    for first in PHONES
    for second in PHONES
    for key in ((first, second), (first, VISEME_OF.get(second, "")))
    if key in _ONE_VISEME
}


def visemes_of(phones: Sequence[Phone]) -> list[tuple[str, float, float]]:
    """(viseme, start s, end s) of phones in the order of time; pairs that are one are joined, rests left out."""
    seen = [phone for phone in phones if phone.symbol not in _UNSEEN]
    told: list[tuple[str, float, float]] = []
    number = 0
    while number < len(seen):
        phone, after = seen[number], seen[number + 1] if number + 1 < len(seen) else None
        pair = _PAIRS.get((phone.symbol, after.symbol)) if after else None
        if after and pair and after.start_s - phone.end_s < 1e-3:
            told.append((pair, phone.start_s, after.end_s))
            number += 2
        else:
            told.append((VISEME_OF[phone.symbol], phone.start_s, phone.end_s))
            number += 1
    return [row for row in told if row[0] != VISEMES[0]]


def viseme_rows(phones: Sequence[Phone], times_s: Sequence[float]) -> list[int]:
    """The number in VISEMES of what the mouth does at each instant; rests are `sil`."""
    spans = visemes_of(phones)
    return [
        next((VISEMES.index(name) for name, start_s, end_s in spans if start_s <= time_s < end_s), 0)
        for time_s in times_s
    ]


def said(rows: Sequence[int]) -> list[int]:
    """What rows of visemes say: runs are one, rests none."""
    return [viseme for viseme, _ in groupby(rows) if viseme != 0]


def edit_distance(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """The fewest insertions, deletions and substitutions that make one of the other (Levenshtein)."""
    above = list(range(len(other) + 1))
    for row, item in enumerate(one, start=1):
        line = [row]
        for column, other_item in enumerate(other, start=1):
            line.append(min(above[column] + 1, line[-1] + 1, above[column - 1] + (item != other_item)))
        above = line
    return above[-1]


def error_rate(true: Sequence[Hashable], read: Sequence[Hashable]) -> float:
    """Edit distance a thing said: 0 when all is read; above 1 when more is read than was said. ValueError for nothing.

    The character error rate of two texts, the viseme error rate of two rows of visemes.
    """
    if not len(true):
        raise ValueError("nothing was said; an error rate needs at least one symbol")
    return edit_distance(true, read) / len(true)


def viseme_error_rate(true: str, read: str) -> float:
    """VER of two texts in English, as espeak-ng says them (seed-systems 3.7). RuntimeError without espeak-ng."""
    return error_rate(list(_visemes_of_text(true)), list(_visemes_of_text(read)))


def _visemes_of_text(text: str) -> Iterator[str]:
    phones: list[Phone] = []
    for word in pronounced(text):
        for sounds, stress in word:
            begin_s = phones[-1].end_s if phones else 0.0
            phones += timed(sounds, begin_s, begin_s + 1.0, stress)
    return (name for name, _, _ in visemes_of(with_silences(phones, 0.0)))
