"""Numbers about the running pipeline: durations, ages and rates, over a sliding window."""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np


class Meter:
    """Collects durations; remembers the newest `capacity` of them. Safe to read from another thread."""

    def __init__(self, name: str, capacity: int = 4096) -> None:
        self.name = name
        self.count = 0
        self._values_ns: deque[int] = deque(maxlen=capacity)
        self._lock = threading.Lock()

    def add_ns(self, value_ns: int) -> None:
        """Add one duration in nanoseconds."""
        with self._lock:
            self.count += 1
            self._values_ns.append(value_ns)

    def percentiles_ms(self, *percents: float) -> tuple[float, ...]:
        """The given percentiles of the window in milliseconds; NaN when it is empty."""
        with self._lock:
            values = np.fromiter(self._values_ns, np.int64)
        if not len(values):
            return tuple(float("nan") for _ in percents)
        return tuple(float(value) / 1e6 for value in np.percentile(values, percents))


class RateMeter:
    """Events per second over the last `window_s` seconds of the given times."""

    def __init__(self, window_s: float = 2.0) -> None:
        self._window_ns = int(window_s * 1e9)
        self._times_ns: deque[int] = deque(maxlen=4096)
        self._lock = threading.Lock()

    def tick(self, at_ns: int) -> None:
        """Count one event at `at_ns`."""
        with self._lock:
            self._times_ns.append(at_ns)

    def rate_hz(self, now_ns: int | None = None) -> float:
        """Events per second in the window that ends at `now_ns` (default: now)."""
        now_ns = time.perf_counter_ns() if now_ns is None else now_ns
        with self._lock:
            recent = [at_ns for at_ns in self._times_ns if at_ns > now_ns - self._window_ns]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) * 1e9 / max(1, recent[-1] - recent[0])
