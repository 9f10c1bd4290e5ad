"""What outputs that listen have in common: whom an address lets in, which to choose, and why it cannot be had."""

from __future__ import annotations

import errno
import ipaddress
import socket

from driver.errors import SinkError


def is_loopback(host: str) -> bool:
    """True when only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def why_not(error_number: int | None, reason: str, port: int) -> str:
    """Cause and remedy, to end a sentence, when the system, giving `reason`, does not let us listen on `port`."""
    match error_number:
        case errno.EADDRINUSE:
            return f"another program listens on port {port}; stop it, or choose another port"
        case errno.EACCES:
            return f"port {port} needs administrator rights; choose one from 1024 to 65535"
        case errno.EADDRNOTAVAIL | errno.ENODEV:
            return "this machine has no such address; use 127.0.0.1, or * for all of its addresses"
        case _:
            return f"{reason}; check the address"


def address_of(host: str) -> str:
    """The numeric address of a machine, of IPv4 where it has one; SinkError when nobody is called so."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise SinkError(f"no machine is called {host!r}; check the name") from error
    family_first = min(found, key=lambda one: one[0] != socket.AF_INET)
    return str(family_first[4][0])


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
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError):
        return None
    with socket.socket(family, kind, protocol) as probe:
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)  # without it, Windows lets two programs share a port
        if exclusive is not None:
            probe.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return True if error.errno in (errno.EADDRINUSE, errno.EACCES) else None
    return False
