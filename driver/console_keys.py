"""Single keys of the console while a run goes on, without Enter and without echo.

Only where a person sits at a terminal and this process is the one in front; elsewhere nothing is read and nothing is
changed. Ctrl-C stays what it is.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from driver.stage import Worker

_POLL_S = 0.1


class ConsoleKeys:
    """A context manager that calls `actions[key]`, in a thread of its own, whenever that key is pressed.

    descriptor   of the terminal (default: the standard input's)
    is_open      True while keys are heeded
    """

    def __init__(self, actions: Mapping[str, Callable[[], None]], descriptor: int | None = None) -> None:
        self._actions = dict(actions)
        self._descriptor = _standard_input() if descriptor is None else descriptor
        self._ended = threading.Event()
        self._worker = Worker("console keys", self._loop, lambda name, error: None)
        self._restore: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        return self._restore is not None

    def __enter__(self) -> ConsoleKeys:
        if self._actions and self._descriptor is not None:
            self._restore = _unbuffered(self._descriptor)
            if self._restore is not None:
                self._worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._worker.join(10 * _POLL_S)
        if self._restore is not None:
            self._restore()
            self._restore = None

    def _loop(self) -> None:
        assert self._descriptor is not None
        while not self._ended.is_set():
            key = _pressed(self._descriptor)
            if key is None:
                return
            if key in self._actions:
                self._actions[key]()


def _standard_input() -> int | None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or replaced by something without a number
        return sys.stdin.fileno()
    return None


if sys.platform == "win32":
    import msvcrt
    import time

    def _unbuffered(descriptor: int) -> Callable[[], None] | None:
        return (lambda: None) if os.isatty(descriptor) else None

    def _pressed(descriptor: int) -> str | None:
        if msvcrt.kbhit():
            return msvcrt.getwch()
        time.sleep(_POLL_S)
        return ""

else:
    import select
    import termios
    import tty

    def _unbuffered(descriptor: int) -> Callable[[], None] | None:
        """Take keys as they come; returns what undoes it, None where that is not for us to do."""
        try:
            # A background process that touches its terminal is stopped by the system.
            if not os.isatty(descriptor) or os.tcgetpgrp(descriptor) != os.getpgrp():
                return None
            before: list[Any] = termios.tcgetattr(descriptor)
            tty.setcbreak(descriptor)
        except (OSError, termios.error):
            return None

        def restore() -> None:
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

        return restore

    def _pressed(descriptor: int) -> str | None:
        """The key that was pressed, "" when none was for a moment, None at the end of the input."""
        try:
            if not select.select([descriptor], [], [], _POLL_S)[0]:
                return ""
            key = os.read(descriptor, 1)
        except OSError:  # the terminal is gone
            return None
        return key.decode("latin-1") if key else None
