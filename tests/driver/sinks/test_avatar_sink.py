"""The avatar output over real sockets, and `avatar-driver receive` on the other side."""

import socket
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from support.stream import UdpReceiver, sink_context

from driver.errors import SinkError, UsageError
from driver.publish import check_sink, open_sink
from driver.receive import AvatarReceiver, receive
from protocol.avatar_codec import DEFAULT_PORT, DecoderState
from protocol.avatar_codec import decode as decode_avatar
from protocol.frame import FaceFrame
from protocol.golden.frames import wink
from protocol.msgpack_codec import decode

PERIOD_NS = 33_333_333


def nodding(index):
    """Its head turns by 10 mrad a frame."""
    at_ns = 10**12 + index * PERIOD_NS
    turn = np.array([0.0, 0.01 * (index % 60), 0.0], np.float32)
    return replace(wink(), seq=index, publish_ns=at_ns, capture_ns=at_ns, head_rotation=turn)


def test_thirty_frames_a_second_leave_and_are_read():
    now_ns = [0]
    with UdpReceiver() as receiver:
        sink = open_sink(f"avatar://127.0.0.1:{receiver.port}", sink_context(clock_ns=lambda: now_ns[0]))
        for index in range(20):
            now_ns[0] = index * PERIOD_NS // 2
            sink.send(nodding(index), b"")
        datagrams = receiver.receive(10)
        sink.close()
    assert max(map(len, datagrams)) < 100
    state = DecoderState()
    for index, datagram in enumerate(datagrams):
        face, state = decode_avatar(datagram, state)
        assert face is not None
        assert face.head_rotation == pytest.approx(nodding(2 * index).head_rotation, abs=6e-4)


def test_a_lower_bit_rate_is_kept():
    with UdpReceiver() as receiver:
        sink = open_sink(f"avatar://127.0.0.1:{receiver.port}?kbps=3&rate=1000&key_every=1", sink_context())
        for index in range(60):
            sink.send(nodding(index), b"")
        sent = sum(map(len, receiver.drain()))
        sink.close()
    assert 0.5 * 3000 * 2 < 8 * sent <= 3000 * (2 + 0.5)


def test_a_face_goes_from_peer_to_peer_and_out_again():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop, said, done = threading.Event(), [], []
    with UdpReceiver() as receiver:
        urls = (f"udp://127.0.0.1:{receiver.port}",)
        thread = threading.Thread(
            target=lambda: done.append(receive(f"avatar://127.0.0.1:{port}", urls, 60.0, said.append, stop=stop))
        )
        thread.start()
        sink = open_sink(f"avatar://127.0.0.1:{port}", sink_context())
        time.sleep(0.3)
        for index in range(30):
            sink.send(nodding(index), b"")
            time.sleep(PERIOD_NS / 1e9)
        stop.set()
        thread.join(5)
        datagrams = receiver.drain()
        sink.close()
    assert not thread.is_alive()
    assert said == []
    frames = [packet for packet in map(decode, datagrams) if isinstance(packet, FaceFrame)]
    assert len(frames) > 30
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    last = frames[-1]
    assert last.arkit == pytest.approx(wink().arkit, abs=0.1)
    assert last.eyelids[0] == pytest.approx(1.0, abs=0.03)
    assert 0.2 < last.head_rotation[1] <= 0.3
    assert "30 faces; 0 lost, 0 without their key frame, 0 bad" in done[0]


def test_what_is_no_avatar_packet_is_counted_and_said_once():
    said = []
    receiver = AvatarReceiver("127.0.0.1", 0, said.append)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for junk in (b"", b"hello there", b"x" * 2000):
            sender.sendto(junk, ("127.0.0.1", receiver.port))
        deadline_s = time.monotonic() + 5
        while receiver.bad < 3 and time.monotonic() < deadline_s:
            receiver.poll(10_000_000)
    assert receiver.bad == 3
    assert len(said) == 1
    assert "something else than an avatar packet" in said[0]
    assert receiver.sample().face is None
    receiver.close()


def test_a_port_in_use_and_wrong_options_are_said():
    receiver = AvatarReceiver("127.0.0.1", 0, print)
    with pytest.raises(SinkError, match=f"another program listens on port {receiver.port}; stop it"):
        AvatarReceiver("127.0.0.1", receiver.port, print)
    assert "can be opened" in check_sink(f"avatar://127.0.0.1:{receiver.port}", sink_context())
    receiver.close()
    for options, reason in (
        ("kbps=0", "kbps must be in 1..1000"),
        ("key_every=2.5", "whole number"),
        ("x=1", "unknown"),
    ):
        with pytest.raises(UsageError, match=reason):
            open_sink(f"avatar://127.0.0.1:1?{options}", sink_context())
    sink = open_sink("avatar://", sink_context())
    assert sink.name == f"avatar://127.0.0.1:{DEFAULT_PORT}"
    sink.close()
