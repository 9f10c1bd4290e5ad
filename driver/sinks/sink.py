"""The role of an output, and what every output is given when it is opened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from protocol.frame import FaceFrame
from protocol.msgpack_codec import Hello

# Told, in one sentence, what a person should know while everything keeps running.
Notice = Callable[[str], None]

HELLO_PERIOD_NS = 1_000_000_000


class Sink(Protocol):
    """An output. `name` says which one in messages, for example "zmq://127.0.0.1:5571"."""

    @property
    def name(self) -> str: ...

    def send(self, frame: FaceFrame, packet: bytes, /) -> None:
        """Hand over one frame without ever waiting. `packet` is the frame as msgpack, encoded once for all sinks.

        Raises SinkError when the frame, or a part of it, could not leave; the next call may succeed.
        """
        ...

    def clients(self) -> int | None:
        """How many are listening now; None where the transport cannot know."""
        ...

    def close(self) -> None:
        """Let go of sockets and files. May be called again."""
        ...


@dataclass(frozen=True)
class SinkContext:
    """`hello` introduces the stream to clients; `notice` takes sentences for the user; `clock_ns` is monotonic.

    subjects   how many faces are sent at once, at most: their frames come together, and queues must hold as many more
    """

    hello: Hello
    notice: Notice
    clock_ns: Callable[[], int] = time.perf_counter_ns
    subjects: int = 1


class SaidOnce:
    """A notice that passes each sentence on once, and `most` in all: what others send must not fill the screen."""

    def __init__(self, notice: Notice, most: int = 50) -> None:
        self._notice, self._most = notice, most
        self._said: set[str] = set()

    def __call__(self, sentence: str) -> None:
        if sentence not in self._said and len(self._said) < self._most:
            self._said.add(sentence)
            self._notice(sentence)

    def forget(self) -> None:
        """Things have changed: what happens again is said again."""
        self._said.clear()


class HelloTimer:
    """Says when the hello is due again: at once, then every second of `clock_ns`."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._due_ns = clock_ns()

    def is_due(self) -> bool:
        """True once for each period."""
        now_ns = self._clock_ns()
        if now_ns < self._due_ns:
            return False
        self._due_ns = now_ns + HELLO_PERIOD_NS
        return True
