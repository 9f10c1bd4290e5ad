"""Time at the sensor: waiting for an instant, and a steady clock from jittery stamps of sound blocks."""

from __future__ import annotations

import math
import threading
import time

from driver.types import AUDIO_RATE_HZ

SECOND_NS = 1_000_000_000


def wait_until(at_ns: int, stop: threading.Event) -> bool:
    """Sleep until `time.perf_counter_ns()` reaches `at_ns`; False at once when `stop` is set meanwhile."""
    while (left_ns := at_ns - time.perf_counter_ns()) > 0:
        if stop.wait(left_ns / SECOND_NS):
            return False
    return not stop.is_set()


def samples_to_ns(samples: int, rate_hz: int = AUDIO_RATE_HZ) -> int:
    """How long `samples` last, in nanoseconds, rounded to the nearest."""
    return (samples * SECOND_NS + rate_hz // 2) // rate_hz


class SampleClock:
    """Smooths the times of consecutive sound blocks with a second-order delay-locked loop.

    The stamp of one block jitters by milliseconds with the scheduler, but samples leave the converter evenly, at a rate
    that is a little off its name. The loop follows both slowly (F. Adriaensen, "Using a DLL to filter time", 2005).

    bandwidth_hz   of the loop: lower is smoother, and slower to learn the true rate
    jump_ns        a stamp further off than this is believed at once: the stream was interrupted
    """

    def __init__(self, rate_hz: int, bandwidth_hz: float = 0.2, jump_ns: int = 60_000_000) -> None:
        self._nominal_period_ns = SECOND_NS / rate_hz
        self._angular_bandwidth = 2 * math.pi * bandwidth_hz / SECOND_NS
        self._jump_ns = jump_ns
        self._period_ns = self._nominal_period_ns
        self._origin_ns: int | None = None  # floats hold differences only: 2^53 ns is a hundred days
        self._elapsed_ns = 0.0

    def expected_end_ns(self, samples: int) -> int | None:
        """When a block of `samples` that follows the last one should end; None before the first block."""
        if self._origin_ns is None:
            return None
        return self._origin_ns + round(self._elapsed_ns + samples * self._period_ns)

    def end_ns(self, samples: int, measured_end_ns: int) -> int:
        """The smoothed time of the end of a block of `samples` whose end was stamped `measured_end_ns`."""
        expected_ns = self.expected_end_ns(samples)
        if expected_ns is None or abs(measured_end_ns - expected_ns) > self._jump_ns:
            self._origin_ns, self._elapsed_ns = measured_end_ns, 0.0
            self._period_ns = self._nominal_period_ns
            return measured_end_ns
        assert self._origin_ns is not None
        error_ns = measured_end_ns - expected_ns
        step = self._angular_bandwidth * samples * self._period_ns
        self._elapsed_ns += samples * self._period_ns + math.sqrt(2) * step * error_ns
        self._period_ns += step * step * error_ns / samples
        return self._origin_ns + round(self._elapsed_ns)
