"""Many voices on one model: each is what it would be alone, whoever comes and goes beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driver.encode import AudioEncoder
from driver.errors import ModelError
from driver.knobs import Knobs
from driver.runtime import OnnxModel
from driver.types import HOP_NS, HOP_SAMPLES, AudioChunk, Motion
from driver.voices import VoiceBatch

KNOBS = {0: Knobs(), 1: Knobs(lookahead_ms=0, articulation=1.7), 2: Knobs(lookahead_ms=240, style="proud"), 3: Knobs()}


def sound(row: int, hops: int) -> np.ndarray:
    generator = np.random.default_rng(row)
    loudness = np.repeat(generator.uniform(0, 0.3, hops // 5 + 1), 5 * HOP_SAMPLES)[: hops * HOP_SAMPLES]
    return (generator.normal(0, 1, hops * HOP_SAMPLES) * loudness).astype(np.float32).reshape(hops, HOP_SAMPLES)


def alone(model: OnnxModel, row: int, hops: int) -> list[Motion]:
    encoder = AudioEncoder(model, KNOBS[row])
    return [
        motion
        for number, hop in enumerate(sound(row, hops))
        for motion in encoder.process(AudioChunk(hop, number * HOP_SAMPLES, (number + 1) * HOP_NS))
    ]


def vector(motion: Motion) -> np.ndarray:
    scores = [motion.speech, motion.laughter, motion.valence, motion.arousal]
    return np.concatenate([motion.expression, motion.jaw, motion.confidence, scores])


def test_each_row_is_its_own_stream_whoever_comes_and_goes(untrained_voice: Path) -> None:
    model = OnnxModel(untrained_voice, "cpu")
    batch, hops = VoiceBatch(model, 4), 60
    began = {0: 0, 1: 10, 3: 25, 2: 40}  # hop of the batch's clock at which each row starts
    heard: dict[int, list[Motion]] = {row: [] for row in began}
    for number in range(101):
        for row, at in began.items():
            if number == at:
                batch.start(row, KNOBS[row])
            if number == at + hops:
                batch.stop(row)
        # What stands in a row that does not run must not matter.
        samples = np.full((4, HOP_SAMPLES), 0.5, np.float32)
        for row in batch.running:
            samples[row] = sound(row, hops)[number - began[row]]
        for row, motion in enumerate(batch.step(samples, (number + 1) * HOP_NS)):
            assert (motion is not None) == (row in batch.running)
            if motion is not None:
                heard[row].append(motion)
    assert batch.running == []
    for row, motions in heard.items():
        expected = alone(model, row, hops)
        assert len(motions) == hops
        np.testing.assert_allclose(
            np.stack([vector(motion) for motion in motions]),
            np.stack([vector(motion) for motion in expected]),
            atol=1e-4,
        )
        assert np.std([vector(motion) for motion in motions], axis=0).max() > 0.01
        assert [motion.capture_ns - began[row] * HOP_NS for motion in motions] == [
            motion.capture_ns for motion in expected
        ]


def test_rows_that_hear_when_they_will_are_what_they_are_alone(untrained_voice: Path) -> None:
    model = OnnxModel(untrained_voice, "cpu")
    batch, hops = VoiceBatch(model, 4), 30
    heard: dict[int, list[Motion]] = {row: [] for row in range(4)}
    for row in heard:
        batch.start(row, KNOBS[row])
    generator = np.random.default_rng(5)
    while any(len(motions) < hops for motions in heard.values()):
        order = [int(row) for row in generator.permutation(4)]
        rows = [row for row in order if len(heard[row]) < hops and generator.random() < 0.6]
        samples = np.array([sound(row, hops)[len(heard[row])] for row in rows], np.float32)
        ends_ns = [(len(heard[row]) + 1) * HOP_NS for row in rows]
        for row, motion in zip(rows, batch.step_rows(rows, samples.reshape(-1, HOP_SAMPLES), ends_ns), strict=True):
            heard[row].append(motion)
    for row, motions in heard.items():
        expected = alone(model, row, hops)
        np.testing.assert_allclose([vector(one) for one in motions], [vector(one) for one in expected], atol=1e-4)
        assert [motion.capture_ns for motion in motions] == [motion.capture_ns for motion in expected]


def test_a_row_may_forget_what_it_has_heard_and_keep_its_knobs(tiny_voice: Path) -> None:
    batch = VoiceBatch(OnnxModel(tiny_voice, "cpu"), 2)
    loud = np.full((2, HOP_SAMPLES), 0.5, np.float32)
    batch.start(0, Knobs(articulation=2.0))
    batch.start(1)
    for _ in range(10):
        batch.step(loud)
    batch.restart(0)
    forgot, other = batch.step_rows([0, 1], loud, [0, 0])
    assert forgot.jaw[0] == 0  # the look-ahead is silent again
    assert other.jaw[0] == pytest.approx(0.5)
    for _ in range(4):
        forgot, _ = batch.step_rows([0, 1], loud, [0, 0])
    assert forgot.jaw[0] == pytest.approx(1.0)


def test_a_row_that_starts_again_has_heard_nothing(tiny_voice: Path) -> None:
    batch = VoiceBatch(OnnxModel(tiny_voice, "cpu"), 2)
    loud, silence = np.full((2, HOP_SAMPLES), 0.5, np.float32), np.zeros((2, HOP_SAMPLES), np.float32)
    batch.start(1, Knobs(lookahead_ms=80))
    for _ in range(20):
        batch.step(loud)
    batch.stop(1)
    batch.start(1)
    assert not any(vector(motion)[:53].any() for motion in batch.step(silence) if motion is not None)


def test_one_row_s_knobs_turn_and_no_other_s(tiny_voice: Path) -> None:
    batch = VoiceBatch(OnnxModel(tiny_voice, "cpu"), 3)
    for row in range(3):
        batch.start(row)
    loud = np.full((3, HOP_SAMPLES), 0.5, np.float32)
    for _ in range(10):
        batch.step(loud)
    batch.set_knobs(1, Knobs(articulation=0.0))
    openings = []
    for _ in range(7):
        openings.append([motion.jaw[0] for motion in batch.step(loud) if motion is not None])
    np.testing.assert_allclose(np.array(openings)[:, [0, 2]], 0.5, atol=1e-6)
    np.testing.assert_allclose(np.array(openings)[:, 1], [0.4, 0.3, 0.2, 0.1, 0, 0, 0], atol=1e-6)


def test_misuse_is_one_sentence_and_changes_nothing(tiny_voice: Path) -> None:
    model = OnnxModel(tiny_voice, "cpu")
    batch = VoiceBatch(model, 2)
    batch.start(0)
    with pytest.raises(ValueError, match="row 0 runs already"):
        batch.start(0)
    with pytest.raises(ValueError, match="row 1 does not run"):
        batch.stop(1)
    with pytest.raises(ValueError, match=r"row is 2; it must be 0\.\.1"):
        batch.start(2)
    with pytest.raises(ModelError, match="the style 'nobody'"):
        batch.start(1, Knobs(style="nobody"))
    with pytest.raises(ValueError, match=r"samples is \(1, 320\); it must be \(2, 320\)"):
        batch.step(np.zeros((1, HOP_SAMPLES), np.float32))
    with pytest.raises(ValueError, match="each may hear one hop a step"):
        batch.step_rows([0, 0], np.zeros((2, HOP_SAMPLES), np.float32), [0, 0])
    with pytest.raises(ValueError, match="each row needs 320 samples"):
        batch.step_rows([0], np.zeros((2, HOP_SAMPLES), np.float32), [0])
    with pytest.raises(ValueError, match="capacity is 0"):
        VoiceBatch(model, 0)
    assert batch.running == [0]
