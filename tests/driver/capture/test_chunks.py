from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from driver.capture.chunks import Chunker
from driver.capture.resample import Resampler
from driver.types import AUDIO_RATE_HZ, HOP_NS, HOP_SAMPLES

RATES_HZ = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000, 192_000]


def noise(samples: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((samples, channels)) * 0.1).astype(np.float32)


def tone(frequency_hz: float, rate_hz: int, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(rate_hz * seconds)) / rate_hz)).astype(np.float32)


def end_ns(samples: int, rate_hz: int) -> int:
    return round(samples * 1e9 / rate_hz)


def in_one_piece(sound: np.ndarray, rate_hz: int):
    chunker = Chunker(rate_hz, sound.shape[1])
    at_ns = end_ns(len(sound), rate_hz)
    return chunker.push(sound, at_ns) + chunker.finish(at_ns)


def samples_of(chunks) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in chunks])


@given(
    rate_hz=st.sampled_from(RATES_HZ),
    channels=st.integers(1, 3),
    cuts=st.lists(st.integers(1, 3_000), max_size=30),
    seed=st.integers(0, 100),
)
@settings(max_examples=60, deadline=None)
def test_any_blocks_give_the_same_hops(rate_hz, channels, cuts, seed):
    sound = noise(rate_hz // 5, channels, seed)
    chunker, streamed, position = Chunker(rate_hz, channels), [], 0
    for size in [*cuts, len(sound)]:
        block = sound[position : position + size]
        position += len(block)
        streamed += chunker.push(block, end_ns(position, rate_hz))
    streamed += chunker.finish(end_ns(position, rate_hz))
    whole = in_one_piece(sound, rate_hz)

    assert len(streamed) == len(whole)
    np.testing.assert_allclose(samples_of(streamed), samples_of(whole), atol=1e-6)
    assert [chunk.first_sample for chunk in streamed] == [chunk.first_sample for chunk in whole]
    assert max(abs(a.capture_ns - b.capture_ns) for a, b in zip(streamed, whole, strict=True)) <= 2


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_hops_follow_each_other_and_tell_their_time(rate_hz):
    chunks = in_one_piece(noise(rate_hz), rate_hz)
    assert len(chunks) == AUDIO_RATE_HZ // HOP_SAMPLES
    assert [chunk.first_sample for chunk in chunks] == list(range(0, AUDIO_RATE_HZ, HOP_SAMPLES))
    for number, chunk in enumerate(chunks):
        assert chunk.samples.shape == (HOP_SAMPLES,)
        assert chunk.samples.dtype == np.float32
        assert abs(chunk.capture_ns - (number + 1) * HOP_NS) <= 2


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("frequency_hz", [100, 1_000, 3_000])
def test_a_tone_comes_out_as_it_went_in_and_not_a_sample_later(rate_hz, frequency_hz):
    out = samples_of(in_one_piece(tone(frequency_hz, rate_hz)[:, None], rate_hz))
    expected = tone(frequency_hz, AUDIO_RATE_HZ)
    middle = slice(400, -400)  # the filter sees silence beyond both ends
    np.testing.assert_allclose(out[middle], expected[middle], atol=1e-3)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
def test_what_16_khz_cannot_hold_is_taken_out(rate_hz):
    for frequency_hz in (9_500, 12_000, 15_900, 20_000):
        assert np.abs(samples_of(in_one_piece(tone(frequency_hz, rate_hz)[:, None], rate_hz)))[400:-400].max() < 1e-4


def test_it_agrees_with_soxr_where_speech_is():
    sound = noise(48_000)
    spectrum = np.fft.rfft(sound[:, 0])
    spectrum[6_500:] = 0
    band = np.fft.irfft(spectrum).astype(np.float32)
    ours, theirs = samples_of(in_one_piece(band[:, None], 48_000)), soxr.resample(band, 48_000, AUDIO_RATE_HZ, "VHQ")
    np.testing.assert_allclose(ours[400:-400], theirs[400:-400], atol=2e-4)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_live_sound_waits_less_than_three_milliseconds(rate_hz):
    assert Resampler(rate_hz, 1).delay_samples / rate_hz < 0.003
    resampler, sound = Resampler(rate_hz, 1), noise(rate_hz)
    produced = len(resampler.push(sound))
    assert AUDIO_RATE_HZ - produced <= 0.003 * AUDIO_RATE_HZ


def test_lost_samples_jump_and_the_time_stays_true():
    chunker = Chunker(48_000, 1)
    before = chunker.push(noise(48_000 // 2), end_ns(24_000, 48_000))
    chunker = chunker.after_gap(4_800)
    after = chunker.push(noise(9_600), end_ns(24_000 + 4_800 + 9_600, 48_000))
    assert before[-1].first_sample + HOP_SAMPLES <= 8_000
    assert after[0].first_sample == 9_600  # 0.5 s + 0.1 s
    assert abs(after[0].capture_ns - (600_000_000 + HOP_NS)) <= 2


@pytest.mark.parametrize("lost", [0, 1])
def test_even_the_smallest_loss_shows(lost):
    for rate_hz in RATES_HZ:
        chunker = Chunker(rate_hz, 1)
        last = chunker.push(noise(rate_hz), 10**9)[-1]
        assert chunker.after_gap(lost).push(noise(rate_hz), 2 * 10**9)[0].first_sample > last.first_sample + HOP_SAMPLES


def test_values_stay_finite_and_in_range():
    sound = noise(16_000)
    sound[100], sound[200], sound[300], sound[400] = np.nan, np.inf, -np.inf, 5.0
    out = samples_of(in_one_piece(sound, 16_000))
    assert np.isfinite(out).all()
    assert out[400] == 1.0
    assert out[100] == out[200] == out[300] == 0.0


def test_bytes_read_in_the_wrong_format_leave_no_trace():
    """As float32 they may be the largest numbers there are, whose sums are not finite, and stay so."""
    largest = np.finfo(np.float32).max * np.sign(noise(2_400, 2))
    chunker = Chunker(24_000, 2)
    chunks = chunker.push(largest.astype(np.float32), 10**9) + chunker.push(np.zeros((2_400, 2), np.float32), 2 * 10**9)
    assert np.isfinite(samples_of(chunks)).all()
    assert not chunks[-1].samples.any()


def test_the_last_hop_is_filled_with_silence():
    chunks = in_one_piece(np.ones((HOP_SAMPLES + 10, 1), np.float32), 16_000)
    assert len(chunks) == 2
    assert chunks[1].samples[:10].min() == 1.0
    assert chunks[1].samples[10:].max() == 0.0
    assert chunks[1].capture_ns == end_ns(HOP_SAMPLES + 10, 16_000) + end_ns(HOP_SAMPLES - 10, 16_000)


@pytest.mark.parametrize(("rate_hz", "channels"), [(0, 1), (3_999, 1), (10**6, 1), (16_000, 0)])
def test_nonsense_is_refused(rate_hz, channels):
    with pytest.raises(ValueError, match="must be"):
        Chunker(rate_hz, channels)
