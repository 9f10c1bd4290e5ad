"""The iFacialMocap output, in place of the iPhone app: sends to one address, or to every program that asks."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, get_args

from driver.sinks.datagram import DatagramSink
from driver.sinks.listen import is_loopback, listen_for_datagrams
from driver.sinks.sink import SaidOnce, Sink, SinkContext
from driver.sinks.url import SinkUrl
from protocol import ifacialmocap
from protocol.frame import FaceFrame, ProtocolError
from protocol.ifacialmocap import Version

# A datagram may come with its options; a request has less than 100 bytes.
_LONGEST_REQUEST = 1024
_REQUESTS_A_FRAME = 32
# A ninth program takes the place of the one that asked longest ago: forged requests shall not make this a megaphone.
_MOST_CLIENTS = 8
# Some programs ask once, others every second, so silence says nothing; a machine that refuses datagrams does.
_FORGOTTEN_AFTER_NS = 5_000_000_000
# A refusal later than this after the last one is a new one.
_REFUSALS_JOIN_NS = 1_000_000_000
# On this machine it is most likely the very program that shall receive.
_IF_TAKEN = "if the face is for that program, leave mode=listen out, else stop it or choose another port"


def open_ifacialmocap(url: SinkUrl, context: SinkContext) -> Sink:
    """ifacialmocap://HOST:PORT sends there; with mode=listen it waits there for programs that ask."""
    mode = url.options.choice("mode", ("send", "listen"))
    if mode == "send":
        version: Version = url.options.choice("version", get_args(Version))
    else:
        version = "v1"
    reply_port = url.options.port("reply_port", ifacialmocap.DEFAULT_PORT) if mode == "listen" else 0
    url.options.refuse_unknown()
    port = ifacialmocap.DEFAULT_PORT if url.port is None else url.port
    if mode == "listen":
        return IFacialMocapServer(url.name(port), url.host, port, reply_port, context)
    return DatagramSink(url.name(port), url.host, port, lambda frame, packet: [ifacialmocap.encode(frame, version)])


@dataclass
class _Client:
    """A program that has asked; `socket` is connected, so that the system tells when nobody listens there."""

    socket: socket.socket
    version: Version
    refused_since_ns: int = 0
    refused_ns: int = -_REFUSALS_JOIN_NS

    def is_gone(self, now_ns: int) -> bool:
        """True when this refusal, at `now_ns`, is one of a row that has lasted too long."""
        if now_ns - self.refused_ns >= _REFUSALS_JOIN_NS:
            self.refused_since_ns = now_ns
        self.refused_ns = now_ns
        return now_ns - self.refused_since_ns >= _FORGOTTEN_AFTER_NS


class IFacialMocapServer:
    """Waits on one UDP port for programs that ask, and answers each at its own address and `reply_port`.

    Requests are read whenever a frame is sent. A program stays until it asks for the end, until its machine has refused
    datagrams for 5 s, or until eight others have asked after it.
    """

    def __init__(self, name: str, host: str, port: int, reply_port: int, context: SinkContext) -> None:
        self._context = context
        self._reply_port = reply_port
        self._clients: dict[str, _Client] = {}
        self._say = SaidOnce(context.notice)  # a program that asks every second would fill the screen
        self._socket = listen_for_datagrams(name, host, port, if_taken=_IF_TAKEN)
        self._host, self.port = self._socket.getsockname()[:2]
        self._name = f"{name.rpartition(':')[0]}:{self.port}"
        if not is_loopback(self._host):
            context.notice(
                f"{self._name} sends the face to any program on the network that asks for it; the protocol knows no "
                "keys, so listen on 127.0.0.1 unless you trust the network"
            )

    @property
    def name(self) -> str:
        """The URL without options, with the real port."""
        return self._name

    def send(self, frame: FaceFrame, packet: bytes) -> None:
        """Read what was asked, then send the frame to everybody in the version that they asked for."""
        self._hear()
        packets: dict[Version, bytes] = {}
        for host, client in list(self._clients.items()):
            if client.version not in packets:
                packets[client.version] = ifacialmocap.encode(frame, client.version)
            try:
                client.socket.send(packets[client.version])
            except BlockingIOError:
                pass  # the system takes no more for the moment; the next frame replaces this one
            except OSError:
                if client.is_gone(self._context.clock_ns()):
                    self._forget(host)

    def clients(self) -> int | None:
        """How many programs are sent to."""
        return len(self._clients)

    def close(self) -> None:
        """Close all sockets."""
        for host in list(self._clients):
            self._forget(host)
        self._socket.close()

    def _hear(self) -> None:
        for _ in range(_REQUESTS_A_FRAME):
            try:
                data, address = self._socket.recvfrom(_LONGEST_REQUEST)
            except BlockingIOError:
                return
            except OSError:
                continue  # Windows tells here of a datagram that somebody refused
            try:
                request = ifacialmocap.decode_request(data)
            except ProtocolError:
                continue
            self._heed(request, address)

    def _heed(self, request: ifacialmocap.Request, address: tuple[Any, ...]) -> None:
        host = str(address[0])
        if request == "stop":
            self._forget(host)
        elif request == "tcp":
            self._say(f"{host} asks {self._name} for iFacialMocap over TCP, which is not spoken here; switch it to UDP")
        elif self._is_own(host):
            self._say(
                f"a program on this machine asks {self._name}, where the answer would come back to this output; leave "
                "mode=listen out: then the face is sent to the program without being asked for"
            )
        else:
            self._admit(host, address, request)

    def _is_own(self, host: str) -> bool:
        """True when an answer to `host` would arrive here."""
        is_here = host == self._host or (self._host in ("0.0.0.0", "::") and is_loopback(host))
        return is_here and self._reply_port == self.port

    def _admit(self, host: str, address: tuple[Any, ...], version: Version) -> None:
        if known := self._clients.pop(host, None):
            self._clients[host] = _Client(known.socket, version)
            return
        if len(self._clients) >= _MOST_CLIENTS:
            self._forget(next(iter(self._clients)))
        reply = socket.socket(self._socket.family, socket.SOCK_DGRAM)
        try:
            reply.setblocking(False)
            reply.bind((self._host, 0))  # programs compare the sender with the address that they asked
            reply.connect((host, self._reply_port, *address[2:]))
        except OSError:
            reply.close()  # not reachable after all; it may ask again
            return
        self._clients[host] = _Client(reply, version)
        self._say(f"{host} asked {self._name} for the face and gets it on port {self._reply_port}")

    def _forget(self, host: str) -> None:
        client = self._clients.pop(host, None)
        if client is not None:
            client.socket.close()
