"""Alignment: the lattice finds what was put into it, and boundaries lie where voices with known phones have them."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
import pytest

from training.data.alignment import FRAME_S, Spike, forced, free, phone_network, separately
from training.data.alphabets import Sounds, of_ipa
from training.data.boundaries import spans
from training.data.phones import Phone
from training.data.utterance import Utterance, joined
from training.data.voice_espeak import pronounced
from training.data.voice_flite import FliteVoice

CLASSES: list[Sounds] = [(), of_ipa("m"), of_ipa("a"), of_ipa("p"), of_ipa("b")]
TEXTS = (
    "Peter put a big bottle of beer upon my table.",
    "Maybe the baby will move before the music is over.",
    "Five brave women found a happy puppy by the river.",
    "Bob, Pam and Mabel came home with a map of Rome.",
)


def lattice(spikes: dict[int, int], frames: int = 40, sure: float = 0.9) -> np.ndarray:
    """Log probabilities [frames, classes]: blank but for `spikes`, frame -> class."""
    probs = np.full((frames, len(CLASSES)), (1.0 - sure) / (len(CLASSES) - 1))
    probs[:, 0] = sure
    for frame, number in spikes.items():
        probs[frame] = (1.0 - sure) / (len(CLASSES) - 1)
        probs[frame, number] = sure
    return np.log(probs)


def names(spikes: list[Spike]) -> str:
    return "".join(symbol for spike in spikes for symbol, _ in spike.sounds)


def test_free_reads_the_spikes() -> None:
    spikes = free(lattice({5: 1, 6: 1, 10: 2, 14: 1, 20: 2}), CLASSES)
    assert names(spikes) == "mama"
    assert [spike.time_s for spike in spikes] == pytest.approx([5.5 * FRAME_S, 0.20, 0.28, 0.40])
    assert spikes[1].score == pytest.approx(np.log(0.9))


def test_free_of_silence_is_nothing() -> None:
    assert free(lattice({}), CLASSES) == []


def test_forced_finds_the_transcript_and_survives_mishearing() -> None:
    log_probs = lattice({5: 1, 10: 2, 16: 4, 20: 2})  # a b heard for a p
    spikes = forced(log_probs, CLASSES, [of_ipa(name) for name in "mapa"], [0, 2, 0, 0])
    assert names(spikes) == "mapa"
    assert [round(spike.time_s / FRAME_S) for spike in spikes] == [5, 10, 16, 20]
    assert spikes[2].score < spikes[3].score
    assert [spike.stress for spike in spikes] == [0, 2, 0, 0]


def test_forced_keeps_twins_apart() -> None:
    spikes = forced(lattice({5: 1, 12: 1}), CLASSES, [of_ipa("m"), of_ipa("m")])
    assert [round(spike.time_s / FRAME_S) for spike in spikes] == [5, 12]
    close = forced(lattice({5: 1, 6: 1}), CLASSES, [of_ipa("m"), of_ipa("m")])
    assert close[1].time_s - close[0].time_s >= 2 * FRAME_S  # a blank between them, whatever was heard


def test_forced_refuses_a_transcript_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        forced(lattice({}, frames=3), CLASSES, [of_ipa("m")] * 4)
    assert forced(lattice({}), CLASSES, []) == []


def test_sounds_without_a_token_are_taken_apart() -> None:
    sounds, stresses = separately([(of_ipa("ap"), 2), (of_ipa("m"), 0)], CLASSES)
    assert sounds == [of_ipa("a"), of_ipa("p"), of_ipa("m")]
    assert stresses == [2, 2, 0]


def test_spans_tile_and_leave_rests() -> None:
    rng = np.random.default_rng(1)
    audio = (0.0005 * rng.standard_normal(32_000)).astype(np.float32)
    for begin, end in ((8000, 12_800), (22_400, 25_600)):
        audio[begin:end] += (0.2 * rng.standard_normal(end - begin)).astype(np.float32)
    spikes = [Spike(of_ipa(name), time_s, 0.0) for name, time_s in (("a", 0.56), ("m", 0.70), ("a", 1.46))]
    first, second, third = spans(spikes, audio)
    assert first.start_s == pytest.approx(0.50, abs=0.04)
    assert first.end_s == second.start_s
    assert second.end_s == pytest.approx(0.80, abs=0.03)
    assert third.start_s == pytest.approx(1.40, abs=0.04)
    assert third.end_s == pytest.approx(1.60, abs=0.03)
    assert spans([], audio) == []


def test_spans_reach_the_edges_of_the_sound() -> None:
    audio = (0.1 * np.random.default_rng(2).standard_normal(4800)).astype(np.float32)
    spikes = [Spike(of_ipa(name), time_s, 0.0) for name, time_s in (("p", 0.0), ("a", 0.02), ("p", 0.29), ("t", 0.30))]
    phones = spans(spikes, audio)
    assert [phone.symbol for phone in phones] == list("papt")
    assert phones[0].start_s >= 0.0


@cache
def _aligned(how: str) -> list[tuple[Utterance, list[Phone]]]:
    """Sentences of flite's awb, which nothing here was fitted to: the truth, and what is found."""
    pytest.importorskip("hama")
    for library in ("libflite.so.1", "libespeak-ng.so.1"):
        try:
            ctypes.CDLL(library)
        except OSError:
            pytest.skip(f"{library} is not installed")
    network, pairs = phone_network(), []
    for text in TEXTS:
        said = joined([FliteVoice("awb").say(text)], [0.3, 0.3])
        log_probs = network(said.audio)
        if how == "forced":
            words = [each for word in pronounced(text) for each in word]
            spikes = forced(log_probs, network.classes, *separately(words, network.classes))
        else:
            spikes = free(log_probs, network.classes)
        pairs.append((said, spans(spikes, said.audio)))
    return pairs


@pytest.mark.parametrize(("how", "recall"), [("forced", 0.9), ("free", 0.6)])
def test_closures_are_found_where_they_are(how: str, recall: float) -> None:
    overlaps = []
    for said, found in _aligned(how):
        for true in said.phones:
            if true.symbol in "pbm":
                spans_s = [(p.start_s, p.end_s) for p in found if p.symbol in "pbm"]
                shared = max(min(true.end_s, end) - max(true.start_s, start) for start, end in spans_s)
                overlaps.append(shared / (true.end_s - true.start_s))
    assert len(overlaps) > 20
    assert np.mean(np.array(overlaps) > 0.4) > recall
    assert np.median(overlaps) > 0.6


@pytest.mark.parametrize("how", ["forced", "free"])
def test_boundaries_are_unbiased(how: str) -> None:
    """Starts of phones that both sides have, within 100 ms: median error under 20 ms, bias under 8 ms."""
    errors = []
    for said, found in _aligned(how):
        for true in said.phones:
            same = [p.start_s - true.start_s for p in found if p.symbol == true.symbol]
            if same and abs(nearest := min(same, key=abs)) < 0.1:
                errors.append(nearest)
    assert len(errors) > 80
    assert np.median(np.abs(errors)) < 0.020
    assert abs(np.median(errors)) < 0.008
