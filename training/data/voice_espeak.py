"""espeak-ng's voices through its library: formant synthesis, many languages, phones with the times of its own events.

The library holds one voice at a time for the whole process; `say` sets it each time.

An event is where a sound's own samples begin. Voiceless stops begin with their burst there: the silence of the closure
lies before, at the end of what the previous event claims, and is given back to the stop here.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from training.data.alphabets import Sounds, of_ipa, timed
from training.data.clips import SAMPLE_RATE_HZ, Floats
from training.data.phones import VOWELS, Phone
from training.data.utterance import Utterance, at_16_khz

_LIBRARY = "libespeak-ng.so.1"
_SYNCHRONOUS, _PHONEME_EVENTS, _IPA_EVENTS = 2, 1, 2
_EVENT_END, _EVENT_PHONEME = 0, 7
_UTF8, _IPA_TEXT = 1, 2
_RATE, _PITCH, _RANGE = 1, 3, 4  # parameters
_WORDS_PER_MINUTE, _MIDDLE_PITCH, _MIDDLE_RANGE = 165, 50, 50

_STOPS = frozenset("ptkbdɡʔʈɖq")
_SILENT_STOPS, _BURST_SHARE = frozenset("ptk"), 0.15
_CLOSURE_LEVEL = 10 ** (-34 / 20)  # of the loudest: formant synthesis is silent there, but for some variants' echo
_LONGEST_CLOSURE_S = 0.12
_SHORT_REST_S = 0.05  # an unnamed event this short is a glottal onset of what follows
_STEP_S = 0.002


class _Name(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Name),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class EspeakVoice:
    """One voice: a language of espeak-ng ("en-us", "de") and one of its variants ("f2", "m3", "" for none)."""

    language: str
    variant: str = ""
    use: str = field(default="free", init=False)  # the program is GPL-3; what it says is its user's

    @property
    def name(self) -> str:
        return f"espeak.{self.language}" + (f"+{self.variant}" if self.variant else "")

    def say(self, text: str, tempo: float = 1.0, pitch: float = 1.0) -> Utterance:
        """`text` spoken. `tempo` and `pitch` 0.5..2 around the voice's own. RuntimeError without the library."""
        engine = _engine()
        engine.select(self.name.removeprefix("espeak."), tempo, pitch)
        audio, events = engine.synthesize(text)
        audio = at_16_khz(audio, engine.rate_hz)
        sounds = _named(events, engine.rate_hz, len(audio) / SAMPLE_RATE_HZ)
        return Utterance(audio, _with_closures(_phones(sounds, engine.stresses(text)), audio))


def pronounced(text: str, language: str = "en-us") -> list[list[tuple[Sounds, int]]]:
    """The words of `text` as espeak-ng would say them: (sounds, stress 0..2) each. RuntimeError without the library."""
    engine = _engine()
    engine.select(language, 1.0, 1.0)
    words = []
    for word in re.sub(r"\([a-z-]+\)", "", engine.ipa(text, _IPA_TEXT | ord("_") << 8)).split():
        sounds = [(of_ipa(name), 2 if "ˈ" in name else int("ˌ" in name)) for name in word.split("_")]
        words.append([(each, stress) for each, stress in sounds if each])
    return [word for word in words if word]


@dataclass(frozen=True)
class _Sound:
    name: str
    start_s: float
    end_s: float


class _Engine:
    """The library, initialised once."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise RuntimeError(f"{_LIBRARY} is missing; install espeak-ng (Debian: espeak-ng)") from error
        self._audio, self._events = list[Floats](), list[tuple[int, str]]()
        self._callback = _Callback(self._take)  # kept alive as long as the library may call it
        options = _PHONEME_EVENTS | _IPA_EVENTS
        self.rate_hz = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, options))
        if self.rate_hz <= 0:
            raise RuntimeError("espeak-ng finds no voice data; install espeak-ng-data")
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p

    def select(self, voice: str, tempo: float, pitch: float) -> None:
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}; see `espeak-ng --voices`")
        speed = int(np.clip(round(_WORDS_PER_MINUTE * tempo), 80, 450))
        for parameter, value in (
            (_RATE, speed),
            (_PITCH, int(np.clip(_MIDDLE_PITCH * pitch, 0, 100))),
            (_RANGE, _MIDDLE_RANGE),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)

    def synthesize(self, text: str) -> tuple[Floats, list[tuple[int, str]]]:
        self._audio, self._events = [], []
        data = text.encode()
        if self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None) != 0:
            raise RuntimeError(f"espeak-ng failed on {text!r}")
        audio = np.concatenate(self._audio) if self._audio else np.zeros(0, np.float32)
        return audio, self._events

    def stresses(self, text: str) -> list[tuple[str, int]]:
        """(IPA of a vowel, stress 0..2) in the order of the text."""
        return _vowels_of(self.ipa(text, _IPA_TEXT))

    def ipa(self, text: str, mode: int) -> str:
        """The text in IPA, clauses and words with spaces between."""
        data = ctypes.c_char_p(text.encode())
        parts = []
        while data.value is not None:
            part = self._library.espeak_TextToPhonemes(ctypes.byref(data), _UTF8, mode)
            parts.append((part or b"").decode("utf-8", "replace"))
        return " ".join(parts)

    def _take(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._audio.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / 32768.0)
        number = 0
        while events[number].type != _EVENT_END:
            if events[number].type == _EVENT_PHONEME:
                self._events.append((events[number].sample, events[number].id.string.decode("utf-8", "replace")))
            number += 1
        return 0


@cache
def _engine() -> _Engine:
    return _Engine()


def _named(events: list[tuple[int, str]], rate_hz: int, seconds: float) -> list[_Sound]:
    """Events with both ends; short unnamed ones are given to what follows, language switches are left out."""
    kept = [(sample / rate_hz, "" if name.startswith("(") else name) for sample, name in events]
    sounds, pending_s = list[_Sound](), None
    for number, (start_s, name) in enumerate(kept):
        end_s = kept[number + 1][0] if number + 1 < len(kept) else seconds
        if not name:
            is_onset = end_s - start_s < _SHORT_REST_S
            pending_s = (start_s if pending_s is None else pending_s) if is_onset else None
            continue
        if not of_ipa(name) and sounds:  # a mark, such as palatalisation, is the end of what it marks
            sounds[-1] = _Sound(sounds[-1].name, sounds[-1].start_s, end_s)
            continue
        sounds.append(_Sound(name, start_s if pending_s is None else pending_s, end_s))
        pending_s = None
    return sounds


def _phones(sounds: list[_Sound], vowels: list[tuple[str, int]]) -> list[Phone]:
    """Phones with the stresses of `vowels`, matched in order; a vowel that is not found there has none."""
    phones, at = list[Phone](), 0
    for sound in sounds:
        stress, pieces = 0, of_ipa(sound.name)
        if any(symbol in VOWELS for symbol, _ in pieces):
            letters = _vowels_of(sound.name)
            ahead = next((i for i in range(at, min(at + 3, len(vowels))) if vowels[i][0] == letters[0][0]), None)
            if ahead is not None:
                stress, at = vowels[ahead][1], ahead + 1
        if len(pieces) == 2 and pieces[0][0] in _SILENT_STOPS:  # the closure is yet to be found, before
            pieces = ((pieces[0][0], _BURST_SHARE), (pieces[1][0], 1.0 - _BURST_SHARE))
        phones += timed(pieces, sound.start_s, max(sound.end_s, sound.start_s), stress)
    return _stressed_onsets(phones)


def _stressed_onsets(phones: list[Phone]) -> list[Phone]:
    """The consonant right before a stressed vowel has its stress."""
    result = list(phones)
    for number in range(len(phones) - 1):
        here, following = phones[number], phones[number + 1]
        if here.symbol not in VOWELS and following.symbol in VOWELS:
            result[number] = Phone(here.symbol, here.start_s, here.end_s, following.stress)
    return result


def _vowels_of(ipa: str) -> list[tuple[str, int]]:
    """The vowel groups of a text in IPA, with stress; espeak-ng writes its marks right before the vowel."""
    found = []
    for match in re.finditer(r"([ˈˌ]?)([^\sˈˌ]+)", re.sub(r"\([a-z-]+\)", " ", ipa)):
        stress = {"": 0, "ˌ": 1, "ˈ": 2}[match[1]]
        groups = re.findall(r"[iɪeɛæaɐɑɒɔoʊuʌəɚɜɝyʏøœɨʉɯɤᵻɵɘ\u0303ː]+", match[2])
        for number, group in enumerate(groups):
            found.append((group.rstrip("ː"), stress if number == 0 else 0))
    return found


def _with_closures(phones: list[Phone], audio: Floats) -> list[Phone]:
    """`phones` with the silence before a stop given to it."""
    step = round(_STEP_S * SAMPLE_RATE_HZ)
    peaks = np.abs(audio[: len(audio) // step * step]).reshape(-1, step).max(axis=1)
    quiet = peaks < _CLOSURE_LEVEL * max(float(peaks.max(initial=0.0)), 1e-4)
    result = list(phones)
    for number, phone in enumerate(phones):
        if phone.symbol not in _STOPS:
            continue
        at = first = min(int(phone.start_s / _STEP_S), len(quiet))
        while first > 0 and at - first < _LONGEST_CLOSURE_S / _STEP_S and (quiet[first - 1] or at - first < 2):
            first -= 1
        if at - first <= 2:
            continue
        start_s = first * _STEP_S
        if number > 0:
            before = result[number - 1]
            start_s = max(start_s, before.start_s + 0.3 * (before.end_s - before.start_s))
            result[number - 1] = Phone(before.symbol, before.start_s, min(before.end_s, start_s), before.stress)
        result[number] = Phone(phone.symbol, start_s, phone.end_s, phone.stress)
    return result
