"""OSCQuery over HTTP: a small server that says what we listen to, and a client that asks others."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from driver.errors import SinkError
from driver.stage import Fail, Worker
from protocol.frame import ProtocolError
from protocol.oscquery import (
    MAX_REPLY_BYTES,
    Endpoint,
    HostInfo,
    answer,
    decode_host_info,
    decode_tree,
    tree,
)

_TIMEOUT_S = 2.0
_POLL_S = 0.1

Reply = TypeVar("Reply")


class OscQueryServer:
    """Answers GET on any free port of `host` until it is closed, in threads of its own."""

    def __init__(self, host: str, info: HostInfo, endpoints: Iterable[Endpoint], fail: Fail) -> None:
        root = tree(endpoints)

        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT_S

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                attributes = [name.partition("=")[0] for name in parts.query.split("&") if name]
                status, body = answer(root, info, unquote(parts.path), attributes)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Requests are nobody's news."""

        # Not http.server's own, which asks the name service for our name and may wait for seconds.
        class Server(ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that hangs up is no fault of ours."""

        try:
            self._server = Server((host, 0), Handler)
        except OSError as error:
            raise SinkError(f"OSCQuery cannot listen on {host}: {error.strerror or error}; give 127.0.0.1") from error
        self.port = int(self._server.server_address[1])
        self._worker = Worker("oscquery", lambda: self._server.serve_forever(_POLL_S), fail)
        self._worker.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._worker.join(_TIMEOUT_S)


def ask_host_info(host: str, port: int) -> HostInfo:
    """What the program at `host` says of itself; SinkError when it does not answer properly."""
    return _checked(host, port, lambda: decode_host_info(_get(host, port, "/?HOST_INFO")))


def ask_tree(host: str, port: int) -> list[Endpoint]:
    """All OSC addresses of the program at `host`; SinkError when it does not answer properly."""
    return _checked(host, port, lambda: decode_tree(_get(host, port, "/")))


def _checked(host: str, port: int, ask: Callable[[], Reply]) -> Reply:
    try:
        return ask()
    except (OSError, http.client.HTTPException, ProtocolError) as error:
        raise SinkError(f"OSCQuery at {host}:{port} gives no answer of use: {error}; restart that program") from error


def _get(host: str, port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={"Accept": "application/json", "Connection": "close"})
        reply = connection.getresponse()
        body = reply.read(MAX_REPLY_BYTES + 1)
    finally:
        connection.close()
    if reply.status != 200:
        raise ProtocolError(f"status {reply.status} for {path}")
    return body
