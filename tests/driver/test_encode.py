"""The audio encoder: chunks in, motions out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.voice import chunks, sample_voice

from driver.encode import AudioEncoder
from driver.errors import ModelError
from driver.knobs import Knobs
from driver.runtime import ModelMetadata, OnnxModel
from driver.types import HOP_NS, HOP_SAMPLES, AudioChunk, Motion
from driver.weights import find_weights
from protocol.frame import checked


def encoder() -> AudioEncoder:
    return AudioEncoder(OnnxModel(find_weights("envelope.onnx"), "cpu"))


def encoded(stage: AudioEncoder, items: Iterable[AudioChunk]) -> list[Motion]:
    return [motion for item in items for motion in stage.process(item)]


def openings(motions: list[Motion]) -> np.ndarray:
    return np.array([motion.jaw[0] for motion in motions])


def test_a_voice_becomes_motion_inside_the_motion_space() -> None:
    motions = encoded(encoder(), chunks(sample_voice()))
    assert len(motions) >= 500
    assert openings(motions).max() > 0.12
    for motion in motions[::10]:
        checked("expression", motion.expression)
        checked("jaw", motion.jaw)
        checked("confidence", motion.confidence)
        for name in ("speech", "laughter", "valence", "arousal"):
            checked(name, [getattr(motion, name)])


def test_the_envelope_knows_the_mouth_only() -> None:
    motions = encoded(encoder(), chunks(sample_voice()[: 320 * 100]))
    confidence = np.array([motion.confidence for motion in motions])
    assert (confidence[:, 0] > 0.1).all()
    assert not confidence[:, 1:].any()
    assert confidence[:, 0].max() > confidence[:, 0].min() + 0.2


def test_a_gap_starts_the_model_anew() -> None:
    voice = sample_voice()[: 320 * 200]
    stage = encoder()
    encoded(stage, chunks(voice))
    after_gap = encoded(stage, chunks(voice, first_sample=len(voice) + HOP_SAMPLES))
    fresh = encoded(encoder(), chunks(voice))
    np.testing.assert_array_equal(openings(after_gap), openings(fresh))
    assert stage.gaps == 1


def test_without_a_gap_it_goes_on() -> None:
    voice = sample_voice()[: 320 * 200]
    stage = encoder()
    encoded(stage, chunks(voice))
    going_on = encoded(stage, chunks(voice, first_sample=len(voice)))
    assert not np.allclose(openings(going_on), openings(encoded(encoder(), chunks(voice))))
    assert stage.gaps == 0


def test_a_stream_that_is_joined_late_is_no_gap() -> None:
    stage = encoder()
    stage.process(AudioChunk(np.zeros(HOP_SAMPLES, np.float32), 32_000, HOP_NS))
    assert stage.gaps == 0


CHUNK_MS = (10, 20, 50, 100, 200)


def cut(samples: np.ndarray, chunk_ms: int, first_sample: int = 0) -> list[AudioChunk]:
    size = chunk_ms * 16
    return [
        AudioChunk(samples[at : at + size], first_sample + at, 7 + (first_sample + at + size) * 62_500)
        for at in range(0, len(samples) // size * size, size)
    ]


def test_chunks_of_any_length_give_the_same_motion_at_the_same_times(untrained_voice: Path) -> None:
    model = OnnxModel(untrained_voice, "cpu")
    voice = sample_voice()[: 16_000 * 2]
    expected = encoded(AudioEncoder(model), cut(voice, 20))
    assert [motion.capture_ns for motion in expected] == [7 + (n + 1) * HOP_NS - 80_000_000 for n in range(100)]
    assert np.std([motion.expression for motion in expected], axis=0).max() > 0.1
    for chunk_ms in CHUNK_MS:
        motions = encoded(AudioEncoder(model), cut(voice, chunk_ms))
        assert [motion.capture_ns for motion in motions] == [motion.capture_ns for motion in expected]
        for name in ("expression", "jaw", "confidence", "speech", "laughter"):
            np.testing.assert_allclose(
                np.array([getattr(motion, name) for motion in motions]),
                np.array([getattr(motion, name) for motion in expected]),
                atol=1e-4,
            )


def test_a_gap_within_a_hop_gives_up_what_was_not_yet_a_hop(tiny_voice: Path) -> None:
    stage = AudioEncoder(OnnxModel(tiny_voice, "cpu"), Knobs(lookahead_ms=0))
    half = np.full(160, 0.5, np.float32)
    assert stage.process(AudioChunk(half, 0, 10_000_000)) == []
    assert stage.process(AudioChunk(half, 320, 30_000_000)) == []
    (motion,) = stage.process(AudioChunk(half / 5, 480, 40_000_000))
    assert (stage.gaps, motion.capture_ns) == (1, 40_000_000)
    assert motion.speech == pytest.approx(np.sqrt((0.5**2 + 0.1**2) / 2))


def test_a_voice_with_knobs_knows_the_upper_face_as_well_as_the_mouth(tiny_voice: Path) -> None:
    (motion,) = AudioEncoder(OnnxModel(tiny_voice, "cpu")).process(next(chunks(sample_voice())))
    assert motion.confidence.tolist() == pytest.approx([0.2, 0.2, 0, 0])


def test_a_minute_leaves_nothing_behind_that_grows(untrained_voice: Path) -> None:
    stage = AudioEncoder(OnnxModel(untrained_voice, "cpu"))
    silence = np.zeros(10 * 16_000, np.float32)
    shapes: list[dict[str, tuple[int, ...]]] = []
    resident: list[int] = []
    for part in range(6):
        samples = np.tile(sample_voice(), 2)[: 10 * 16_000] if part % 2 else silence
        for motion in encoded(stage, cut(samples, 20, part * 10 * 16_000)):
            assert np.isfinite(motion.expression).all()
            assert np.abs(motion.expression).max() < 100
        shapes.append({name: array.shape for name, array in stage._state.items()})
        resident.append(int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc").is_dir() else 0)
    assert all(shape == shapes[0] for shape in shapes)
    assert (resident[-1] - resident[1]) * 4096 < 8e6


class FakeModel:
    """A model that hears the first sample of each hop, 80 ms late."""

    path = Path("fake.onnx")
    knob_shapes: Mapping[str, tuple[int, ...]] = {}
    styles: Mapping[str, tuple[float, ...]] = {}
    lookahead_ns = 80_000_000
    result_names: Sequence[str] = ["expression", "jaw", "speech", "laughter", "valence", "arousal", "confidence"]

    def __init__(self, **changes: Any) -> None:
        said = {
            "name": "fake",
            "version": "1",
            "head": "open-head/1",
            "hop_size": 320,
            "hop_s": 0.02,
            "lookahead_s": 0.08,
        }
        self.metadata = ModelMetadata(**(said | changes))

    def initial_state(self, batch: int = 1) -> dict[str, np.ndarray]:
        return {}

    def warm_up(self, steps: int = 3) -> None:
        pass

    def step(self, signal: np.ndarray, state: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        level = signal[:, :1]
        jaw = np.zeros((1, 1, 3), np.float32)
        jaw[..., 0] = level
        results = dict.fromkeys(self.result_names, level)
        return results | {"expression": np.zeros((1, 1, 50), np.float32), "jaw": jaw}, state


def test_the_look_ahead_is_taken_off_the_time() -> None:
    stage = AudioEncoder(FakeModel())  # type: ignore[arg-type]
    (motion,) = stage.process(AudioChunk(np.full(HOP_SAMPLES, 0.25, np.float32), 0, 1_000_000_000))
    assert (motion.capture_ns, motion.known_ns) == (1_000_000_000 - 80_000_000, 1_000_000_000)
    assert (motion.speech, motion.laughter, float(motion.jaw[0])) == (0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"head": "flame-2023-open"}, "moves the head 'flame-2023-open', but the head in use is 'open-head/1'"),
        ({"hop_size": 160}, "takes hops of 160 samples; an audio model must take 320"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        AudioEncoder(FakeModel(**changes))  # type: ignore[arg-type]


def test_a_model_that_gives_no_motion_is_refused() -> None:
    model = FakeModel()
    model.result_names = ["jaw"]
    with pytest.raises(ModelError, match="gives no expression, speech"):
        AudioEncoder(model)  # type: ignore[arg-type]
