"""The ZeroMQ output: every frame as one single-part message to whoever subscribes."""

from __future__ import annotations

import threading
from pathlib import Path

import zmq

from driver.errors import SinkError
from driver.sinks.curve import load_keys
from driver.sinks.listen import is_loopback, why_not
from driver.sinks.sink import HelloTimer, SinkContext
from driver.sinks.url import bracketed
from protocol.frame import FaceFrame
from protocol.msgpack_codec import encode_hello

# A client that stalls misses frames after this many (0.5 s at 60 Hz) instead of being given an old face later on. Not
# fewer: after a stall of its own the driver sends a quarter of a second at once, and libzmq's thread may come late too.
_QUEUED_FRAMES = 32
# What the system may hold beyond that, for the same reason; about 20 frames.
_SEND_BUFFER_BYTES = 16_384
# A client whose cable was pulled is forgotten after this time.
_GONE_AFTER_MS = 15_000


class ZeroMqSink:
    """An XPUB socket bound to one address. Clients get the hello when they subscribe, and again every second.

    `server_secret_file` names a CURVE key file: then only clients that know its public key can listen.
    """

    def __init__(self, name: str, host: str, port: int, context: SinkContext, server_secret_file: Path | None) -> None:
        self._hello = encode_hello(context.hello)
        self._hello_timer = HelloTimer(context.clock_ns)
        self._clients = 0
        self._using = threading.Lock()  # a ZeroMQ socket takes one thread at a time
        self._zmq = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._zmq.socket(zmq.XPUB)
        try:
            self._configure(host, context.subjects)
            if server_secret_file is not None:
                self._encrypt(server_secret_file, context)
            elif not is_loopback(host):
                context.notice(
                    f"{name} sends the face unencrypted to anyone who can reach this machine; run "
                    "`avatar-driver keys FILE` and add ?server_secret_file=FILE, or listen on 127.0.0.1"
                )
            self._bind(name, host, port)
        except BaseException:
            self.close()
            raise
        real_port = self._socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2]
        self._name = f"{name.rpartition(':')[0]}:{real_port}"

    @property
    def name(self) -> str:
        """The URL without options, with the real port."""
        return self._name

    def _configure(self, host: str, subjects: int) -> None:
        self._socket.setsockopt(zmq.SNDHWM, _QUEUED_FRAMES * subjects)
        self._socket.setsockopt(zmq.SNDBUF, _SEND_BUFFER_BYTES * subjects)
        self._socket.setsockopt(zmq.TCP_MAXRT, _GONE_AFTER_MS)
        self._socket.setsockopt(zmq.IPV6, int(":" in host or host == "*"))
        self._socket.setsockopt(zmq.XPUB_VERBOSER, 1)  # tells of every client, not only of the first and the last
        self._socket.setsockopt(zmq.XPUB_WELCOME_MSG, self._hello)

    def _encrypt(self, server_secret_file: Path, context: SinkContext) -> None:
        keys = load_keys(server_secret_file)
        if not keys.is_private:
            context.notice(f"{server_secret_file} can be read by other users; run `chmod 600 {server_secret_file}`")
        self._socket.setsockopt(zmq.CURVE_SERVER, 1)
        self._socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret_key)

    def _bind(self, name: str, host: str, port: int) -> None:
        try:
            self._socket.bind(f"tcp://{bracketed(host)}:{port or '*'}")
        except zmq.ZMQError as error:
            raise SinkError(f"{name} cannot be opened: {why_not(error.errno, error.strerror, port)}") from error

    def send(self, frame: FaceFrame, packet: bytes) -> None:
        """Give the packet to every client that keeps up; the others miss it."""
        with self._using:
            self._count_clients()
            if self._hello_timer.is_due():
                self._socket.send(self._hello, zmq.NOBLOCK)
            self._socket.send(packet, zmq.NOBLOCK)

    def clients(self) -> int | None:
        """How many subscriptions are open. May be called from any thread."""
        with self._using:
            self._count_clients()
        return self._clients

    def _count_clients(self) -> None:
        while not self._socket.closed:
            try:
                event = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            # 1 and 0, followed by a topic: subscribed, gone. Anything else is chatter of a client, and of no interest.
            if event[:1] == b"\x01":
                self._clients += 1
            elif event[:1] == b"\x00":
                self._clients -= 1

    def close(self) -> None:
        """Close the socket. Clients that keep up have all frames by now; the others are not waited for."""
        with self._using:
            self._socket.close(linger=0)
            self._zmq.term()
