"""The WebSocket output: every frame to whoever connects, and over the same port the page that shows the face."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Sequence
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from driver.errors import SinkError, UsageError
from driver.sinks.listen import is_loopback, why_not
from driver.sinks.origins import may_listen
from driver.sinks.sink import SinkContext
from driver.sinks.url import SinkUrl, bracketed
from driver.stage import Worker
from driver.web.pages import Pages
from protocol.frame import FaceFrame
from protocol.msgpack_codec import encode_hello

DEFAULT_PORT = 5573

# A client that stalls misses frames after this many (0.5 s at 60 Hz) instead of being given an old face later on. Not
# fewer: a busy machine may keep the server's own thread waiting for as long.
_QUEUED_FRAMES = 32
# What the library and the system may hold beyond that, for the same reason; about 20 frames each.
_SEND_BUFFER_BYTES = 16_384
# A client whose cable was pulled is forgotten after both together.
_PING_EVERY_S, _PONG_WITHIN_S = 5.0, 10.0
# How long clients that keep up may take for their last frames when the output closes, and then for their farewell.
_LAST_FRAMES_S, _FAREWELL_S = 0.5, 0.5
# How long a browser may wait for a page. The head's file is made when it is first asked for: 0.2 s, but where other
# programs have the processor that was seen to take more than the library's 10 s, and the page stayed empty.
_ANSWER_WITHIN_S = 60.0
# How long a browser may take for the end of a page.
_PAGE_WITHIN_S = 10.0
# Clients have nothing to say.
_LONGEST_MESSAGE_BYTES = 1024


def open_ws(url: SinkUrl, context: SinkContext) -> WebSocketSink:
    """The opener of ws:// URLs; options modules=FOLDER, origin=URL[,URL...]."""
    modules = url.options.path("modules")
    origins = tuple(filter(None, url.options.text("origin", "").split(",")))
    url.options.refuse_unknown()
    if modules is not None and not (modules / "three").is_dir():
        raise UsageError(f"{modules} holds no folder three; run `npm install three @pixiv/three-vrm` beside it")
    port = DEFAULT_PORT if url.port is None else url.port
    return WebSocketSink(url.name(port), url.host, port, context, Pages(modules), origins)


class WebSocketSink:
    """A WebSocket server in a thread of its own. Each client gets the hello first, then every frame as it comes.

    A client that does not keep up loses the oldest of what waits for it, and delays nobody. Requests that are no
    WebSocket's get what `pages` holds. `origins` are web pages that may listen beside those of this machine.
    """

    def __init__(
        self, name: str, host: str, port: int, context: SinkContext, pages: Pages, origins: Sequence[str] = ()
    ) -> None:
        self._hello = encode_hello(context.hello)
        self._pages = pages
        self._origins = tuple(origins)
        self._subjects = context.subjects
        self._clients: set[_Waiting] = set()
        self._failure: BaseException | None = None
        if not is_loopback(host):
            context.notice(
                f"{name} sends the face unencrypted to anyone who can reach this machine; "
                "put a TLS proxy before it, or listen on 127.0.0.1"
            )
        listener = _listener(name, host, port, _SEND_BUFFER_BYTES * context.subjects)
        real_port: int = listener.getsockname()[1]
        self._name = f"{name.rpartition(':')[0]}:{real_port}"
        shown = "127.0.0.1" if host in _EVERYWHERE else bracketed(host)
        context.notice(f"open http://{shown}:{real_port}/ in a browser to see the face")
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._worker = Worker("websocket", lambda: self._run(listener), self._fail)
        self._worker.start()

    @property
    def name(self) -> str:
        """The URL without options, with the real port."""
        return self._name

    def send(self, frame: FaceFrame, packet: bytes) -> None:
        """Let every client have the packet; SinkError when the server has failed."""
        try:
            self._loop.call_soon_threadsafe(self._offer, frame.subject, packet)
        except RuntimeError as error:  # the loop is closed
            raise SinkError(f"{self._name} serves no more: {self._failure or error}; start it again") from error

    def clients(self) -> int | None:
        """How many are listening now. May be called from any thread."""
        return len(self._clients)

    def close(self) -> None:
        """Give clients that keep up their last frames, say goodbye and close the port."""
        with contextlib.suppress(RuntimeError):  # closed before
            self._loop.call_soon_threadsafe(self._stop.set)
        self._worker.join(_LAST_FRAMES_S + _FAREWELL_S + 2.0)

    # All that follows runs in the server's thread.

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listener))

    def _fail(self, name: str, error: BaseException) -> None:
        self._failure = error

    async def _serve(self, listener: socket.socket) -> None:
        server = await serve(
            self._attend,
            sock=listener,
            process_request=self._answer,
            compression=None,  # floats hardly shrink
            ping_interval=_PING_EVERY_S,
            ping_timeout=_PONG_WITHIN_S,
            open_timeout=_ANSWER_WITHIN_S,
            close_timeout=_PAGE_WITHIN_S,
            max_size=_LONGEST_MESSAGE_BYTES,
            write_limit=_SEND_BUFFER_BYTES * self._subjects,
            server_header=None,
            logger=_quiet_logger(),
        )
        await self._stop.wait()
        await _at_most(_LAST_FRAMES_S, *(waiting.sent() for waiting in self._clients))
        server.close()
        await _at_most(_FAREWELL_S, server.wait_closed())
        for waiting in self._clients:  # those that do not answer
            waiting.abort()

    def _offer(self, subject: str, packet: bytes) -> None:
        for waiting in self._clients:
            if waiting.subject in ("", subject):
                waiting.add(packet)

    async def _attend(self, connection: ServerConnection) -> None:
        """One client, from its connection to its end."""
        waiting = _Waiting(connection, _wanted_subject(connection.request), self._subjects)
        waiting.add(self._hello)
        self._clients.add(waiting)
        sender = asyncio.create_task(waiting.send())
        try:
            async for _ in connection:
                pass  # whatever a client says, nobody listens
        except ConnectionClosed:
            pass  # without a farewell
        finally:
            self._clients.discard(waiting)
            sender.cancel()

    async def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets the WebSocket begin."""
        if "websocket" not in request.headers.get("Upgrade", "").lower():
            page = await asyncio.to_thread(self._pages.get, request.path)
            if page is None:
                return _response(HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing here; the face is at /\n")
            return _response(HTTPStatus.OK, page.content_type, page.body)
        origin = request.headers.get("Origin")
        if may_listen(origin, request.headers.get("Host"), self._origins):
            return None
        refusal = f"Pages of {origin} may not listen; the driver lets them with ws://...?origin={origin}\n"
        return _response(HTTPStatus.FORBIDDEN, "text/plain", refusal.encode())


class _Waiting:
    """The newest packets, waiting for one client. It is used by the server's thread alone.

    subject    the only one whose frames it wants; "" = all of them
    subjects   how many are sent at once
    """

    def __init__(self, connection: ServerConnection, subject: str, subjects: int) -> None:
        self.subject = subject
        self._connection = connection
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(_QUEUED_FRAMES * (1 if subject else subjects))

    def add(self, packet: bytes) -> None:
        """Append; the oldest makes room."""
        if self._queue.full():
            self._queue.get_nowait()
            self._queue.task_done()
        self._queue.put_nowait(packet)

    async def send(self) -> None:
        """Send whatever comes, for as long as the connection lives."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._connection.send(await self._queue.get())
                self._queue.task_done()

    async def sent(self) -> None:
        """Returns when nothing waits."""
        await self._queue.join()

    def abort(self) -> None:
        """End the connection without a farewell."""
        self._connection.transport.abort()


def _wanted_subject(request: Request | None) -> str:
    """ws://HOST:PORT/?subject=NAME asks for the frames of one face, where many are sent."""
    query = urlsplit(request.path).query if request is not None else ""
    return dict(parse_qsl(query)).get("subject", "")


async def _at_most(duration_s: float, *tasks: Awaitable[None]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(duration_s):
            await asyncio.gather(*tasks)


_EVERYWHERE = ("*", "0.0.0.0", "::")


def _listener(name: str, host: str, port: int, send_buffer_bytes: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server(("" if host == "*" else host, port), family=family)
    except OSError as error:
        raise SinkError(
            f"{name} cannot be opened: {why_not(error.errno, error.strerror or str(error), port)}"
        ) from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)  # its connections inherit it
    return listener


def _response(status: HTTPStatus, content_type: str, body: bytes) -> Response:
    headers = Headers(
        {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Connection": "close",
            "Cache-Control": "no-cache",
            "Access-Control-Allow-Origin": "*",  # none of the files is a secret, and other pages may use the client
            "X-Content-Type-Options": "nosniff",
        }
    )
    return Response(status.value, status.phrase, headers, body)


def _quiet_logger() -> logging.Logger:
    """Browsers open connections that they never use; the library would tell of each with a traceback."""
    logger = logging.getLogger(__name__)
    logger.disabled = True
    return logger
