"""flite's voices through its library: statistical (slt, rms, awb) and diphone (kal16) voices made from recordings."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from training.data.alphabets import of_festival, timed
from training.data.clips import SAMPLE_RATE_HZ, Floats
from training.data.phones import Phone
from training.data.utterance import Utterance, at_16_khz, spoken

VOICES = ("slt", "rms", "awb", "kal16")
_LIBRARY = "libflite.so.1"
_COMPANIONS = ("libflite_cmulex.so.1", "libflite_usenglish.so.1")
# Closures of stops are heard this much later than the voices say: measured, half of a stop's fall in level, all voices.
_LAG_S = 0.010


class _Wave(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    ]


class _Voice(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("features", ctypes.c_void_p)]


@dataclass(frozen=True)
class FliteVoice:
    """One of VOICES: American and Scottish English; CMU's licence lets everybody use and sell what they make of it."""

    voice: str
    language: str = field(default="en-us", init=False)
    use: str = field(default="free", init=False)

    @property
    def name(self) -> str:
        return f"flite.{self.voice}"

    def say(self, text: str, tempo: float = 1.0, pitch: float = 1.0) -> Utterance:
        """`text` spoken; flite has no `pitch` that sounds well, speed the utterance up instead. RuntimeError without
        the library."""
        del pitch
        engine = _engine()
        voice = engine.voice(self.voice)
        engine.library.feat_set_float(voice.contents.features, b"duration_stretch", 1.0 / tempo)
        utterance = engine.library.flite_synth_text(text.encode("ascii", "ignore"), voice)
        try:
            wave = engine.library.utt_wave(utterance).contents
            samples = np.ctypeslib.as_array(wave.samples, (wave.num_samples,)).astype(np.float32) / 32768.0
            audio, phones = at_16_khz(samples, wave.sample_rate), engine.phones(utterance)
        finally:
            engine.library.delete_utterance(utterance)
        return Utterance(audio, _within(phones, audio))


class _Engine:
    """The library, initialised once, and the voices that were asked for."""

    def __init__(self) -> None:
        try:
            self.library: Any = ctypes.CDLL(_LIBRARY, mode=ctypes.RTLD_GLOBAL)
            for name in _COMPANIONS:
                ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise RuntimeError(f"{_LIBRARY} is missing; install flite (Debian: flite)") from error
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float
        for name, result, arguments in (
            ("flite_synth_text", pointer, [text, ctypes.POINTER(_Voice)]),
            ("utt_wave", ctypes.POINTER(_Wave), [pointer]),
            ("utt_relation", pointer, [pointer, text]),
            ("relation_head", pointer, [pointer]),
            ("item_next", pointer, [pointer]),
            ("item_feat_float", number, [pointer, text]),
            ("ffeature_string", text, [pointer, text]),
            ("delete_utterance", None, [pointer]),
            ("feat_set_float", None, [pointer, text, number]),
        ):
            function = getattr(self.library, name)
            function.restype, function.argtypes = result, arguments
        self.library.flite_init()
        self._voices: dict[str, Any] = {}

    def voice(self, name: str) -> Any:
        if name not in VOICES:
            raise ValueError(f"flite has no voice {name!r} here; it has {', '.join(VOICES)}")
        if name not in self._voices:
            register = getattr(ctypes.CDLL(f"libflite_cmu_us_{name}.so.1"), f"register_cmu_us_{name}")
            register.restype, register.argtypes = ctypes.POINTER(_Voice), [ctypes.c_char_p]
            self._voices[name] = register(None)
        return self._voices[name]

    def phones(self, utterance: int) -> list[Phone]:
        segment = self.library.relation_head(self.library.utt_relation(utterance, b"Segment"))
        phones, start_s = list[Phone](), _LAG_S
        while segment:
            name = self.library.ffeature_string(segment, b"name").decode()
            end_s = max(start_s, float(self.library.item_feat_float(segment, b"end")) + _LAG_S)
            is_stressed = self.library.ffeature_string(segment, b"R:SylStructure.parent.stress") == b"1"
            phones += timed(of_festival("radio", name), start_s, end_s, 2 if is_stressed else 0)
            start_s, segment = end_s, self.library.item_next(segment)
        return spoken(phones)


@cache
def _engine() -> _Engine:
    return _Engine()


def _within(phones: list[Phone], audio: Floats) -> list[Phone]:
    """`phones` up to the end of the sound: the last pause of diphone voices is shorter than they say."""
    seconds = len(audio) / SAMPLE_RATE_HZ
    return [Phone(p.symbol, p.start_s, min(p.end_s, seconds), p.stress) for p in phones if p.start_s < seconds]
