"""Sentences without end for synthetic voices, put together from the words of `sentences.toml`.

English is rich in what eyes see (p b m f v w, rounded vowels) and mixes statements, questions, exclamations, numbers,
lists, spelling and very short utterances; other languages combine a subject, a predicate and an addition.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

_WORDS = Path(__file__).with_name("sentences.toml")
_MONTH_NAMES = "January February March April May June July August September October November December"
_MONTHS = _MONTH_NAMES.split()
_SHARE_OF_SHORT = 0.12


def languages() -> tuple[str, ...]:
    """Those that `sentence` speaks: "en" and the other tables of sentences.toml."""
    return ("en", *(name for name in _tables() if name != "english"))


def sentence(language: str, rng: np.random.Generator) -> str:
    """One sentence in `language` ("en-gb" is "en"). ValueError for a language without words here."""
    base = language.split("-")[0]
    if base == "en":
        return _english(rng)
    if base not in _tables():
        raise ValueError(f"sentences.toml has no words in {language!r}; it has {', '.join(languages())}")
    words = _tables()[base]
    if rng.random() < _SHARE_OF_SHORT:
        return _one(words["short"], rng)
    subject, predicate, addition = (_one(words[part], rng) for part in ("subjects", "predicates", "additions"))
    parts = [predicate, addition] if rng.random() < 0.75 else [predicate]
    if base == "tr":  # the verb is last
        parts.reverse()
    return " ".join([subject, *parts]) + ("." if rng.random() < 0.8 else "!")


@cache
def _tables() -> dict[str, dict[str, list[str]]]:
    tables = tomllib.loads(_WORDS.read_text(encoding="utf-8"))
    return {name: {part: _split(text) for part, text in table.items()} for name, table in tables.items()}


def _split(text: str) -> list[str]:
    """Entries end at ; and line ends where there is a ;, else at any white space. `_` is a space within an entry."""
    entries = text.strip("\n").replace("\n", ";").split(";") if ";" in text else text.split()
    return [entry.replace("_", " ") for entry in entries if entry.strip()]


def _one(entries: Sequence[str], rng: np.random.Generator) -> str:
    return entries[int(rng.integers(len(entries)))]


def _word(part: str, rng: np.random.Generator) -> str:
    return _one(_tables()["english"][part], rng)


def _noun(rng: np.random.Generator) -> str:
    adjective = _word("adjectives", rng) + " " if rng.random() < 0.6 else ""
    phrase = adjective + _word("nouns", rng)
    article = _one(["the", "the", "a", "my", "your", "our", "this", "every", "some other"], rng)
    if article == "a" and phrase[0] in "aeiou" and not phrase.startswith(("uni", "use")):
        article = "an"
    return f"{article} {phrase}"


def _who(rng: np.random.Generator) -> str:
    return _word("names", rng) if rng.random() < 0.4 else _noun(rng)


def _statement(rng: np.random.Generator) -> str:
    opener = _word("openers", rng) if rng.random() < 0.3 else ""
    place = " " + _word("places", rng) if rng.random() < 0.6 else ""
    text = f"{opener.lstrip()}{_who(rng)} {_word('verbs', rng).split('/')[1]} {_who(rng)}{place}"
    return text[0].upper() + text[1:] + ("." if rng.random() < 0.85 else "!")


def _question(rng: np.random.Generator) -> str:
    verb = _word("verbs", rng).split("/")[0]
    start = _one(["Did", "Why did", "When will", "How could", "Would", "Where did", "Shouldn't", "What if"], rng)
    if start == "What if":
        return f"What if {_who(rng)} {_word('verbs', rng).split('/')[1]} {_who(rng)}?"
    return f"{start} {_who(rng)} {verb} {_who(rng)}?"


def _command(rng: np.random.Generator) -> str:
    verb = _word("verbs", rng).split("/")[0]
    text = _one([f"{verb} {_who(rng)}, please.", f"don't {verb} {_who(rng)}!", f"let's {verb} {_who(rng)}."], rng)
    return text[0].upper() + text[1:]


def _joined(rng: np.random.Generator) -> str:
    first, second = _statement(rng).rstrip(".!"), _statement(rng)
    return f"{first}, {_one(['but', 'and', 'because', 'while', 'before', 'so'], rng)} {second[0].lower()}{second[1:]}"


def _number(rng: np.random.Generator) -> str:
    choice = int(rng.integers(6))
    if choice == 0:
        return f"The number is {', '.join(str(digit) for digit in rng.integers(0, 10, int(rng.integers(4, 9))))}."
    if choice == 1:
        return f"It was {_one(_MONTHS, rng)} {int(rng.integers(1, 29))}, {int(rng.integers(1850, 2060))}."
    if choice == 2:
        return (
            f"The {_word('nouns', rng)} costs {int(rng.integers(2, 990))} dollars and {int(rng.integers(5, 99))} cents."
        )
    if choice == 3:
        return f"{int(rng.integers(1, 13))} {_one(['minus', 'plus', 'times', 'over'], rng)} {int(rng.integers(1, 99))}."
    if choice == 4:
        return f"About {int(rng.integers(2, 9_999_999))} people live there."
    return f"We meet at {int(rng.integers(1, 13))} {int(rng.integers(10, 60))} {_one(['a.m.', 'p.m.'], rng)}"


def _list(rng: np.random.Generator) -> str:
    words = [_word(_one(["nouns", "adjectives", "names"], rng), rng) for _ in range(int(rng.integers(3, 7)))]
    return ", ".join(words[:-1]) + f" and {words[-1]}."


def _pairs(rng: np.random.Generator) -> str:
    words = _word("pairs", rng).split()
    rng.shuffle(words)
    if rng.random() < 0.5:
        return f"Say {words[0]}, not {words[-1]}."
    return ", ".join(words) + "."


def _spelt(rng: np.random.Generator) -> str:
    letters = [chr(ord("A") + int(letter)) for letter in rng.integers(0, 26, int(rng.integers(3, 7)))]
    return ", ".join(letters) + "."


_KINDS: tuple[tuple[float, Callable[[np.random.Generator], str]], ...] = (
    (0.30, _statement),
    (0.13, _question),
    (0.09, _command),
    (0.10, _joined),
    (0.07, _number),
    (0.05, _list),
    (0.06, _pairs),
    (0.02, _spelt),
    (0.08, lambda rng: _word("short", rng)),
    (0.10, lambda rng: _word("everyday", rng)),
)


def _english(rng: np.random.Generator) -> str:
    shares = np.array([share for share, _ in _KINDS])
    return _KINDS[int(rng.choice(len(_KINDS), p=shares / shares.sum()))][1](rng)
