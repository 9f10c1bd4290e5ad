"""Who speaks the synthetic speech: every voice with its share of the hours, and whether it is learnt from.

Held out for validation are whole voices: flite's awb, espeak-ng's variants f4 and m5, and everybody who speaks Italian
or Catalan. The same person may have several voices (slt by flite and by festival); such voices are on the same side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from training.data.sentences import sentence
from training.data.utterance import Utterance
from training.data.voice_espeak import EspeakVoice
from training.data.voice_festival import FestivalVoice
from training.data.voice_flite import FliteVoice


class Voice(Protocol):
    """Says text, and knows when it said which phone."""

    @property
    def name(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def use(self) -> str: ...

    def say(self, text: str, tempo: float = 1.0, pitch: float = 1.0) -> Utterance: ...


HELD_OUT_VARIANTS = frozenset({"f4", "m5"})
HELD_OUT_LANGUAGES = frozenset({"it", "ca"})
HELD_OUT_VOICES = frozenset({"flite.awb"})

_ACCENTS = ("en-us", "en-us", "en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-029", "en-us-nyc", "en-gb-x-gbclan")
_FOREIGN = ("de", "fr", "es", "pt", "pl", "ru", "nl", "tr", "sv")
_VARIANT_NAMES = """
m1 m2 m3 m4 m6 m7 m8 f1 f2 f3 f5 Alex Alicia Andrea Andy Annie Denis Diogo Gene Henrique Hugo Jacky Lee Marco Mario
Michael Mike adam anika antonio aunty belinda benjamin boris caleb david ed edward grandma grandpa gustave iven iven3
john klatt klatt2 klatt3 klatt4 linda marcelo max michel miguel norbert pablo paul pedro quincy rob robert sandro shelby
steph steph3 travis victor zac
"""
_VARIANTS = tuple(_VARIANT_NAMES.split())

# Festival's and flite's voices and their shares of the hours that are learnt from.
_NATURAL: tuple[tuple[float, Voice], ...] = (
    (0.15, FliteVoice("slt")),
    (0.18, FliteVoice("rms")),
    (0.03, FliteVoice("kal16")),
    (0.11, FestivalVoice("cmu_us_slt_arctic_hts", "en-us", "radio", "festvox-us-slt-hts")),
    (0.03, FestivalVoice("ked_diphone", "en-us", "radio", "festvox-kdlpc16k")),
    (0.01, FestivalVoice("kal_diphone", "en-us", "radio", "festvox-kallpc16k")),
    (0.04, FestivalVoice("msu_ru_nsh_clunits", "ru", "msu_ru", "festvox-ru", encoding="utf-8", lag_s=0.0)),
)
# What is said in a copyleft voice is copied from its recordings: it is measured on, not learnt from.
_NATURAL_HELD_OUT: tuple[tuple[float, Voice], ...] = (
    (0.45, FliteVoice("awb")),
    (0.10, FestivalVoice("upc_ca_ona_hts", "ca", "catalan", "festvox-ca-ona-hts", "free-sharealike", "latin-1")),
    (0.05, FestivalVoice("lp_diphone", "it", "italian", "festvox-italp16k", "free-sharealike", "latin-1")),
    (0.05, FestivalVoice("pc_diphone", "it", "italian", "festvox-itapc16k", "free-sharealike", "latin-1")),
)
_SHARE_OF_FOREIGN_ESPEAK = 0.35
_SHARE_OF_NATURAL_PITCH = 0.08  # spread (log) of how natural voices are sped up into other speakers
_SPED_UP_RANGE = (0.82, 1.22)
_BATCH = 40


def draw_voice(rng: np.random.Generator, split: str) -> Voice:
    """One voice of the split ("train" or "val"), by its share of the hours."""
    natural = [
        (share, voice)
        for share, voice in (_NATURAL if split == "train" else _NATURAL_HELD_OUT)
        if not isinstance(voice, FestivalVoice) or voice.is_installed
    ]
    at = rng.random()
    for share, voice in natural:
        at -= share
        if at < 0:
            return voice
    return _draw_espeak(rng, split)


def _draw_espeak(rng: np.random.Generator, split: str) -> EspeakVoice:
    if split == "train":
        language = _one(_FOREIGN if rng.random() < _SHARE_OF_FOREIGN_ESPEAK else _ACCENTS, rng)
        return EspeakVoice(language, _one(_VARIANTS, rng))
    if rng.random() < _SHARE_OF_FOREIGN_ESPEAK:
        return EspeakVoice("it", _one(sorted(HELD_OUT_VARIANTS), rng))
    return EspeakVoice(_one(_ACCENTS, rng), _one(sorted(HELD_OUT_VARIANTS), rng))


def _one(choices: tuple[str, ...] | list[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


@dataclass(frozen=True)
class Delivery:
    """How a clip is spoken: `tempo` and `pitch` of the voice, `size` of the speaker (utterances are sped up by it)."""

    tempo: float
    pitch: float
    size: float


def draw_delivery(voice: Voice, rng: np.random.Generator) -> Delivery:
    """A speaker made from the voice: natural ones become larger and smaller people; espeak-ng has pitch."""
    tempo = float(np.clip(np.exp(rng.normal(0.0, 0.16)), 0.68, 1.5))
    if isinstance(voice, EspeakVoice):
        return Delivery(tempo, float(np.clip(np.exp(rng.normal(0.0, 0.25)), 0.4, 1.8)), 1.0)
    size = float(np.clip(np.exp(rng.normal(0.0, _SHARE_OF_NATURAL_PITCH)), *_SPED_UP_RANGE))
    return Delivery(float(np.clip(tempo / size, 0.68, 1.5)), 1.0, size)


class Speakers:
    """Utterances of voices, with random sentences; festival's are made ahead, many at a time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._queues: dict[str, Iterator[Utterance]] = {}

    def utterance(self, voice: Voice, delivery: Delivery, rng: np.random.Generator) -> Utterance | None:
        """The next one, cut close to its phones; None when the voice failed on its sentence."""
        if isinstance(voice, FestivalVoice):
            said = next(self._queues.setdefault(voice.name, self._ahead(voice)))
        else:
            said = voice.say(sentence(voice.language, rng), delivery.tempo, delivery.pitch)
        if not said.phones:
            return None
        return said.trimmed(0.06).sped_up(delivery.size)

    def _ahead(self, voice: FestivalVoice) -> Iterator[Utterance]:
        rng = np.random.default_rng([self._seed, *voice.name.encode()])
        while True:
            tempo = float(np.clip(np.exp(rng.normal(0.0, 0.14)), 0.7, 1.4))
            texts = [sentence(voice.language, rng) for _ in range(_BATCH)]
            yield from (said for said in voice.say_all(texts, tempo) if said is not None)
