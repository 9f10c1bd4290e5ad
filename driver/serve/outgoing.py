"""Frames on their way back to the client whose voice they show: the newest ones, and nobody waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from protocol.frame import FaceFrame

# Half a second and more: a client that stalls misses the oldest.
_QUEUED_FRAMES = 32


class Outgoing:
    """`put` from any thread; `send` in the connection's loop passes on what comes until it is cancelled."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], loop: asyncio.AbstractEventLoop) -> None:
        self._send, self._loop = send, loop
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(_QUEUED_FRAMES)

    def put(self, frame: FaceFrame, packet: bytes) -> None:
        """Hand one over without waiting."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._add, packet)

    async def send(self) -> None:
        """Send whatever comes."""
        while True:
            await self._send(await self._queue.get())

    def _add(self, packet: bytes) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(packet)
