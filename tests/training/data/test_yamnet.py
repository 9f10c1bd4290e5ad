"""The teacher, on sounds whose class nobody doubts."""

import os
from pathlib import Path

import numpy as np
import pytest

from training.data.laugh_synthesis import LaughVoice, synthesise_laugh
from training.data.yamnet import LAUGHTER, STEP_S, Yamnet, laughter_evidence

DATA = Path(os.environ.get("AVATAR_DRIVER_DATA", Path(__file__).parents[4] / "shared" / "data"))
MODEL = DATA / "models" / "yamnet" / "yamnet.tflite"
needs_model = pytest.mark.skipif(not MODEL.is_file(), reason="YAMNet is not in the shared data")

SILENCE, MUSIC, SINE_WAVE = 494, 132, 490


@pytest.fixture(scope="module")
def teacher() -> Yamnet:
    return Yamnet(MODEL)


@needs_model
def test_silence_is_silence(teacher: Yamnet) -> None:
    times_s, scores = teacher.scores(np.zeros(32_000, np.float32))
    assert np.all(np.argmax(scores, axis=1) == SILENCE)
    np.testing.assert_allclose(np.diff(times_s), STEP_S, atol=1e-6)


@needs_model
def test_a_laugh_is_heard_where_it_is(teacher: Yamnet) -> None:
    voice = LaughVoice(260.0, 1.0, "a", "voiced", 4.8, (8, 7), 0.35, 0.5)
    made = synthesise_laugh(voice, np.random.default_rng(3)).audio
    audio = np.concatenate([np.zeros(48_000, np.float32), made])
    laughs = teacher.rows(audio[: len(audio) // 320 * 320])[:, LAUGHTER].max(axis=1)
    assert laughs[200:].max() > 0.2
    assert laughs[:120].max() < 0.02


@needs_model
def test_rows_lie_between_windows(teacher: Yamnet) -> None:
    noise = np.random.default_rng(0).normal(size=320 * 90).astype(np.float32) * 0.1
    times_s, scores = teacher.scores(noise)
    rows = teacher.rows(noise)
    assert rows.shape == (90, 521)
    index = 5  # 0.6 s is a window's middle, and the end of hop 29
    np.testing.assert_allclose(rows[29], scores[index], atol=1e-5)
    assert times_s[index] == pytest.approx(0.6)


def test_evidence_weighs_laughter_against_what_else_is_heard() -> None:
    scores = np.zeros((3, 521), np.float32)
    scores[:, 13] = 0.15
    scores[:, 0] = (0.05, 0.9, 0.05)
    scores[2, 42] = 0.9  # a cough
    alone, beside_speech, beside_cough = laughter_evidence(scores)
    assert alone > beside_speech + 1.0
    assert beside_cough == pytest.approx(beside_speech, abs=1e-5)


def test_a_missing_model_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Yamnet(Path("nowhere.tflite"))
