"""What a server counts, and how Prometheus reads it: https://prometheus.io/docs/instrumenting/exposition_formats/"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence

_PREFIX = "avatar_serve"
_BUCKETS_MS = (1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 30.0, 40.0, 80.0, 160.0, 320.0)


class Counter:
    """A number that grows, or with `kind` "gauge" one that goes both ways. From any thread."""

    def __init__(self, name: str, meaning: str, kind: str = "counter") -> None:
        self.name, self.meaning, self.kind = f"{_PREFIX}_{name}", meaning, kind
        self.value = 0
        self._lock = threading.Lock()

    def add(self, count: int = 1) -> None:
        with self._lock:
            self.value += count

    def lines(self) -> list[str]:
        return [f"{self.name} {self.value}"]


class Histogram:
    """How often a duration in milliseconds fell into each bucket."""

    kind = "histogram"

    def __init__(self, name: str, meaning: str, buckets_ms: Sequence[float] = _BUCKETS_MS) -> None:
        self.name, self.meaning = f"{_PREFIX}_{name}", meaning
        self._edges = tuple(buckets_ms)
        self._counts = [0] * (len(self._edges) + 1)
        self._sum_ms = 0.0
        self._lock = threading.Lock()

    def add_ms(self, value_ms: float) -> None:
        with self._lock:
            self._counts[bisect_left(self._edges, value_ms)] += 1
            self._sum_ms += value_ms

    def lines(self) -> list[str]:
        with self._lock:
            counts, sum_ms = list(self._counts), self._sum_ms
        found: list[str] = []
        total = 0
        for edge, count in zip((*(f"{edge:g}" for edge in self._edges), "+Inf"), counts, strict=True):
            total += count
            found.append(f'{self.name}_bucket{{le="{edge}"}} {total}')
        return [*found, f"{self.name}_sum {sum_ms:.6f}", f"{self.name}_count {total}"]


class Counters:
    """Everything that a server counts."""

    def __init__(self) -> None:
        self.voices = Counter("voices", "voices that are connected", "gauge")
        self.admitted = Counter("admitted_total", "voices that were let in")
        self.refused = Counter("refused_total", "voices that were refused for want of time or room")
        self.wrong = Counter("wrong_greetings_total", "connections whose greeting made no sense")
        self.received_bytes = Counter("received_bytes_total", "bytes of sound")
        self.frames = Counter("frames_total", "frames that were published")
        self.underruns = Counter("underruns_total", "times that an utterance ended or its sound came too late")
        self.heard_hops = Counter(
            "heard_hops_total", "hops of any voice that the model heard; 50 a second of one that speaks"
        )
        self.late_hops = Counter("late_hops_total", "hops done more than a hop and a half after their end")
        self.lost_hops = Counter("lost_hops_total", "hops given up because the machine was 0.3 s behind")
        self.hop_ms = Histogram("hop_milliseconds", "work on one hop of all voices, outputs included")
        self.age_ms = Histogram("age_milliseconds", "from the end of a hop's sound to its frame")

    def text(self) -> str:
        """In Prometheus' text format, version 0.0.4."""
        lines: list[str] = []
        for one in vars(self).values():
            lines += [f"# HELP {one.name} {one.meaning}", f"# TYPE {one.name} {one.kind}", *one.lines()]
        return "\n".join(lines) + "\n"
