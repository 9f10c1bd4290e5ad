"""Augmentation: the voice stays where it is in time, nothing breaks, milliseconds an excerpt; silence is silent."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from training.data.augment import Augmenter, silence_like, steady_noise, typing
from training.data.clips import Clip, ClipInfo, ClipWriter


def bursts(seconds: float = 4.0) -> np.ndarray:
    """Syllables: 0.2 s of a voiced tone every 0.5 s."""
    time_s = np.arange(round(16_000 * seconds)) / 16_000
    voice = sum(np.sin(2 * np.pi * 150.0 * k * time_s) / k for k in range(1, 20))
    return (0.1 * voice * (time_s % 0.5 < 0.2)).astype(np.float32)


def envelope(audio: np.ndarray) -> np.ndarray:
    power = np.square(audio.astype(np.float64)).reshape(-1, 160).mean(axis=1)
    return np.log(power + 1e-4 * power.max())


@pytest.fixture(scope="module")
def augmenter(tmp_path_factory: pytest.TempPathFactory) -> Augmenter:
    folder: Path = tmp_path_factory.mktemp("stores")
    rng = np.random.default_rng(0)
    for store, kind in (("synthetic", "speech"), ("negatives", "noise")):
        with ClipWriter(folder / store) as writer:
            audio = (0.1 * rng.standard_normal(32_000)).astype(np.float32)
            writer.add(Clip(ClipInfo("x", "v", "test", kind, "free", "train"), audio))
            writer.add(Clip(ClipInfo("y", "v", "test", kind, "research", "train"), audio))
    return Augmenter(folder)


def test_the_same_draw_is_the_same_sound(augmenter: Augmenter) -> None:
    first, second = (augmenter(bursts(), np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, augmenter(bursts(), np.random.default_rng(6)))


def test_it_stays_sound_and_stays_in_time(augmenter: Augmenter) -> None:
    clean, lags = bursts(), []
    before = clean.copy()
    for seed in range(60):
        audio = augmenter(clean, np.random.default_rng(seed))
        assert audio.shape == clean.shape
        assert audio.dtype == np.float32
        assert np.isfinite(audio).all()
        assert np.abs(audio).max() <= 1.0
        a, b = envelope(clean), envelope(audio)
        a, b = a - a.mean(), b - b.mean()
        lags.append(int(np.argmax([np.dot(a[8:-8], np.roll(b, -lag)[8:-8]) for lag in range(-8, 9)])) - 8)
    assert np.median(lags) == 0
    assert np.mean(np.abs(lags) <= 2) > 0.9  # 20 ms; a strong room smears a little more
    np.testing.assert_array_equal(clean, before)


def test_levels_vary_widely(augmenter: Augmenter) -> None:
    loud = [np.abs(augmenter(bursts(), np.random.default_rng(seed))).max() for seed in range(60)]
    assert max(loud) > 5 * min(loud)


def test_silence_and_zeros_survive(augmenter: Augmenter) -> None:
    for seed in range(20):
        assert np.isfinite(augmenter(np.zeros(16_000, np.float32), np.random.default_rng(seed))).all()


def test_muted_shots_are_quiet_and_some_are_digital_zero() -> None:
    shots = [silence_like(np.random.default_rng(seed), 32_000) for seed in range(100)]
    assert all(shot.dtype == np.float32 and shot.shape == (32_000,) for shot in shots)
    rms_db = np.array([20 * np.log10(np.sqrt(np.mean(np.square(shot))) + 1e-9) for shot in shots])
    assert 5 <= np.sum(rms_db < -150) <= 30
    assert rms_db.max() < -20.0


def test_noise_has_unit_level_and_typing_clicks() -> None:
    noise = steady_noise(np.random.default_rng(3), 64_000)
    assert 0.7 < noise.std() < 2.5
    clicks = typing(np.random.default_rng(3), 64_000, level_db=-30.0)
    assert np.mean(np.abs(clicks) < 1e-4) > 0.7
    assert 0.005 < np.abs(clicks).max() < 0.5


def test_it_is_cheap(augmenter: Augmenter) -> None:
    audio, rng = bursts(5.0), np.random.default_rng(0)
    augmenter(audio, rng)
    began = time.process_time()
    for _ in range(40):
        augmenter(audio, rng)
    assert (time.process_time() - began) / 40 < 0.03
