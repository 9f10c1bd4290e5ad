"""viser's server on this machine alone, closed to pages from elsewhere."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import socket
from typing import TYPE_CHECKING, Any

from driver.errors import SinkError
from driver.sinks.listen import why_not
from driver.sinks.origins import may_listen

if TYPE_CHECKING:
    import viser

HOST = "127.0.0.1"
_POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1


def open_server(port: int) -> viser.ViserServer:
    """The server; port 0 is any free one. SinkError when viser is missing or the port is not to be had."""
    try:
        import viser
    except ImportError as error:
        raise SinkError("--preview needs viser; run pip install 'avatar-driver[preview]'") from error
    _check_port(port)
    os.environ.pop("_VISER_PORT_OVERRIDE", None)
    with _hushed():
        server = viser.ViserServer(HOST, port, label="avatar-driver", verbose=False)
    _refuse_strangers(server)
    server.gui.configure_theme(control_width="large", dark_mode=True, show_logo=False, show_share_button=False)
    server.gui.main_panel.dock_right()
    return server


def check_server(port: int) -> str:
    """What `doctor` says of `--preview`; SinkError with the remedy when there would be no page."""
    server = open_server(port)
    close_server(server)
    return f"http://{HOST}:{server.get_port()}/ can be opened"


def close_server(server: viser.ViserServer) -> None:
    """End all connections and give the port back. May be called again."""
    connections: Any = server._websock_server  # pyright: ignore[reportPrivateUsage]
    for connection in tuple(connections._live_connections.values()):
        with contextlib.suppress(RuntimeError):  # closed before
            # Without a farewell: a page that stalls would never answer it.
            server.get_event_loop().call_soon_threadsafe(connection.transport.abort)
    with _hushed():
        server.stop()


def _hushed() -> contextlib.redirect_stdout[io.StringIO]:
    """viser announces its start and end on standard output, whatever it is told; that is ours to speak on."""
    return contextlib.redirect_stdout(io.StringIO())


def _check_port(port: int) -> None:
    """viser takes the next port when this one is taken, and the user would look at somebody else's page."""
    if not 0 <= port <= 65_535:
        raise SinkError(f"--preview has the port {port}; it must be 0..65535, 0 is any free one")
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        reason = why_not(error.errno or errno.EINVAL, error.strerror or str(error), port)
        raise SinkError(f"--preview cannot be opened: {reason}") from error


def _refuse_strangers(server: viser.ViserServer) -> None:
    """Close connections of web pages from elsewhere before anything is sent to them or heard from them.

    viser has no public way to ask who connects; the tests say when these names change.
    """
    connections: Any = server._websock_server  # pyright: ignore[reportPrivateUsage]

    async def check(client: Any) -> None:
        connection = connections._live_connections[client.client_id]
        headers = connection.request.headers
        if not may_listen(headers.get("Origin"), headers.get("Host"), ()):
            await connection.close(_POLICY_VIOLATION, "pages from elsewhere may not look")

    connections.on_client_connect(check)
