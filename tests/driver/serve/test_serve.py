"""`avatar-driver serve` as its clients see it: over TCP and WebSocket on loopback, with a tiny model."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from support.stream import Subscriber, wait_until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from driver.config import Settings
from driver.errors import SinkError, UsageError
from driver.knobs import VoiceSettings
from driver.serve.handler import Limits
from driver.serve.server import Server, ServeSettings
from protocol.frame import FaceFrame
from protocol.msgpack_codec import decode

LOUD = np.full(16_000, 8_000, "<i2").tobytes()  # a second


@contextmanager
def running(model: Path, **asked: object) -> Iterator[Server]:
    both, deadline_ms = (
        ("tcp://127.0.0.1:0", "ws://127.0.0.1:0"),
        10_000,
    )  # what a machine has time for is not asked here
    asked = {"listen": both, "out": ("zmq://127.0.0.1:0",), "metrics": 0, "deadline_ms": deadline_ms} | asked
    server = Server(Settings(voice=VoiceSettings(model=str(model))), ServeSettings(**asked), lambda sentence: None)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


def tcp(server: Server, greeting: str) -> socket.socket:
    host, _, port = server.addresses[0].removeprefix("tcp://").rpartition(":")
    client = socket.create_connection((host, int(port)), timeout=20)
    client.sendall(greeting.encode() + b"\n")
    return client


def answer(client: socket.socket) -> dict[str, object]:
    return json.loads(client.makefile().readline())


def faces(subscriber: Subscriber, wanted: set[str], most: int = 2_000) -> dict[str, list[FaceFrame]]:
    """Frames until each of `wanted` is heard to speak."""
    found: dict[str, list[FaceFrame]] = {}
    for _ in range(most):
        packet = decode(subscriber.receive()[0])
        if isinstance(packet, FaceFrame):
            found.setdefault(packet.subject, []).append(packet)
            if all(any(one.speech > 0.1 for one in found.get(subject, [])) for subject in wanted):
                return found
    raise AssertionError(f"{ {subject: len(frames) for subject, frames in found.items()} } and not all of them speak")


def test_tcp_and_websocket_voices_become_subjects_and_a_stalled_one_delays_nobody(tiny_voice: Path) -> None:
    with running(tiny_voice) as server, Subscriber(server.outputs[0]) as subscriber:
        stalled = tcp(server, '{"subject": "stalled"}')
        assert answer(stalled) == {"accepted": "stalled"}
        one = tcp(server, "subject=one&rate=24000")
        assert answer(one) == {"accepted": "one"}
        with connect(f"{server.addresses[1]}/?subject=two&format=s16le&articulation=2&frames=1") as two:
            one.sendall(LOUD)
            two.send(LOUD)
            found = faces(subscriber, {"one", "two"})
            back = [decode(two.recv(timeout=20)) for _ in range(20)]
        assert {frame.subject for frame in back if isinstance(frame, FaceFrame)} == {"two"}
        assert [frame.seq for frame in found["one"]] == list(
            range(found["one"][0].seq, found["one"][0].seq + len(found["one"]))
        )
        assert max(frame.speech for frame in found["stalled"]) == 0  # alive, and silent
        for client in (stalled, one):
            client.close()
        wait_until(lambda: server.counters.voices.value == 0, 20)


def test_numbers_are_prometheus_text(tiny_voice: Path) -> None:
    with running(tiny_voice) as server:
        with tcp(server, "subject=one") as client:
            answer(client)
            client.sendall(LOUD)
            wait_until(lambda: server.counters.frames.value > 10, 20)
            with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=20) as page:
                assert page.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                lines = page.read().decode().splitlines()
        numbers = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        assert numbers["avatar_serve_voices"] == "1"
        assert int(numbers["avatar_serve_received_bytes_total"]) > 0
        assert (
            numbers['avatar_serve_hop_milliseconds_bucket{le="+Inf"}'] == numbers["avatar_serve_hop_milliseconds_count"]
        )
        assert "# TYPE avatar_serve_hop_milliseconds histogram" in lines
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/", timeout=20)


@pytest.mark.parametrize(
    ("greeting", "sentence"),
    [
        ("hello", "names no voice; write subject=npc-1"),
        ("{not json}", "is no JSON"),
        ('{"subject": ' + "[" * 1_000, "is no JSON"),
        ('{"rate": 16000}', "names no subject"),
        ("subject=a/b", "up to 32 letters"),
        ("subject=a&rate=100", "rate is '100'; it must be a whole number within 4000..384000"),
        ("subject=a&fromat=f32le", "did you mean format?"),
        ("subject=a&articulation=9", "articulation is 9; it must be 0..2"),
        ("subject=a&lookahead_ms=x", "lookahead_ms is 'x'; it must be a number"),
        ("subject=a&style=nobody", "the style 'nobody' is not one of the model's"),
        ("x" * 5_000, "hold no line"),
    ],
)
def test_a_wrong_greeting_is_answered_in_one_sentence(
    tiny_voice: Path, greeting: str, sentence: str, shared_server: Server
) -> None:
    with tcp(shared_server, greeting) as client:
        (said,) = set(answer(client).values()) - {10}
        assert sentence in str(said)
    if "x" * 9 not in greeting and "{" not in greeting and "style" not in greeting:
        with pytest.raises(InvalidStatus) as caught, connect(f"{shared_server.addresses[1]}/?{greeting}"):
            pass
        assert caught.value.response.status_code == 400
        assert sentence in caught.value.response.body.decode()


@pytest.fixture(scope="module")
def shared_server(tiny_voice: Path) -> Iterator[Server]:
    with running(tiny_voice) as server:
        yield server


def test_one_too_many_is_refused_and_told_when_to_come_again(tiny_voice: Path) -> None:
    with running(tiny_voice, most_voices=1) as server, tcp(server, "subject=one") as one:
        answer(one)
        with tcp(server, "subject=two") as two:
            said = answer(two)
        assert said["retry_after_s"] == 10
        assert "told to take no more" in str(said["refused"])
        with pytest.raises(InvalidStatus) as caught, connect(f"{server.addresses[1]}/?subject=three"):
            pass
        assert caught.value.response.status_code == 503
        assert caught.value.response.headers["Retry-After"] == "10"
        one.close()
        wait_until(lambda: server.counters.voices.value == 0, 20)
        with tcp(server, "subject=two") as two:
            assert answer(two) == {"accepted": "two"}
        assert server.counters.refused.value == 2


def test_a_name_is_given_once(shared_server: Server) -> None:
    with tcp(shared_server, "subject=twin") as one, tcp(shared_server, "subject=twin") as other:
        said = sorted(str(answer(client)) for client in (one, other))
        assert "has a voice already" in said[1]


def test_a_flood_is_held_back_and_a_vanished_client_is_survived(shared_server: Server) -> None:
    with tcp(shared_server, "subject=flood") as flood:
        answer(flood)
        flood.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        flood.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 50_000_000:
                sent += flood.send(bytes(65_536))
        assert sent < 5_000_000  # 26 minutes of sound were ready
        flood.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # close by reset
    wait_until(lambda: shared_server.counters.voices.value == 0, 20)
    with tcp(shared_server, "subject=after") as after:
        assert answer(after) == {"accepted": "after"}


def test_a_silent_connection_and_a_text_message_are_ended(tiny_voice: Path) -> None:
    limits = Limits(idle_s=0.3)
    with running(tiny_voice, limits=limits) as server, tcp(server, "subject=quiet") as quiet:
        lines = quiet.makefile()
        assert json.loads(lines.readline()) == {"accepted": "quiet"}
        assert "was silent for 0.3 s" in json.loads(lines.readline())["ended"]
        with connect(f"{server.addresses[1]}/?subject=two") as two:
            two.send("text")
            with pytest.raises(ConnectionClosed, match="binary messages"):
                two.recv(timeout=20)


def test_who_says_nothing_is_not_waited_for_for_ever(tiny_voice: Path) -> None:
    with running(tiny_voice, limits=Limits(greeting_s=0.2)) as server:
        host, _, port = server.addresses[0].removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=20) as client:
            assert "no greeting came within 0.2 s" in str(answer(client)["refused"])


def test_a_taken_port_and_an_output_of_one_face_are_one_sentence(tiny_voice: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for listen, metrics in (((f"tcp://127.0.0.1:{port}",), 0), (("tcp://127.0.0.1:0",), port)):
            with (
                pytest.raises(SinkError, match=f"another program listens on port {port}"),
                running(tiny_voice, listen=listen, metrics=metrics),
            ):
                pass
    with pytest.raises(UsageError, match="shows one face, and a server has many"):
        ServeSettings(out=("vmc://127.0.0.1:39540",))
    with pytest.raises(UsageError, match="nothing to listen on"), running(tiny_voice, listen=("udp://127.0.0.1:1",)):
        pass


def test_an_output_that_nobody_hears_is_said_and_the_others_go_on(tiny_voice: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    said: list[str] = []
    asked = ServeSettings(
        ("tcp://127.0.0.1:0",), (f"udp://127.0.0.1:{port}", "zmq://127.0.0.1:0"), 0, deadline_ms=10_000
    )
    server = Server(Settings(voice=VoiceSettings(model=str(tiny_voice))), asked, said.append)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        with Subscriber(server.outputs[1]) as subscriber, tcp(server, "subject=one") as one:
            one.sendall(LOUD)
            assert faces(subscriber, {"one"})
    finally:
        server.stop()
        thread.join(20)
    assert sum("nobody listens there" in sentence for sentence in said) == 1
