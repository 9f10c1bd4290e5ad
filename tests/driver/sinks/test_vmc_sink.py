"""The VMC output heeds what receivers ask, sends no more than it may, and closes its ears."""

import socket
import time

import pytest
from pythonosc.osc_bundle import OscBundle
from pythonosc.udp_client import SimpleUDPClient
from support.stream import UdpReceiver, numbered, sink_context, wait_until

from driver.errors import SinkError, UsageError
from driver.publish import open_sink


def addresses(datagrams):
    return [message.address for datagram in datagrams for message in OscBundle(datagram)]


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Receiver(UdpReceiver):
    """A marionette: reads what a frame consisted of, and sends requests."""

    def frame(self, sink):
        """The addresses of the datagrams that one frame caused, up to a mark of our own."""
        sink.send(numbered(1), b"")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"end", ("127.0.0.1", self.port))
        found = []
        while (datagram := self.receive(1)[0]) != b"end":
            found.append(datagram)
        return addresses(found)


def ask(port, address, *arguments):
    client = SimpleUDPClient("127.0.0.1", port)
    client.send_message(address, list(arguments))
    client._sock.close()


def test_requests_are_heeded():
    notices, now_ns, port = [], [10**9], free_port()
    with Receiver() as receiver:
        context = sink_context(notices, lambda: now_ns[0])
        sink = open_sink(f"vmc://127.0.0.1:{receiver.port}?mode=performer&listen={port}", context)
        first = receiver.frame(sink)
        assert first[0] == "/VMC/Ext/Rcv"
        assert "/VMC/Ext/Rcv" not in receiver.frame(sink)  # once a second is enough

        ask(port, "/VMC/Ext/Set/Req")
        wait_until(lambda: "/VMC/Ext/Rcv" in receiver.frame(sink))
        ask(port, "/VMC/Thru/Somebody/Mood", "happy", 0.5)
        wait_until(lambda: receiver.frame(sink)[0] == "/VMC/Thru/Somebody/Mood")
        assert "/VMC/Thru/Somebody/Mood" not in receiver.frame(sink)

        ask(port, "/VMC/Ext/Set/Period", 1, 1, 2, 4, 1, 1)
        wait_until(lambda: "/VMC/Ext/Blend/Apply" not in receiver.frame(sink))
        frames = [receiver.frame(sink) for _ in range(8)]
        assert sum("/VMC/Ext/Blend/Apply" in frame for frame in frames) == 2
        assert sum("/VMC/Ext/Bone/Pos" in frame for frame in frames) == 4
        assert all("/VMC/Ext/OK" in frame for frame in frames)

        ask(port, "/VMC/Ext/Set/Period", 0, 0, 0, 0)
        wait_until(lambda: bool(receiver.frame(sink) and notices))
        assert "a VMC request changes nothing: /VMC/Ext/Set/Period has (0, 0, 0, 0)" in notices[0]
        sink.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))  # the port is free again


def test_a_rate_that_is_asked_for_is_kept():
    now_ns = [0]
    with Receiver() as receiver:
        context = sink_context(clock_ns=lambda: now_ns[0])
        for scheme, mark in (("vmc", "/VMC/Ext/Blend/Apply"), ("osc", "/avatar/frame")):
            sink = open_sink(f"{scheme}://127.0.0.1:{receiver.port}?rate=20", context)
            frames = []
            for number in range(60):
                now_ns[0] = 10**9 + round(number / 60 * 1e9)
                frames.append(receiver.frame(sink))
            assert sum(mark in frame for frame in frames) == 20
            sink.close()


def test_a_port_that_is_taken_is_one_sentence():
    with UdpReceiver() as busy, pytest.raises(SinkError, match=f"another program listens on port {busy.port}; stop it"):
        open_sink(f"vmc://?mode=performer&listen={busy.port}", sink_context())


def test_an_assistant_does_not_listen():
    with pytest.raises(UsageError, match="unknown option 'listen'"):
        open_sink("vmc://?listen=39540", sink_context())


def test_live_link_counts_frames_of_the_day():
    """Read by its public layout: after version, id and subject come the frame number and the rate."""
    with UdpReceiver() as receiver:
        sink = open_sink(f"livelink://127.0.0.1:{receiver.port}?subject=A&rate=30", sink_context())
        sink.send(numbered(1, publish_ns=time.perf_counter_ns()), b"")
        packet = receiver.receive(1)[0]
        now = time.localtime()
        sink.close()
    assert packet[41:46] == b"\0\0\0\x01A"
    frames, rate_hz = int.from_bytes(packet[46:50], "big"), int.from_bytes(packet[54:58], "big")
    assert rate_hz == 30
    seconds = (now.tm_hour * 60 + now.tm_min) * 60 + now.tm_sec
    ahead_s = (frames / rate_hz - seconds + 43_200) % 86_400 - 43_200  # midnight may have passed
    assert ahead_s == pytest.approx(0, abs=3)
