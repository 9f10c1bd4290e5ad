"""Outputs that carry many faces: each has its own rate, its own filter, and room for as many frames at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.stream import Subscriber, numbered, sink_context, wait_until
from websockets.sync.client import connect

from driver.publish import open_sink
from driver.sinks.rate import limited
from protocol.frame import FaceFrame
from protocol.msgpack_codec import decode, encode


def of(subject: str, seq: int = 0) -> FaceFrame:
    return replace(numbered(seq), subject=subject)


def test_a_rate_is_that_of_each_subject() -> None:
    now_ns = [0]
    pack = limited(lambda frame, packet: [packet], 10, lambda: now_ns[0])
    passed: list[str] = []
    for tick in range(50):
        now_ns[0] = tick * 20_000_000
        for subject in ("a", "b"):
            passed += [subject for _ in pack(of(subject), b"x")]
    assert passed.count("a") == passed.count("b") == pytest.approx(10, abs=1)


def test_a_websocket_may_ask_for_one_face() -> None:
    sink = open_sink("ws://127.0.0.1:0", sink_context())
    try:
        with connect(f"{sink.name}/?subject=b") as one, connect(sink.name) as all_of_them:
            assert [decode(socket.recv()) for socket in (one, all_of_them)]  # the hellos
            wait_until(lambda: sink.clients() == 2)
            for seq in range(3):
                for subject in ("a", "b"):
                    sink.send(of(subject, seq), encode(of(subject, seq)))
            assert [decode(one.recv(timeout=10)) for _ in range(3)] == [of("b", seq) for seq in range(3)]
            assert [decode(all_of_them.recv(timeout=10)).subject for _ in range(6)] == ["a", "b"] * 3
    finally:
        sink.close()


def test_zeromq_has_room_for_a_frame_of_each() -> None:
    context = replace(sink_context(), subjects=20)
    sink = open_sink("zmq://127.0.0.1:0", context)
    try:
        with Subscriber(sink.name) as subscriber:
            wait_until(lambda: sink.clients() == 1)
            packets = [encode(of(f"npc-{number % 20}", number)) for number in range(320)]
            for number, packet in enumerate(packets):  # sixteen hops of twenty voices, all at once
                sink.send(of("a", number), packet)
            received: list[bytes] = []
            while len(received) < len(packets):
                received += [one for one in subscriber.receive() if b"hello" not in one]
            assert received == packets
    finally:
        sink.close()
