"""A second recogniser's view of an alignment: pocketsphinx's phone loop for American English.

Its phones are noisy (a network of 2000s' triphones without words), so that what is compared is what the eye would see:
the class of the mouth at each instant of a voiced or hissing sound.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from training.data.alphabets import of_radio
from training.data.clips import SAMPLE_RATE_HZ, Floats
from training.data.phones import Phone

_FRAME_S = 0.01
_TOLERANCE_S = 0.03
_CHECKED_S = 8.0  # of a recording; listening costs as much as aligning
_CLASSES = (
    "p b m β ɸ",
    "f v ʋ",
    "θ ð t d n s z l ɾ ɬ ɳ ʈ ɖ ɭ ɲ ʎ",
    "ʃ ʒ ɕ ʑ ʂ ʐ ɹ r ɚ ɜ",
    "k ɡ ŋ x ɣ h q ħ ʕ ʔ ç ʁ",
    "w u o ʊ ɔ y ʏ ø œ ʉ ɥ ɒ",
    "i ɪ e ɛ j ɨ",
    "æ a ɐ ɑ ʌ ə ɯ ɤ",
)
_CLASS_OF = {symbol: number for number, symbols in enumerate(_CLASSES) for symbol in symbols.split()}


def agreement(audio: Floats, phones: list[Phone]) -> float:
    """Share 0..1 of the phones whose class of mouth pocketsphinx hears near their middle; chance is about 0.15."""
    phones = [phone for phone in phones if phone.end_s < _CHECKED_S]
    heard = _heard(audio[: round(_CHECKED_S * SAMPLE_RATE_HZ)])
    if not phones or not heard:
        return 0.0
    hits = 0
    for phone in phones:
        middle_s = 0.5 * (phone.start_s + phone.end_s)
        near = {name for begin, end, name in heard if begin - _TOLERANCE_S <= middle_s <= end + _TOLERANCE_S}
        hits += _CLASS_OF.get(phone.symbol, -1) in {_CLASS_OF.get(name, -2) for name in near}
    return hits / len(phones)


def _heard(audio: Floats) -> list[tuple[float, float, str]]:
    """(start, end in s, symbol) of what pocketsphinx hears."""
    decoder = _decoder()
    samples = np.clip(np.round(audio / max(float(np.abs(audio).max()), 1e-6) * 20_000.0), -32768, 32767)
    decoder.start_utt()
    decoder.process_raw(samples.astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    found = []
    for segment in decoder.seg() or ():
        if segment.word.isalpha() and segment.word not in ("SIL", "NSN"):
            sounds, begin_s = of_radio(segment.word), segment.start_frame * _FRAME_S
            width_s = (segment.end_frame + 1) * _FRAME_S - begin_s
            for symbol, share in sounds:
                found.append((begin_s, begin_s + share * width_s, symbol))
                begin_s += share * width_s
    return found


@cache
def _decoder() -> Any:
    try:
        import pocketsphinx
    except ImportError as error:
        raise ImportError("pocketsphinx checks alignments; install it with `pip install pocketsphinx`") from error
    model = pocketsphinx.get_model_path
    return pocketsphinx.Decoder(
        hmm=model("en-us/en-us"),
        allphone=model("en-us/en-us-phone.lm.bin"),
        lw=2.0,
        pip=0.3,
        beam=1e-20,
        pbeam=1e-20,
        loglevel="FATAL",
    )
