"""The phones that every source of speech is labelled with: plain IPA, one symbol a steady target of the mouth.

Diphthongs and affricates are two phones one after the other (a ɪ, t ʃ), length and tone marks are dropped, nasal vowels
are their oral ones. What a voice, an aligner or a corpus calls its sounds is translated into these by
`training.data.alphabets`; what a mouth does for each is in `articulation.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass

SILENCE = "sil"
BREATH = "breath"

_VOWELS = "i ɪ e ɛ æ a ɐ ɑ ɒ ɔ o ʊ u ʌ ə ɚ ɜ y ʏ ø œ ɨ ʉ ɯ ɤ"
_CONSONANTS = "p b m f v θ ð t d n s z ʃ ʒ l ɹ ɾ r ʁ j w ɥ k ɡ ŋ x ɣ h ç ʔ ɲ ʎ q β ɸ ʋ ɕ ʑ ʂ ʐ ʈ ɖ ɳ ɭ ħ ʕ ɬ"
VOWELS, CONSONANTS = tuple(_VOWELS.split()), tuple(_CONSONANTS.split())
PHONES = (SILENCE, BREATH, *VOWELS, *CONSONANTS)
INDEX_OF_PHONE = {phone: index for index, phone in enumerate(PHONES)}

# What a listener can see of a mouth: lips that must meet, a lip that must touch the teeth, lips that come forward.
BILABIALS = frozenset("pbm")
LABIODENTALS = frozenset("fv")
ROUNDED_VOWELS = frozenset("ɔoʊuyʏøœɒʉ")


@dataclass(frozen=True)
class Phone:
    """One phone of an utterance: `symbol` is one of PHONES, times are seconds from the start of its sound.

    stress   0 none, 1 secondary, 2 primary: of the syllable that it belongs to
    """

    symbol: str
    start_s: float
    end_s: float
    stress: int = 0

    def __post_init__(self) -> None:
        if self.symbol not in INDEX_OF_PHONE:
            raise ValueError(f"{self.symbol!r} is no phone of training.data.phones; translate it with alphabets")
        if not self.end_s >= self.start_s:
            raise ValueError(f"phone {self.symbol} ends at {self.end_s} s, before it starts at {self.start_s} s")
