"""The 1-euro filter works in seconds, not in frames."""

import numpy as np
import pytest

from driver.motion_vector import LAYOUT, VECTOR_SIZE
from driver.smooth import OneEuro, Smoother, SmoothSettings


def run(rate_hz: float, signal, seconds: float = 1.0, settings: SmoothSettings | None = None) -> np.ndarray:
    smoother = Smoother(settings or SmoothSettings())
    times_s = np.arange(0, seconds, 1 / rate_hz)
    return np.stack([smoother.process(np.full(VECTOR_SIZE, signal(t), np.float32), round(t * 1e9)) for t in times_s])


def test_a_still_signal_stays_and_the_first_value_is_taken_as_it_is() -> None:
    assert np.allclose(run(60, lambda t: 0.3), 0.3, atol=1e-7)


def test_noise_is_reduced_but_a_movement_gets_through() -> None:
    rng = np.random.default_rng(0)
    noise = {round(t * 1e9): rng.normal(0, 0.004) for t in np.arange(0, 4, 1 / 60)}
    smooth = run(60, lambda t: noise[round(t * 1e9)], 4.0)
    jaw = LAYOUT["jaw"]
    assert smooth[60:, jaw].std() < 0.6 * np.std(list(noise.values()))

    step = run(60, lambda t: 0.0 if t < 0.5 else 0.3)
    after_50_ms = step[int(0.5 * 60) + 3, jaw]
    assert (after_50_ms > 0.9 * 0.3).all()


@pytest.mark.parametrize("rate_hz", [60.0, 120.0, 240.0])
def test_the_result_does_not_depend_on_the_frame_rate(rate_hz: float) -> None:
    wave = lambda t: 0.2 * np.sin(2 * np.pi * 0.7 * t)  # noqa: E731
    reference, other = run(480.0, wave), run(rate_hz, wave)
    step = round(480 / rate_hz)
    assert np.abs(reference[::step][: len(other)] - other).max() < 0.2 * 0.05


def test_strength_scales_from_nothing_to_calm() -> None:
    ramp = lambda t: t  # noqa: E731
    lag = {
        strength: 59 / 60 - run(60, ramp, settings=SmoothSettings(strength=strength))[-1, LAYOUT["gaze"]].max()
        for strength in (0.0, 1.0, 3.0)
    }
    assert abs(lag[0.0]) < 1e-6
    assert lag[3.0] > 2 * lag[1.0] > 0.001


def test_each_part_has_its_own_filter() -> None:
    slow_gaze = SmoothSettings(gaze=OneEuro(0.1, 0.0))
    step = run(60, lambda t: float(t > 0.2), settings=slow_gaze)
    assert step[-1, LAYOUT["gaze"]].max() < 0.5 < step[-1, LAYOUT["eyelids"]].min()


def test_time_that_stands_still_changes_nothing() -> None:
    smoother = Smoother(SmoothSettings())
    first = smoother.process(np.zeros(VECTOR_SIZE, np.float32), 10)
    assert (smoother.process(np.ones(VECTOR_SIZE, np.float32), 10) == first).all()
