"""Whether a server can take another voice, judged by what its voices were just seen to cost."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from driver.errors import RunError
from driver.types import HOP_NS

# Of every hop's 20 ms, 99 times of 100: a machine has other things to do, as in `driver.bench_voices`.
DEADLINE_MS = 0.8 * HOP_NS / 1e6
# Short enough to forget what another program did, long enough for a p99. Nothing older counts: a server that refused
# its first voice on a bad day must not refuse all others.
RETRY_AFTER_S = 10
_REMEMBERED_HOPS = RETRY_AFTER_S * 1_000_000_000 // HOP_NS


class Refused(RunError):
    """The server takes no voice now. `retry_after_s` says when asking again makes sense."""

    def __init__(self, reason: str, retry_after_s: int = RETRY_AFTER_S) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class _Seen:
    at_ns: int
    taken_ms: float
    heard: int


class Admission:
    """Projects the time of a hop with one voice more, all of them speaking.

    most_voices   more than these are refused, whatever they cost; None = as many as the machine does
    deadline_ms   p99 of a hop that is still good
    clock_ns      monotonic
    """

    def __init__(
        self,
        most_voices: int | None = None,
        deadline_ms: float = DEADLINE_MS,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.most_voices, self.deadline_ms, self._clock_ns = most_voices, deadline_ms, clock_ns
        self._seen: deque[_Seen] = deque(maxlen=_REMEMBERED_HOPS)
        self._lock = threading.Lock()

    def add(self, taken_ms: float, heard: int) -> None:
        """A hop in which the model heard `heard` voices took so long, faces and outputs included."""
        with self._lock:
            self._seen.append(_Seen(self._clock_ns(), taken_ms, heard))

    def projected_p99_ms(self, voices: int) -> float:
        """The p99 of a hop in which `voices` speak; 0 when nothing was seen lately.

        Each hop that was seen is charged for the voices that it lacked, at the median cost of one. That holds the
        fixed cost of a hop against small numbers of voices, which can bear it, and what the machine's other programs
        do against all.
        """
        oldest_ns = self._clock_ns() - RETRY_AFTER_S * 1_000_000_000
        with self._lock:
            seen = [one for one in self._seen if one.heard and one.at_ns >= oldest_ns]
        if not seen:
            return 0.0
        taken_ms = np.array([one.taken_ms for one in seen])
        heard = np.array([one.heard for one in seen])
        each_ms = float(np.median(taken_ms / heard))
        return float(np.percentile(taken_ms + each_ms * np.maximum(0, voices - heard), 99))

    def check(self, voices: int) -> None:
        """Refused when one more than `voices` is too many."""
        if self.most_voices is not None and voices >= self.most_voices:
            raise Refused(
                f"this server drives {voices} voices and was told to take no more (--most-voices); "
                f"try again in {RETRY_AFTER_S} s, or use another server"
            )
        projected_ms = self.projected_p99_ms(voices + 1)
        if projected_ms > self.deadline_ms:
            raise Refused(
                f"this server drives {voices} voices and has no time for another: a hop would take "
                f"{projected_ms:.1f} ms of its {self.deadline_ms:g}; try again in {RETRY_AFTER_S} s, or use another"
            )
