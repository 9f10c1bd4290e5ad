"""One connection from its greeting to its end, whatever carries it: TCP, WebSocket, or Ray Serve's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from driver.errors import RunError
from driver.serve.greeting import Greeting
from driver.serve.stream import AHEAD_NS
from driver.serve.voices import Publish, Voices

# Gives the next bytes; empty at the end. May be cancelled while it waits.
Receive = Callable[[], Awaitable[bytes]]

_PAUSE_S = 0.1  # no bytes for so long when all was played: the utterance is over
# A large message is taken in by pieces, so that other connections are read between.
_PIECE_S = 0.1


@dataclass(frozen=True)
class Limits:
    """What one connection may take.

    idle_s      it may be silent for so long before it is closed
    message_bytes   the longest WebSocket message, and what TCP may have on its way
    greeting_s  it must have said who it is by then
    """

    idle_s: float = 300.0
    message_bytes: int = 1_048_576
    greeting_s: float = 5.0


class Idle(RunError):
    """A connection was silent for too long."""


async def attend(
    voices: Voices, greeting: Greeting, receive: Receive, limits: Limits, on_frame: Publish | None = None
) -> None:
    """Drive a voice that has been greeted until its sound has ended and was played, or the voices are stopped.

    Sound that comes faster than it is played waits in the connection, which slows its sender down.
    Raises Refused or ModelError before anything is received, Idle later.
    """
    voice = voices.join(greeting, on_frame)
    try:
        stream = voice.stream
        piece = max(1, round(greeting.format.rate_hz * _PIECE_S)) * greeting.format.frame_bytes
        heard_ns = time.perf_counter_ns()
        while not voices.is_stopped:
            now_ns = time.perf_counter_ns()
            patience_s = _PAUSE_S + stream.ahead_ns(now_ns) / 1e9
            patience = asyncio.timeout(patience_s)
            try:
                async with patience:
                    data = await receive()
            except TimeoutError:
                if not patience.expired():  # the connection's own: its other end is gone, and it would say so for ever
                    raise
                voices.counters.underruns.add(stream.pause())
                if time.perf_counter_ns() - heard_ns > limits.idle_s * 1e9:
                    raise Idle(
                        f"{greeting.subject} was silent for {limits.idle_s:g} s and was let go; connect again to speak"
                    ) from None
                continue
            if not data:
                break
            heard_ns = time.perf_counter_ns()
            voices.counters.received_bytes.add(len(data))
            for begin in range(0, len(data), piece):
                stream.push(data[begin : begin + piece], time.perf_counter_ns())
                await _while_ahead(stream.ahead_ns)
        stream.end()
        while not (stream.is_over or voices.is_stopped):
            await asyncio.sleep(0.02)
    finally:
        voices.leave(voice)


async def _while_ahead(ahead_ns: Callable[[int], int]) -> None:
    while (too_much_ns := ahead_ns(time.perf_counter_ns()) - AHEAD_NS) > 0:
        await asyncio.sleep(too_much_ns / 1e9)
