"""The thread of a source: what every source's `start` and `stop` have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from driver.mailbox import Mailbox
from driver.stage import Fail, Worker

Item = TypeVar("Item")


class SourceThread(Generic[Item]):
    """Runs `body(outbox)` in a thread of its own, and closes the outbox at its end.

    name       of the thread, for messages
    body       ends soon after `stopping` is set or the outbox is closed; its errors go to `fail`
    longest_s  that `stop` waits for the end of the thread
    """

    def __init__(self, name: str, body: Callable[[Mailbox[Item]], None], longest_s: float) -> None:
        self.stopping = threading.Event()
        self._name, self._body, self._longest_s = name, body, longest_s
        self._outbox: Mailbox[Item] | None = None
        self._worker: Worker | None = None

    def start(self, outbox: Mailbox[Item], fail: Fail) -> None:
        """Begin."""
        self._outbox = outbox
        self._worker = Worker(self._name, lambda: self._run(outbox), fail)
        self._worker.start()

    def stop(self) -> bool:
        """Tell the thread to end; True when it has (or never began). May be called again, and before `start`."""
        self.stopping.set()
        if self._outbox is not None:
            self._outbox.close()
        return self._worker is None or self._worker.join(self._longest_s)

    def _run(self, outbox: Mailbox[Item]) -> None:
        try:
            self._body(outbox)
        finally:
            outbox.close()
