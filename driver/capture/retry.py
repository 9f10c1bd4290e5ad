"""How long to wait before a lost device is tried again, and what to say meanwhile."""

from __future__ import annotations

from collections.abc import Callable

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
