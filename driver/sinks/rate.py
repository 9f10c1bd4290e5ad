"""Fewer frames a second than the driver makes, for receivers that take no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from driver.sinks.datagram import Pack
from protocol.frame import FaceFrame

# The driver catches up with as much after a stall, at once. Frames that it owes are not too many.
_CATCH_UP_NS = 250_000_000
_MOST_SUBJECTS = 1024


class RateLimit:
    """Says for each frame whether it may be sent.

    rate_hz    most frames a second, on average; after a stall a quarter of a second is caught up with at once
    clock_ns   monotonic
    """

    def __init__(self, rate_hz: float, clock_ns: Callable[[], int]) -> None:
        self._period_ns = round(1e9 / rate_hz)
        self._clock_ns = clock_ns
        self._due_ns: int | None = None

    def allows(self) -> bool:
        """True when a frame may be sent now, which then counts as sent."""
        now_ns = self._clock_ns()
        due_ns = now_ns if self._due_ns is None else self._due_ns
        # A quarter of a period too early is on time: frames of the very same rate come with some jitter.
        if now_ns < due_ns - self._period_ns // 4:
            return False
        self._due_ns = max(due_ns + self._period_ns, now_ns - _CATCH_UP_NS)
        return True


def limited(pack: Pack, rate_hz: float | None, clock_ns: Callable[[], int]) -> Pack:
    """`pack`, but for no more than `rate_hz` frames a second of each subject; None = for all of them."""
    if rate_hz is None:
        return pack
    limits: dict[str, RateLimit] = {}

    def pack_some(frame: FaceFrame, packet: bytes) -> Sequence[bytes]:
        limit = limits.get(frame.subject)
        if limit is None:
            if len(limits) >= _MOST_SUBJECTS:
                limits.clear()  # of those that have gone, mostly; the others may send one frame too early
            limit = limits[frame.subject] = RateLimit(rate_hz, clock_ns)
        return pack(frame, packet) if limit.allows() else ()

    return pack_some
