"""A device that is missing or lost is tried again: how long to wait meanwhile, and what to say."""

from __future__ import annotations

import threading
from collections.abc import Callable

from driver.errors import DeviceError

# Takes one sentence for the user: a device is missing, busy, gone, back.
Notify = Callable[[str], None]


def say_nothing(_sentence: str) -> None:
    """The notice callback of those who do not listen."""


class Backoff:
    """Doubling waits between attempts, in seconds: first_s, 2 first_s, ... up to longest_s."""

    def __init__(self, first_s: float = 0.5, longest_s: float = 5.0) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._attempts = 0

    def next_s(self) -> float:
        """The wait before the next attempt."""
        wait_s = min(self._longest_s, self._first_s * 2.0**self._attempts)
        self._attempts = min(self._attempts + 1, 32)
        return wait_s

    def reset(self) -> None:
        """An attempt has succeeded: start small again."""
        self._attempts = 0


class Trouble:
    """Says each new trouble once, and that it is over. Otherwise every attempt would repeat the same sentence."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._said: str | None = None

    def say(self, sentence: str) -> None:
        """Something is wrong; silent when it is what was wrong before."""
        if sentence != self._said:
            self._said = sentence
            self._notify(sentence)

    def over(self, sentence: str) -> None:
        """It works; silent unless something was wrong before."""
        if self._said is not None:
            self._said = None
            self._notify(sentence)


class Reconnection:
    """Keeps a device connected.

    notify   is told when it is missing, busy, lost and back
    forever  True: a device that is missing or lost is tried again, for ever; False: it is an error
    """

    def __init__(self, notify: Notify, forever: bool) -> None:
        self._trouble, self._backoff, self._forever = Trouble(notify), Backoff(), forever

    def run(self, connect: Callable[[], None], stopping: threading.Event) -> None:
        """`connect`, which returns at the end and raises DeviceError for a device that is lost, until `stopping`."""
        while not stopping.is_set():
            try:
                connect()
                return
            except DeviceError as error:
                if not self._forever:
                    raise
                if stopping.is_set():
                    return
                self._trouble.say(f"{error}; it is tried again every few seconds")
                stopping.wait(self._backoff.next_s())

    def works(self, sentence: str) -> None:
        """Something came from the device; `sentence` says that it is back, if it was away."""
        self._backoff.reset()
        self._trouble.over(sentence)
