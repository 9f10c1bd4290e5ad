"""Synthesised laughs and decoys: what they promise about themselves."""

import numpy as np
import pytest

from training.data.bursts import burst_peaks, loudness_db
from training.data.clips import HOP_S
from training.data.decoys import DECOYS
from training.data.laugh_clips import laugh_from_bursts
from training.data.laugh_synthesis import LaughVoice, draw_laugh_voice, glottal_source, synthesise_laugh


def voice(**changes: object) -> LaughVoice:
    settings: dict[str, object] = {"f0_hz": 260.0, "tract": 1.0, "vowel": "a", "voicing": "voiced", "rate_hz": 4.5}
    settings |= {"bursts": (8,), "breath": 0.3, "effort": 0.7}
    return LaughVoice(**(settings | changes))  # type: ignore[arg-type]


def test_bursts_are_where_it_says() -> None:
    made = synthesise_laugh(voice(), np.random.default_rng(2))
    audio, laughter = laugh_from_bursts(made.audio, made.bursts)
    level_db = loudness_db(audio)
    times_s = (np.arange(len(level_db)) + 1) * HOP_S
    inside = np.any([(times_s > start) & (times_s < end) for start, end in made.bursts], axis=0)
    assert np.median(level_db[inside]) > np.median(level_db[(laughter > 0.5) & ~inside]) + 6.0
    assert np.median(level_db[laughter > 0.5]) > np.median(level_db[laughter < 0.5]) + 15.0


def test_the_pace_is_the_voices() -> None:
    for rate_hz in (4.0, 6.0):
        made = synthesise_laugh(voice(rate_hz=rate_hz), np.random.default_rng(4))
        peaks = burst_peaks(loudness_db(laugh_from_bursts(made.audio, made.bursts)[0]))
        found_hz = 1.0 / (HOP_S * float(np.median(np.diff(peaks))))
        assert found_hz == pytest.approx(rate_hz / 1.1, rel=0.15), "it slows down by a fifth to the end"


def test_loudness_falls_over_the_bout() -> None:
    made = synthesise_laugh(voice(bursts=(9,)), np.random.default_rng(8))
    level_db = loudness_db(laugh_from_bursts(made.audio, made.bursts)[0])
    loudest = [level_db[int(start / HOP_S) : int(end / HOP_S)].max() for start, end in made.bursts]
    assert np.mean(loudest[:3]) > np.mean(loudest[-3:]) + 2.0


def test_the_source_has_its_pitch() -> None:
    source = glottal_source(np.full(16_000, 250.0), np.random.default_rng(0), tilt_db=-12.0)
    spectrum = np.abs(np.fft.rfft(source * np.hanning(16_000)))
    assert abs(int(np.argmax(spectrum)) - 250) <= 6  # Hz
    assert np.sqrt(np.mean(source**2)) == pytest.approx(1.0, rel=1e-6)


def test_the_same_seed_gives_the_same_laugh() -> None:
    first, second, third = (
        synthesise_laugh(draw_laugh_voice(rng), rng) for rng in map(np.random.default_rng, (1, 1, 2))
    )
    np.testing.assert_array_equal(first.audio, second.audio)
    assert first.bursts != third.bursts


def test_a_voice_has_to_exist() -> None:
    with pytest.raises(ValueError, match="whistled"):
        voice(voicing="whistled")


@pytest.mark.parametrize("kind", list(DECOYS))
def test_decoys_are_sounds_of_the_right_length(kind: str) -> None:
    first, second = (DECOYS[kind](np.random.default_rng(seed), 4.0) for seed in (1, 2))
    assert first.shape == (64_000,)
    assert np.abs(first).max() <= 1.0
    assert loudness_db(first).max() > -50.0
    assert not np.allclose(first, second)
