"""The roles of the pipeline, and the one thread class that runs them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from driver.mailbox import Mailbox

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)
Item = TypeVar("Item")

# Called with a name and what went wrong; the pipeline stops and `cli.py` prints it.
Fail = Callable[[str, BaseException], None]


class Source(Protocol[Item]):
    """Something that produces items by itself: a camera, a microphone, a file."""

    def start(self, outbox: Mailbox[Item], fail: Fail) -> None:
        """Begin; put items into `outbox` until `stop` or the end, then close it. Errors go to `fail`."""
        ...

    def stop(self) -> None:
        """Stop and let go of the device. Closes the outbox; may be called again."""
        ...


class Stage(Protocol[In, Out]):
    """One step: a plain object, tested without threads."""

    def process(self, item: In, /) -> Out | None:
        """The result for `item`, or None when there is nothing to pass on."""
        ...

    def close(self) -> None:
        """Let go of resources."""
        ...


class Worker:
    """The only thread class: runs `body` once, hands the first error to `fail` and never swallows one."""

    def __init__(self, name: str, body: Callable[[], None], fail: Fail) -> None:
        self.name = name
        self._body = body
        self._fail = fail
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            self._body()
        except BaseException as error:  # the edge of the thread: nobody above us could see it
            self._fail(self.name, error)

    def join(self, timeout_s: float) -> bool:
        """True when the thread has ended (or never began) within `timeout_s`."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()
