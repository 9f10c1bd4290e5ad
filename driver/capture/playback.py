"""A source whose items are known beforehand (files, fakes): paced by the clock, or as fast as they are taken."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Generic, Protocol, TypeVar

from driver.capture.clock import wait_until
from driver.capture.source_thread import SourceThread
from driver.mailbox import Mailbox
from driver.stage import Fail

_LONGEST_STOP_S = 2.0


class Captured(Protocol):
    """What a source gives: anything that was captured at an instant."""

    @property
    def capture_ns(self) -> int: ...


Item = TypeVar("Item", bound=Captured)


class Playback(Generic[Item]):
    """Plays what `items()` yields, in its own thread.

    name      of the thread, for messages
    items     a generator function; it runs in the thread and is closed at the end
    realtime  True: an item is handed over at its `capture_ns`; False: as fast as the outbox takes it
    """

    def __init__(self, name: str, items: Callable[[], Generator[Item, None, None]], realtime: bool) -> None:
        self.name = name
        self._items = items
        self._realtime = realtime
        self._thread = SourceThread(name, self._play, _LONGEST_STOP_S)

    def start(self, outbox: Mailbox[Item], fail: Fail) -> None:
        """Begin to play into `outbox`, which is closed at the end. Errors of the thread go to `fail`."""
        self._thread.start(outbox, fail)

    def stop(self) -> None:
        """Stop, within two seconds. May be called again, and before `start`."""
        self._thread.stop()

    def _play(self, outbox: Mailbox[Item]) -> None:
        with closing(self._items()) as items:
            for item in items:
                outbox.announce(item.capture_ns)
                if self._realtime and not wait_until(item.capture_ns, self._thread.stopping):
                    return
                if not outbox.put(item):
                    return
