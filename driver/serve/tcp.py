"""Voices over TCP: the first line says who it is, then raw sound until the end. One line of JSON is the answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket

from driver.errors import AvatarDriverError, UsageError
from driver.knobs import Knobs
from driver.serve.admission import Refused
from driver.serve.greeting import LONGEST_BYTES, parse_line
from driver.serve.handler import Limits, attend
from driver.serve.voices import Voices

_RECEIVE_BUFFER_BYTES = 65_536
_READ_BYTES = 16_384


class TcpVoices:
    """Listens with `listener`. Each connection is a voice, which is told {"accepted": ...} or {"refused": ...}."""

    def __init__(self, listener: socket.socket, voices: Voices, limits: Limits, knobs: Knobs) -> None:
        self._listener, self._voices, self._limits, self._knobs = listener, voices, limits, knobs
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to listen."""
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self._server = await asyncio.start_server(self._greet, sock=self._listener, limit=_RECEIVE_BUFFER_BYTES)

    async def stop(self) -> None:
        """Listen no more, and let the voices go."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._one(reader, writer)
        except (OSError, asyncio.CancelledError):  # the client is gone, or we are
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counters = self._voices.counters

        def say(**fields: object) -> None:
            writer.write(json.dumps(fields).encode() + b"\n")

        try:
            greeting = parse_line(await self._first_line(reader), self._knobs)
            if greeting.frames:
                raise UsageError("frames=1 is for WebSocket connections; leave it out, and listen to an output")

            is_first = True

            async def receive() -> bytes:
                nonlocal is_first
                if is_first:  # it was let in
                    is_first = False
                    say(accepted=greeting.subject)
                return await reader.read(_READ_BYTES)

            await attend(self._voices, greeting, receive, self._limits)
        except Refused as refusal:
            counters.refused.add()
            say(refused=str(refusal), retry_after_s=refusal.retry_after_s)
        except UsageError as error:
            counters.wrong.add()
            say(refused=str(error))
        except AvatarDriverError as error:
            say(ended=str(error))

    async def _first_line(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self._limits.greeting_s):
                line = await reader.readuntil(b"\n")
        except TimeoutError:
            raise UsageError(
                f"no greeting came within {self._limits.greeting_s:g} s; the first line must name a subject"
            ) from None
        except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            line = b"\n" * (LONGEST_BYTES + 1)
        if len(line) > LONGEST_BYTES:
            raise UsageError(f"the first {LONGEST_BYTES} bytes hold no line; send the greeting before the sound")
        return line
