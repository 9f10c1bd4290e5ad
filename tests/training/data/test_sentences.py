"""Made-up sentences: reproducible, varied, and full of what eyes can see."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from training.data.sentences import languages, sentence


def test_the_same_draw_is_the_same_sentence() -> None:
    first, second = ([sentence("en", np.random.default_rng(seed)) for seed in range(20)] for _ in range(2))
    assert first == second
    assert len(set(first)) > 15


@pytest.mark.parametrize("language", languages())
def test_every_language_varies(language: str) -> None:
    rng = np.random.default_rng(3)
    said = [sentence(language, rng) for _ in range(200)]
    assert len(set(said)) > 100
    assert not any("_" in text or ";" in text or "\n" in text or not text.strip() for text in said)


def test_english_is_rich() -> None:
    rng = np.random.default_rng(5)
    said = [sentence("en-gb", rng) for _ in range(2000)]
    letters = Counter("".join(said).lower())
    total = sum(letters[letter] for letter in "abcdefghijklmnopqrstuvwxyz")
    # Plain English prose has about 10 % of these.
    assert sum(letters[letter] for letter in "pbmfvw") / total > 0.14
    assert sum("?" in text for text in said) > 150
    assert sum("!" in text for text in said) > 100
    assert sum(bool(re.search(r"\d", text)) for text in said) > 60
    assert sum(len(text.split()) <= 2 for text in said) > 80
    assert not any(re.search(r"\ba [aeio]", text) for text in said if "five" not in text and " a one" not in text)


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(ValueError, match="tlh"):
        sentence("tlh", np.random.default_rng(0))
