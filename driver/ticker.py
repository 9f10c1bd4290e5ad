"""When to publish. Ticks are instants of the media's own clock, a fixed period apart.

Live, and for files in real time, the ticker sleeps until each instant comes. At full speed it does not sleep, and the
instants are the clock: what is published then carries the tick's own time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

_LATE_NS = 250_000_000  # after a stall (suspend, a stopped process) catch up to now instead of racing through the past


class Ticker:
    """Iterate to get the instants [ns]; `stop` ends the iteration at once, from any thread."""

    def __init__(self, start_ns: int, rate_hz: float, is_paced: bool, duration_s: float | None = None) -> None:
        self.skipped = 0
        self.is_paced = is_paced
        self.period_ns = round(1e9 / rate_hz)
        self.start_ns = start_ns
        self._rate_hz = rate_hz
        self._duration_s = duration_s
        self._stopped = threading.Event()

    def stop(self) -> None:
        """No more ticks."""
        self._stopped.set()

    def now_ns(self, tick_ns: int) -> int:
        """The time to stamp on what the tick at `tick_ns` publishes."""
        return time.perf_counter_ns() if self.is_paced else tick_ns

    def __iter__(self) -> Iterator[int]:
        index = 0
        while not self._stopped.is_set() and (self._duration_s is None or index < self._duration_s * self._rate_hz):
            # From the index, not by adding periods, so that rounding cannot drift.
            tick_ns = self.start_ns + round(index * 1e9 / self._rate_hz)
            if self.is_paced:
                ahead_ns = tick_ns - time.perf_counter_ns()
                if ahead_ns > 0 and self._stopped.wait(ahead_ns / 1e9):
                    return
                if ahead_ns < -_LATE_NS:
                    behind = -ahead_ns // self.period_ns
                    index += behind
                    self.skipped += behind
                    continue
            yield tick_ns
            index += 1
