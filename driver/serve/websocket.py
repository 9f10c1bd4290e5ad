"""Voices over WebSocket: the URL says who it is, binary messages are raw sound, and its face may come back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from driver.errors import AvatarDriverError, UsageError
from driver.knobs import Knobs
from driver.serve.admission import Refused
from driver.serve.greeting import Greeting, parse_query
from driver.serve.handler import Limits, attend
from driver.serve.outgoing import Outgoing
from driver.serve.voices import Voices
from driver.sinks.origins import may_listen

_TRY_AGAIN_LATER = 1013  # RFC 6455's registry of close codes
_POLICY = 1008
_LONGEST_REASON_BYTES = 123
_QUEUED_MESSAGES = 4


class WebSocketVoices:
    """Listens with `listener`. A wrong greeting is answered with 400; who finds no room, with 503 and Retry-After.

    origins   web pages that may speak, beside those of this machine
    """

    def __init__(
        self, listener: socket.socket, voices: Voices, limits: Limits, knobs: Knobs, origins: Sequence[str] = ()
    ) -> None:
        self._listener, self._voices, self._limits, self._knobs = listener, voices, limits, knobs
        self._origins = tuple(origins)

    async def start(self) -> None:
        """Begin to listen."""
        logger = logging.getLogger(__name__)
        logger.disabled = True  # the library tells of every port scanner with a traceback
        self._server = await serve(
            self._attend,
            sock=self._listener,
            process_request=self._check,
            compression=None,
            max_size=self._limits.message_bytes,
            max_queue=_QUEUED_MESSAGES,
            open_timeout=self._limits.greeting_s,
            close_timeout=1.0,
            server_header=None,
            logger=logger,
        )

    async def stop(self) -> None:
        """Listen no more, and let the voices go."""
        self._server.close()
        await self._server.wait_closed()

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets the WebSocket begin."""
        origin = request.headers.get("Origin")
        if not may_listen(origin, request.headers.get("Host"), self._origins):
            return connection.respond(
                HTTPStatus.FORBIDDEN,
                f"pages of {origin} may not speak here; --listen ws://...?origin={origin} lets them\n",
            )
        try:
            self._greeting(request)
            self._voices.admission.check(int(self._voices.counters.voices.value))
        except UsageError as error:
            self._voices.counters.wrong.add()
            return connection.respond(HTTPStatus.BAD_REQUEST, f"{error}\n")
        except Refused as refusal:
            self._voices.counters.refused.add()
            response = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, f"{refusal}\n")
            response.headers["Retry-After"] = str(refusal.retry_after_s)
            return response
        return None

    def _greeting(self, request: Request) -> Greeting:
        return parse_query(urlsplit(request.path).query, self._knobs)

    async def _attend(self, connection: ServerConnection) -> None:
        async def receive() -> bytes:
            try:
                while not (message := await connection.recv()):
                    pass  # an empty message is no end
            except ConnectionClosed:
                return b""
            if isinstance(message, str):
                raise UsageError("a text message came; sound goes in binary messages, as the greeting says")
            return message

        assert connection.request is not None
        outgoing = Outgoing(connection.send, asyncio.get_running_loop())
        greeting = self._greeting(connection.request)
        sending = asyncio.create_task(_until_closed(outgoing))
        try:
            await attend(self._voices, greeting, receive, self._limits, outgoing.put if greeting.frames else None)
            await connection.close()
        except Refused as refusal:  # the last place went to another meanwhile
            self._voices.counters.refused.add()
            await connection.close(_TRY_AGAIN_LATER, _shortened(str(refusal)))
        except AvatarDriverError as error:
            self._voices.counters.wrong.add(isinstance(error, UsageError))
            await connection.close(_POLICY, _shortened(str(error)))
        finally:
            sending.cancel()


async def _until_closed(outgoing: Outgoing) -> None:
    with contextlib.suppress(ConnectionClosed):
        await outgoing.send()


def _shortened(reason: str) -> str:
    return reason.encode()[:_LONGEST_REASON_BYTES].decode("utf-8", "ignore")
