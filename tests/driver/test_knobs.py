"""Knobs: their ranges, how they reach the model's state, and how they turn while a voice is heard."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driver.encode import AudioEncoder
from driver.errors import ModelError, UsageError
from driver.knobs import Dials, Knobs
from driver.runtime import OnnxModel
from driver.types import HOP_NS, HOP_SAMPLES, AudioChunk, Motion
from driver.weights import find_weights


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"lookahead_ms": 50}, "lookahead_ms is 50; it must be a multiple of 20 within 0..240"),
        ({"lookahead_ms": 260}, "lookahead_ms is 260"),
        ({"lookahead_ms": -20}, "lookahead_ms is -20"),
        ({"articulation": 2.1}, "articulation is 2.1; it must be 0..2"),
        ({"articulation": float("nan")}, "articulation is nan"),
        ({"laughter": -0.1}, "laughter is -0.1; it must be 0..2"),
        ({"smoothing_ms": 2000.0}, "smoothing_ms is 2000; it must be 0..1000"),
    ],
)
def test_values_out_of_range_are_one_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Knobs(**values)


def test_defaults_are_zeros_to_the_model_and_other_values_their_difference(tiny_voice: Path) -> None:
    model = OnnxModel(tiny_voice, "cpu")
    assert set(model.knob_shapes) == {
        f"knob_{name}" for name in ("lookahead", "articulation", "laughter", "smoothing", "style")
    }
    assert not any(value.any() for value in Dials(model, Knobs()).next_hop().values())
    turned = Dials(model, Knobs(160, 1.5, 0.0, 60.0, "proud")).next_hop()
    assert {name: value.tolist() for name, value in turned.items() if value.ndim == 0} == {
        "knob_lookahead": 4.0,
        "knob_articulation": 0.5,
        "knob_laughter": -1.0,
        "knob_smoothing": pytest.approx(0.06),
    }
    assert turned["knob_style"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_style_is_a_name_or_numbers(tiny_voice: Path) -> None:
    model = OnnxModel(tiny_voice, "cpu")
    numbers = (0.5,) * 8
    for style in ("calm", numbers, "0.5,0.5, 0.5,0.5,0.5,0.5,0.5,0.5"):
        assert tuple(Dials(model, Knobs(style=style)).next_hop()["knob_style"]) == numbers
    for style, sentence in (
        ("clam", "the style 'clam' is not one of the model's; did you mean calm?"),
        ("zzz", "there are: calm, proud"),
        ((1.0, 2.0), "has 2 numbers; it must be 8"),
        ("1,2,3,4,5,6,7,nan", "must be 8 within -100..100"),
        ((3e38,) * 8, "must be 8 within -100..100"),
    ):
        with pytest.raises(ModelError, match=sentence.replace("?", r"\?")):
            Dials(model, Knobs(style=style))


def test_a_model_without_knobs_refuses_what_is_turned_and_nothing_else() -> None:
    model = OnnxModel(find_weights("envelope.onnx"), "cpu")
    assert Dials(model, Knobs()).next_hop() == {}
    assert Dials(model, Knobs(lookahead_ms=0)).lookahead_ns == 0
    for knobs, name in (
        (Knobs(lookahead_ms=40), "lookahead_ms is 40"),
        (Knobs(articulation=1.2), "articulation is 1.2"),
        (Knobs(smoothing_ms=10), "smoothing_ms is 10"),
        (Knobs(style="calm"), "style is 'calm'"),
    ):
        with pytest.raises(ModelError, match=rf"{name}, but envelope\.onnx has no such knob"):
            AudioEncoder(model, knobs)
    encoder = AudioEncoder(model)
    with pytest.raises(ModelError):
        encoder.set_knobs(Knobs(laughter=0.5))
    assert encoder.knobs == Knobs()


def ramp(first: int, count: int) -> list[AudioChunk]:
    """Hops whose level tells their number: 0.001 for hop 0."""
    return [
        AudioChunk(np.full(HOP_SAMPLES, (number + 1) / 1000, np.float32), number * HOP_SAMPLES, (number + 1) * HOP_NS)
        for number in range(first, first + count)
    ]


def heard(encoder: AudioEncoder, chunks: list[AudioChunk]) -> list[Motion]:
    return [motion for chunk in chunks for motion in encoder.process(chunk)]


@pytest.mark.parametrize("lookahead_ms", [0, 40, 80, 160, 240])
def test_the_time_of_a_motion_is_that_of_the_sound_it_tells_of(tiny_voice: Path, lookahead_ms: int) -> None:
    motions = heard(AudioEncoder(OnnxModel(tiny_voice, "cpu"), Knobs(lookahead_ms)), ramp(0, 40))
    for motion in motions[20:]:
        assert motion.speech * 1000 * HOP_NS == pytest.approx(motion.capture_ns, rel=1e-4)
        assert motion.known_ns == motion.capture_ns + lookahead_ms * 1_000_000


def test_look_ahead_turned_live_keeps_time_going_forward_and_tells_nothing_twice(tiny_voice: Path) -> None:
    encoder = AudioEncoder(OnnxModel(tiny_voice, "cpu"))
    motions = heard(encoder, ramp(0, 30))
    encoder.set_knobs(Knobs(lookahead_ms=240))
    assert heard(encoder, ramp(30, 8)) == []  # 160 ms more: so long nothing new is known
    motions += heard(encoder, ramp(38, 12))
    assert motions[-1].lookahead_ns == 240_000_000
    encoder.set_knobs(Knobs(lookahead_ms=0))
    motions += heard(encoder, ramp(50, 10))
    times = np.array([motion.capture_ns for motion in motions]) // HOP_NS
    assert np.diff(times).min() > 0
    assert np.diff(times).max() == 13  # what was skipped to be early again
    assert times[-1] == 60
    for motion in motions[5:]:
        assert motion.speech * 1000 * HOP_NS == pytest.approx(motion.capture_ns, rel=1e-4)


def test_a_strength_glides_over_100_ms(tiny_voice: Path) -> None:
    encoder = AudioEncoder(OnnxModel(tiny_voice, "cpu"))
    heard(encoder, ramp(94, 6))
    encoder.set_knobs(Knobs(articulation=2.0, style="calm"))
    motions = heard(encoder, ramp(100, 7))
    strengths = [motion.jaw[0] / motion.jaw[1] for motion in motions]
    assert strengths == pytest.approx([1.2, 1.4, 1.6, 1.8, 2.0, 2.0, 2.0])
    styles = np.array([motion.expression[0] for motion in motions])
    assert styles.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5])

    encoder.set_knobs(Knobs(articulation=0.0, style="calm"))
    motions = heard(encoder, ramp(107, 7))
    assert [motion.jaw[0] / motion.jaw[1] for motion in motions] == pytest.approx(
        [1.6, 1.2, 0.8, 0.4, 0, 0, 0], abs=1e-5
    )


def test_knobs_survive_a_gap(tiny_voice: Path) -> None:
    encoder = AudioEncoder(OnnxModel(tiny_voice, "cpu"), Knobs(lookahead_ms=0, articulation=2.0))
    heard(encoder, ramp(0, 5))
    (motion,) = heard(encoder, ramp(100, 1))
    assert (encoder.gaps, motion.lookahead_ns) == (1, 0)
    assert motion.jaw[0] == pytest.approx(2 * motion.jaw[1])


def test_knobs_may_be_turned_from_other_threads(tiny_voice: Path) -> None:
    encoder = AudioEncoder(OnnxModel(tiny_voice, "cpu"))
    ended = threading.Event()

    def turn(number: int) -> None:
        strengths = np.random.default_rng(number).uniform(0, 2, 1000)
        while not ended.is_set():
            for strength in strengths:
                # Both alike, so that a mixture of two turns would show.
                encoder.set_knobs(replace(encoder.knobs, articulation=strength, laughter=strength))

    threads = [threading.Thread(target=turn, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    motions = heard(encoder, ramp(0, 500))[20:]
    ended.set()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(
        [motion.jaw[0] for motion in motions], [motion.laughter for motion in motions], atol=1e-5
    )
    assert np.ptp([motion.jaw[0] / motion.jaw[1] for motion in motions]) > 0.1
