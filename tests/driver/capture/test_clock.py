from __future__ import annotations

import numpy as np
import pytest

from driver.capture.clock import SampleClock, samples_to_ns

MS = 1_000_000
RATE_HZ, BLOCK = 48_000, 480


def smoothed(stamps_ns: np.ndarray) -> np.ndarray:
    clock = SampleClock(RATE_HZ)
    return np.array([clock.end_ns(BLOCK, int(at_ns)) for at_ns in stamps_ns])


def test_even_stamps_stay_as_they_are():
    stamps_ns = 10**18 + np.arange(1_000, dtype=np.int64) * 10 * MS
    np.testing.assert_allclose(smoothed(stamps_ns) - stamps_ns, 0, atol=1_000)


def test_jitter_of_the_scheduler_is_taken_out():
    true_ns = np.arange(3_000) * 10.0 * MS
    jitter_ns = np.random.default_rng(0).uniform(-5, 5, len(true_ns)) * MS
    late = slice(1_000, None)
    error_ns = smoothed(true_ns + jitter_ns + 10**15)[late] - 10**15 - true_ns[late]
    assert np.std(error_ns) < 0.2 * np.std(jitter_ns)


def test_a_converter_that_is_slow_by_200_ppm_is_followed():
    true_ns = np.arange(6_000) * 10.0 * MS * 1.0002
    assert abs(smoothed(true_ns)[-1] - true_ns[-1]) < 0.1 * MS


def test_an_interruption_is_believed_at_once():
    clock = SampleClock(RATE_HZ)
    clock.end_ns(BLOCK, 0)
    assert clock.expected_end_ns(BLOCK) == 10 * MS
    assert clock.end_ns(BLOCK, 500 * MS) == 500 * MS
    assert clock.end_ns(BLOCK, 510 * MS) == 510 * MS


def test_nothing_is_expected_before_the_first_block():
    assert SampleClock(RATE_HZ).expected_end_ns(BLOCK) is None


@pytest.mark.parametrize(
    ("samples", "rate_hz", "expected_ns"), [(16_000, 16_000, 10**9), (1, 48_000, 20_833), (0, 1, 0)]
)
def test_samples_to_time(samples, rate_hz, expected_ns):
    assert samples_to_ns(samples, rate_hz) == expected_ns
