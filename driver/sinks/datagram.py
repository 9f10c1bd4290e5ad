"""UDP outputs: our own msgpack datagrams, OSC, VMC and Live Link. One socket each, never waiting for anybody."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence

from driver.errors import SinkError
from driver.sinks.listen import resolved
from driver.sinks.sink import HelloTimer, SinkContext
from protocol.frame import FaceFrame
from protocol.msgpack_codec import encode_hello

# A frame and its msgpack bytes -> the datagrams to send, in order.
Pack = Callable[[FaceFrame, bytes], Sequence[bytes]]

_REMEDIES = {
    errno.ECONNREFUSED: "nobody listens there; start the receiver or correct the port",
    errno.ENETUNREACH: "the network is not reachable; check the address and the connection",
    errno.EHOSTUNREACH: "the machine is not reachable; check the address and the connection",
    errno.EMSGSIZE: "the datagram is too long for this network; raise its MTU to 1500",
    errno.EPERM: "a firewall refuses it; allow outgoing UDP",
    errno.EACCES: "the system refuses it; check the address and the firewall",
    errno.EAGAIN: "the network takes no more for the moment; lower --rate if this goes on",
}


class DatagramSink:
    """Sends what `pack` makes of each frame to one address, which is resolved once, here.

    UDP tells of a missing receiver only by refusing a later datagram; that one is sent again at once, so that nothing
    is lost after the receiver has come back.
    """

    def __init__(self, name: str, host: str, port: int, pack: Pack) -> None:
        self._name = name
        self._pack = pack
        self._socket = _connected(name, host, port)

    @property
    def name(self) -> str:
        """The URL without options."""
        return self._name

    def send(self, frame: FaceFrame, packet: bytes) -> None:
        """Send all datagrams of one frame; SinkError with the first thing that went wrong, after trying them all."""
        failure: OSError | None = None
        for datagram in self._pack(frame, packet):
            failure = self._send_one(datagram) or failure
        if failure is not None:
            code = failure.errno or 0
            cause = _REMEDIES.get(code) or f"{failure.strerror or failure}; check the address and the connection"
            raise SinkError(f"{self._name} gets no frames: {cause}") from failure

    def _send_one(self, datagram: bytes) -> OSError | None:
        try:
            self._socket.send(datagram)
        except ConnectionError as refusal:  # speaks of an earlier datagram; this one has not left yet
            try:
                self._socket.send(datagram)
            except OSError as error:
                return error
            return refusal
        except OSError as error:
            return error
        return None

    def clients(self) -> int | None:
        """None: UDP has no connections to count."""
        return None

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _connected(name: str, host: str, port: int) -> socket.socket:
    try:
        family, address = resolved(host, port)
    except SinkError as error:
        raise SinkError(f"{name} cannot be opened: {error}") from error
    sender = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sender.setblocking(False)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.connect(address)
    except OSError as error:
        sender.close()
        raise SinkError(f"{name} cannot be opened: {error.strerror or error}; check the address") from error
    return sender


def udp_pack(context: SinkContext) -> Pack:
    """The frame's own packet, after the hello once a second."""
    hello = encode_hello(context.hello)
    timer = HelloTimer(context.clock_ns)

    def pack(frame: FaceFrame, packet: bytes) -> list[bytes]:
        return [hello, packet] if timer.is_due() else [packet]

    return pack
