"""What tests of outputs share: numbered frames, a context for outputs, and receivers on loopback."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import time
from collections.abc import Callable

import pytest
import zmq

from driver.sinks.sink import SinkContext
from protocol.frame import FaceFrame
from protocol.golden.frames import dense, wink
from protocol.msgpack_codec import Hello

HELLO = Hello(sender="avatar-driver", sender_version="1.2.3", head="open-head/1", rate_hz=60.0)


def numbered(seq: int, publish_ns: int = 0) -> FaceFrame:
    """Frame number `seq`; every fourth one carries the identity."""
    frame = dense() if seq % 4 == 0 else wink()
    return dataclasses.replace(frame, seq=seq, capture_ns=max(0, publish_ns - 1), publish_ns=publish_ns)


def sink_context(notices: list[str] | None = None, clock_ns: Callable[[], int] = time.perf_counter_ns) -> SinkContext:
    """A context whose notices are appended to `notices`."""
    return SinkContext(HELLO, (notices if notices is not None else []).append, clock_ns)


def free_port() -> int:
    """A UDP port of loopback that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class UdpReceiver:
    """A UDP socket on a free port of loopback (or on `port`), with all the room that the system gives for datagrams."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        self._socket.bind((host, port))
        self._socket.settimeout(5)
        self.port: int = self._socket.getsockname()[1]

    def receive(self, count: int) -> list[bytes]:
        return [self._socket.recv(65_536) for _ in range(count)]

    def drain(self) -> list[bytes]:
        """All that has come, and comes within a tenth of a second after the last."""
        found: list[bytes] = []
        self._socket.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            while True:
                found.append(self._socket.recv(65_536))
        self._socket.settimeout(5)
        return found

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> UdpReceiver:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Subscriber:
    """A ZeroMQ subscriber to a `zmq://` output's name."""

    def __init__(self, name: str, server_key: bytes | None = None, *, buffer_bytes: int = 0) -> None:
        self._zmq = zmq.Context()
        self.socket = self._zmq.socket(zmq.SUB)
        self.socket.setsockopt(zmq.RCVTIMEO, 5000)
        self.socket.setsockopt(zmq.IPV6, int("[" in name))
        if buffer_bytes:
            self.socket.setsockopt(zmq.RCVHWM, 1)
            self.socket.setsockopt(zmq.RCVBUF, buffer_bytes)
        if server_key is not None:
            public_key, secret_key = zmq.curve_keypair()
            self.socket.setsockopt(zmq.CURVE_SERVERKEY, server_key)
            self.socket.setsockopt(zmq.CURVE_PUBLICKEY, public_key)
            self.socket.setsockopt(zmq.CURVE_SECRETKEY, secret_key)
        self.socket.connect(name.replace("zmq://", "tcp://"))
        self.socket.subscribe(b"")

    def receive(self, count: int = 1) -> list[bytes]:
        return [self.socket.recv() for _ in range(count)]

    def hears_within(self, timeout_ms: int) -> bool:
        return bool(self.socket.poll(timeout_ms))

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(self, *error: object) -> None:
        self._zmq.destroy(linger=0)


def require_ipv6() -> None:
    """Skips the test on a machine without IPv6, as many containers are."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Returns when `condition` holds; fails the test when it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.005)
