"""Addresses: what a name stands for, whom one lets in, how to listen there, and why it cannot be had."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

from driver.errors import SinkError

_STOP_IT = "stop it, or choose another port"


def is_loopback(host: str) -> bool:
    """True when only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def why_not(error_number: int | None, reason: str, port: int, if_taken: str = _STOP_IT) -> str:
    """Cause and remedy, to end a sentence, when the system, giving `reason`, does not let us listen on `port`.

    if_taken   the remedy when another program has the port
    """
    match error_number:
        case errno.EADDRINUSE:
            return f"another program listens on port {port}; {if_taken}"
        case errno.EACCES:
            return f"port {port} needs administrator rights; choose one from 1024 to 65535"
        case errno.EADDRNOTAVAIL | errno.ENODEV:
            return "this machine has no such address; use 127.0.0.1, or * for all of its addresses"
        case _:
            return f"{reason}; check the address"


def resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """Family and address, as sockets want them, of UDP `port` of a machine; SinkError when nobody is called so.

    A name may stand for addresses of both families; receivers in game engines mostly listen on IPv4, so that comes
    first.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise SinkError(f"no machine is called {host!r}; check the name") from error
    family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, address


def address_of(host: str) -> str:
    """The numeric address of a machine, of IPv4 where it has one; SinkError when nobody is called so."""
    return str(resolved(host, 0)[1][0])


def listen_for_datagrams(name: str, host: str, port: int, if_taken: str = _STOP_IT) -> socket.socket:
    """A UDP socket at `host`, an address of this machine or "*" for all of IPv4's. Reading from it never waits.

    SinkError with the cause and the remedy, and `name` in front of them, when the port is not to be had; `if_taken` is
    the remedy when another program has it.
    """
    try:
        family, address = resolved("0.0.0.0" if host == "*" else host, port)
    except SinkError as error:
        raise SinkError(f"{name} cannot be opened: {error}") from error
    listener = socket.socket(family, socket.SOCK_DGRAM)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        cause = why_not(error.errno, str(error.strerror or error), port, if_taken)
        raise SinkError(f"{name} cannot be opened: {cause}") from error
    listener.setblocking(False)
    return listener


def own_address(host: str) -> str:
    """The address of this machine that `host` can answer to: 127.0.0.1 when it is this machine itself."""
    address = address_of(host)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))  # sends nothing
        except OSError as error:
            raise SinkError(f"{host} cannot be reached: {error.strerror or error}; check the network") from error
        return str(probe.getsockname()[0])


def is_listened_to(host: str, port: int) -> bool | None:
    """Whether a program on this machine has UDP port `port`; None when `host` is another machine, or unknown."""
    try:
        family, address = resolved(host, port)
    except SinkError:
        return None
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)  # without it, Windows lets two programs share a port
        if exclusive is not None:
            probe.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return True if error.errno in (errno.EADDRINUSE, errno.EACCES) else None
    return False
