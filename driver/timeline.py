"""What one encoder has finished, in order of time, and what is still on its way.

A motion has its place at the time of the newest that went into it (`known_ns`): an encoder that looks ahead tells of an
earlier instant, but not earlier.

The ticker asks at each tick for everything captured up to some instant. A live camera gets no patience: what is not
finished waits for the next tick. A file announces each item before it comes, so the ticker can wait for exactly the
items that belong to the instant; that is why a file gives the same motion in real time and at full speed.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from driver.types import Motion


class Timeline:
    """The hand-over from one encoder's thread to the ticker: at most `capacity` motions, `dropped` counts the rest."""

    def __init__(self, capacity: int = 64) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._motions: deque[Motion] = deque()
        self._announced_ns: deque[int] = deque()
        self._settled_ns = -1
        self._closed = False
        self._is_lossless = False
        self._changed = threading.Condition()

    def lossless(self) -> Timeline:
        """Make the sender wait when it is full, instead of dropping the oldest: for files at full speed."""
        self._is_lossless = True
        return self

    def announce(self, capture_ns: int) -> None:
        """An item captured at `capture_ns` is on its way."""
        with self._changed:
            self._announced_ns.append(capture_ns)
            self._changed.notify_all()

    def put(self, motion: Motion) -> bool:
        """The encoder finished `motion`, and with it everything captured earlier; False when closed."""
        with self._changed:
            while self._is_lossless and len(self._motions) >= self._capacity and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            if len(self._motions) >= self._capacity:
                self._motions.popleft()
                self.dropped += 1
            self._motions.append(motion)
            self._settled_ns = motion.known_ns
            self._changed.notify_all()
            return True

    def settle(self, at_ns: int) -> None:
        """The encoder is done with everything captured up to `at_ns`, whether a motion came of it or not."""
        with self._changed:
            self._settled_ns = max(self._settled_ns, at_ns)
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def exhausted(self) -> bool:
        """True when the encoder has ended and every motion was taken."""
        with self._changed:
            return self._closed and not self._motions

    def take(self, until_ns: int, patience_s: float | None) -> list[Motion]:
        """The motions known at `until_ns`, oldest first.

        Waits up to `patience_s` (None: as long as it takes) for announced items that belong here and are not finished.
        """
        deadline_s = None if patience_s is None else time.monotonic() + patience_s
        with self._changed:
            while not self._is_complete(until_ns):
                left_s = None if deadline_s is None else deadline_s - time.monotonic()
                if left_s is not None and left_s <= 0:
                    break
                self._changed.wait(left_s)
            taken: list[Motion] = []
            while self._motions and self._motions[0].known_ns <= until_ns:
                taken.append(self._motions.popleft())
            self._changed.notify_all()
            return taken

    def _is_complete(self, until_ns: int) -> bool:
        if self._closed:
            return True
        while len(self._announced_ns) > 1 and self._announced_ns[0] <= self._settled_ns:
            self._announced_ns.popleft()
        if not self._announced_ns or self._announced_ns[-1] <= until_ns:
            return False  # something before `until_ns` may still be announced
        due = [at_ns for at_ns in self._announced_ns if at_ns <= until_ns]
        return not due or due[-1] <= self._settled_ns
