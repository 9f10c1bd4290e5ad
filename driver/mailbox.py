"""The hand-over between two threads: bounded, counted, closed to stop. The only queue in the driver."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Literal, TypeVar

Item = TypeVar("Item")
WhenFull = Literal["drop_oldest", "wait"]


class Closed(Exception):
    """The mailbox is closed and holds nothing more."""


class Mailbox(Generic[Item]):
    """Holds at most `capacity` items.

    when_full   "drop_oldest": live streams, where the newest wins and `dropped` counts the rest;
                "wait": files read faster than real time, where the sender waits and nothing is lost.
    Closing is the stop signal: senders are refused at once, receivers drain what is left and then see `Closed`.
    """

    def __init__(
        self,
        capacity: int,
        when_full: WhenFull = "drop_oldest",
        on_announce: Callable[[int], None] | None = None,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; it must be at least 1")
        self.capacity = capacity
        self.when_full: WhenFull = when_full
        self.dropped = 0
        self.received = 0
        self._on_announce = on_announce
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def announce(self, capture_ns: int) -> None:
        """A file knows what comes next: an item with `capture_ns`. Said before the item is put, it lets a reader wait
        for exactly what belongs to an instant (see `driver.timeline`). Live sources cannot know, and do not say."""
        if self._on_announce is not None:
            self._on_announce(capture_ns)

    def put(self, item: Item) -> bool:
        """Hand over `item`; False when the mailbox is closed (the sender should stop)."""
        with self._changed:
            while self.when_full == "wait" and len(self._items) >= self.capacity and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            if len(self._items) >= self.capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self.received += 1
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float | None = None) -> Item | None:
        """The oldest item, or None when none came within `timeout_s`; raises `Closed` at the end of the stream."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while not self._items:
                if self._closed:
                    raise Closed
                left_s = None if deadline_s is None else deadline_s - time.monotonic()
                if left_s is not None and left_s <= 0:
                    return None
                self._changed.wait(left_s)
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """No more items; whoever waits wakes up. May be called again, from any thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """True once `close` was called; items may still be waiting."""
        return self._closed

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        """Items until the mailbox is closed and empty."""
        while True:
            try:
                item = self.get()
            except Closed:
                return
            if item is not None:
                yield item
