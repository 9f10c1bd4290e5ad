"""Synthetic voices: what they say they said is what is heard, and held-out voices are never learnt from."""

from __future__ import annotations

import ctypes
import shutil

import numpy as np
import pytest

from training.data import synthesizers
from training.data.alphabets import of_ipa
from training.data.phones import VOWELS, Phone
from training.data.synthesizers import HELD_OUT_LANGUAGES, HELD_OUT_VARIANTS, Speakers, Voice, draw_delivery, draw_voice
from training.data.utterance import Utterance
from training.data.voice_espeak import EspeakVoice, pronounced
from training.data.voice_festival import FestivalVoice
from training.data.voice_flite import FliteVoice

TEXT = "Peter, my happy papa, kept a paper cup of coffee upon the table."
KAL = FestivalVoice("kal_diphone", "en-us", "radio", "festvox-kallpc16k")


def _has(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


needs_espeak = pytest.mark.skipif(not _has("libespeak-ng.so.1"), reason="espeak-ng is not installed")
needs_flite = pytest.mark.skipif(not _has("libflite.so.1"), reason="flite is not installed")
needs_festival = pytest.mark.skipif(not KAL.is_installed, reason="festival is not installed")
VOICES = [
    pytest.param(EspeakVoice("en-us", "m3"), marks=needs_espeak),
    pytest.param(EspeakVoice("en-gb-x-rp", "f2"), marks=needs_espeak),
    pytest.param(FliteVoice("rms"), marks=needs_flite),
    pytest.param(FliteVoice("slt"), marks=needs_flite),
    pytest.param(FliteVoice("kal16"), marks=needs_flite),
    pytest.param(KAL, marks=needs_festival),
]


def level_db(said: Utterance, begin_s: float, end_s: float) -> float:
    begin, end = round(begin_s * 16_000), round(end_s * 16_000)
    return 10.0 * float(np.log10(np.mean(np.square(said.audio[begin:end])) + 1e-9))


@pytest.mark.parametrize("voice", VOICES)
def test_phones_are_in_order_within_the_sound(voice: Voice) -> None:
    said = voice.say(TEXT)
    assert said.audio.dtype == np.float32
    assert 2.0 < said.seconds < 7.0
    assert 0.05 < np.abs(said.audio).max() <= 1.0
    assert 40 <= len(said.phones) <= 60
    for before, after in zip(said.phones[:-1], said.phones[1:], strict=True):
        assert before.end_s <= after.start_s + 1e-6
    assert said.phones[-1].end_s <= said.seconds + 1e-6
    stressed = [phone.symbol for phone in said.phones if phone.stress == 2 and phone.symbol in VOWELS]
    assert len(stressed) >= 6
    assert {phone.symbol for phone in said.phones} >= set("pmkt")


@pytest.mark.parametrize("voice", VOICES)
def test_stops_are_silent_where_they_are_said(voice: Voice) -> None:
    """The first half of a p t k is at least 18 dB below the vowel before it."""
    said = voice.say(TEXT)
    falls = []
    for before, stop in zip(said.phones[:-1], said.phones[1:], strict=True):
        if stop.symbol in "ptk" and before.symbol in VOWELS and stop.start_s - before.end_s < 0.005:
            closure = level_db(said, stop.start_s + 0.015, stop.start_s + 0.5 * (stop.end_s - stop.start_s))
            falls.append(level_db(said, before.start_s, before.end_s) - closure)
    assert len(falls) >= 5
    assert np.median(falls) > 18.0


@needs_espeak
@pytest.mark.parametrize("variant", ["m3", "f2"])  # f2 has an echo
def test_espeak_gives_closures_to_their_stops(variant: str) -> None:
    said = EspeakVoice("en-us", variant).say(TEXT)
    stops = [phone for phone in said.phones if phone.symbol in "ptk"]
    assert 0.075 < np.median([stop.end_s - stop.start_s for stop in stops]) < 0.11  # 55 ms from the burst on


@needs_espeak
def test_espeak_speaks_languages_at_other_speeds() -> None:
    for language in ("de", "fr", "pl", "tr"):
        assert len(EspeakVoice(language, "f1").say("mama papa").phones) >= 8
    slow, fast = (EspeakVoice("en-us", "m1").say(TEXT, tempo=tempo).seconds for tempo in (0.7, 1.4))
    assert slow > 1.5 * fast
    with pytest.raises(ValueError, match="no voice"):
        EspeakVoice("klingon-nowhere").say("x")


@needs_espeak
def test_pronounced() -> None:
    words = pronounced("Bob came, at five.")
    assert ["".join(s for sounds, _ in word for s, _ in sounds) for word in words] == ["bɑb", "keɪm", "æt", "faɪv"]
    assert [stress for _, stress in words[0]] == [0, 2, 0]
    assert words[1][1] == (of_ipa("eɪ"), 2)


@needs_flite
def test_flite_refuses_other_voices() -> None:
    with pytest.raises(ValueError, match="no voice"):
        FliteVoice("nobody").say("x")


@needs_festival
def test_festival_says_many_at_once() -> None:
    said = KAL.say_all(["Hello there.", 'A "quoted" word.', "Mama."])
    assert [bool(each and each.phones) for each in said] == [True, True, True]
    slow = KAL.say_all(["Hello there."], tempo=0.7)[0]
    assert slow is not None
    assert said[0] is not None
    assert slow.seconds > 1.2 * said[0].seconds


@pytest.mark.skipif(shutil.which("festival") is not None and KAL.is_installed, reason="the voice is installed")
def test_a_missing_voice_names_its_package() -> None:
    with pytest.raises(RuntimeError, match="festvox-kallpc16k"):
        KAL.say("x")


def _is_held_out(voice: Voice) -> bool:
    if isinstance(voice, EspeakVoice):
        return voice.variant in HELD_OUT_VARIANTS or voice.language in HELD_OUT_LANGUAGES
    return voice.name in synthesizers.HELD_OUT_VOICES or voice.language in HELD_OUT_LANGUAGES


def test_splits_share_no_voice() -> None:
    rng = np.random.default_rng(0)
    train = [draw_voice(rng, "train") for _ in range(1500)]
    val = [draw_voice(rng, "val") for _ in range(400)]
    assert not {voice.name for voice in train} & {voice.name for voice in val}
    assert not any(_is_held_out(voice) for voice in train)
    assert all(_is_held_out(voice) for voice in val)
    assert {voice.use for voice in train} == {"free"}
    assert len({voice.name for voice in train}) > 250


@needs_flite
def test_speakers_cut_close_and_change_size() -> None:
    voice, rng = FliteVoice("slt"), np.random.default_rng(2)
    said = Speakers(0).utterance(voice, draw_delivery(voice, rng), rng)
    assert said is not None
    assert said.phones[0].start_s < 0.09
    assert said.seconds - said.phones[-1].end_s < 0.09


def test_utterances_sped_up_keep_their_phones() -> None:
    tone = np.sin(2 * np.pi * 200.0 * np.arange(16_000) / 16_000).astype(np.float32)
    said = Utterance(tone, [Phone("m", 0.2, 0.6)]).sped_up(1.25)
    assert said.seconds == pytest.approx(0.8, abs=0.001)
    assert (said.phones[0].start_s, said.phones[0].end_s) == pytest.approx((0.16, 0.48))
    crossings = np.count_nonzero(np.diff(np.signbit(said.audio[1000:-1000]))) / 2 / ((len(said.audio) - 2000) / 16_000)
    assert crossings == pytest.approx(250.0, rel=0.01)
