"""http://HOST:PORT/metrics, for Prometheus and for people."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from driver.serve.counters import Counters

_LONGEST_REQUEST_BYTES = 8192
_REQUEST_WITHIN_S = 5.0


class MetricsPage:
    """Answers one GET a connection with what `counters` say."""

    def __init__(self, listener: socket.socket, counters: Counters) -> None:
        self._listener, self._counters = listener, counters

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._answer, sock=self._listener, limit=_LONGEST_REQUEST_BYTES)

    async def stop(self) -> None:
        """Listen no more."""
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Who sends nonsense, nothing or too much gets nothing.
        with contextlib.suppress(
            TimeoutError, ConnectionError, asyncio.LimitOverrunError, asyncio.IncompleteReadError, ValueError
        ):
            async with asyncio.timeout(_REQUEST_WITHIN_S):
                head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n")[0].split(b" ")
            if method != b"GET":
                status, text = "405 Method Not Allowed", "only GET is answered here\n"
            elif path.split(b"?")[0] != b"/metrics":
                status, text = "404 Not Found", "there is nothing here; the numbers are at /metrics\n"
            else:
                status, text = "200 OK", self._counters.text()
            body = text.encode()
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        writer.close()
