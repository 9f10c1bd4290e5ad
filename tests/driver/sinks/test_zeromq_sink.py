"""The ZeroMQ output: late, slow, dying and uninvited clients."""

import subprocess
import sys

import msgpack
import pytest
import zmq
from support.stream import HELLO, Subscriber, numbered, require_ipv6, sink_context, wait_until

from driver.errors import SinkError
from driver.publish import open_sink
from driver.sinks.curve import load_keys, make_keys
from driver.sinks.listen import is_loopback
from protocol.msgpack_codec import encode, encode_hello

ANY_PORT = "zmq://127.0.0.1:0"


@pytest.fixture
def sink():
    sink = open_sink(ANY_PORT, sink_context(clock_ns=lambda: 0))
    yield sink
    sink.close()


def publish(sink, seq):
    packet = encode(numbered(seq))
    sink.send(numbered(seq), packet)
    return packet


def test_a_late_client_gets_the_hello_before_anything_is_sent(sink):
    publish(sink, 0)
    with Subscriber(sink.name) as client:
        wait_until(lambda: sink.clients() == 1)
        assert client.receive() == [encode_hello(HELLO)]
        assert not client.hears_within(100)


def test_packets_arrive_whole_and_in_order_in_single_parts(sink):
    with Subscriber(sink.name) as client:
        wait_until(lambda: sink.clients() == 1)
        sent = []
        received = []
        for seq in range(100):
            sent.append(publish(sink, seq))
            received += client.receive(3 if seq == 0 else 1)  # the welcome, and the first hello of all
            assert not client.socket.getsockopt(zmq.RCVMORE)
        assert received[2:] == sent


def test_the_hello_comes_again_every_second():
    now_ns = [0]
    sink = open_sink(ANY_PORT, sink_context(clock_ns=lambda: now_ns[0]))
    with Subscriber(sink.name) as client:
        wait_until(lambda: sink.clients() == 1)
        for seq, at_ns in enumerate((0, 999_999_999, 1_000_000_000, 1_500_000_000)):
            now_ns[0] = at_ns
            publish(sink, seq)
        kinds = [msgpack.unpackb(packet)["type"] for packet in client.receive(7)]
        assert kinds == ["hello", "hello", "face", "face", "hello", "face", "face"]
    sink.close()


def test_a_stalled_client_does_not_hold_up_another(sink):
    count = 3000
    with Subscriber(sink.name, buffer_bytes=4096) as stalled, Subscriber(sink.name) as healthy:
        wait_until(lambda: sink.clients() == 2)
        healthy.receive(1)
        for seq in range(count):
            packet = publish(sink, seq)
            assert healthy.receive(2 if seq == 0 else 1)[-1] == packet
        late = 0
        while stalled.hears_within(200):
            stalled.receive()
            late += 1
        assert late < count / 2, "the client was not stalled: its queue never filled"


def test_the_last_frames_still_leave_when_the_sink_closes():
    for _ in range(20):
        sink = open_sink(ANY_PORT, sink_context(clock_ns=lambda: 0))
        with Subscriber(sink.name) as client:
            wait_until(lambda sink=sink: sink.clients() == 1)
            sent = [publish(sink, seq) for seq in range(4)]
            sink.close()
            assert client.receive(6)[2:] == sent


def test_clients_are_counted_as_they_come_leave_and_die(sink):
    script = (
        "import time, zmq\n"
        "client = zmq.Context().socket(zmq.SUB)\n"
        f"client.connect({sink.name.replace('zmq', 'tcp')!r})\n"
        "client.subscribe(b'')\n"
        "time.sleep(60)\n"
    )
    assert sink.clients() == 0
    with Subscriber(sink.name) as survivor:
        wait_until(lambda: sink.clients() == 1)
        with subprocess.Popen([sys.executable, "-c", script]) as victim:
            wait_until(lambda: sink.clients() == 2, timeout_s=30)
            survivor.receive(1)
            publish(sink, 0)
            victim.kill()
        wait_until(lambda: sink.clients() == 1)
        packet = publish(sink, 1)
        assert survivor.receive(3)[-1] == packet
    wait_until(lambda: sink.clients() == 0)


def test_curve_lets_in_who_knows_the_public_key_and_nobody_else(tmp_path):
    make_keys(tmp_path / "server.key")
    notices = []
    sink = open_sink(f"{ANY_PORT}?server_secret_file={tmp_path / 'server.key'}", sink_context(notices))
    key = load_keys(tmp_path / "server.key").public_key
    make_keys(tmp_path / "other.key")
    wrong_key = load_keys(tmp_path / "other.key").public_key
    with (
        Subscriber(sink.name, key) as friend,
        Subscriber(sink.name, wrong_key) as stranger,
        Subscriber(sink.name) as eavesdropper,
    ):
        wait_until(lambda: sink.clients() == 1)
        packet = publish(sink, 0)
        assert friend.receive(3)[-1] == packet
        assert not stranger.hears_within(300)
        assert not eavesdropper.hears_within(100)
        assert sink.clients() == 1
    assert notices == []
    sink.close()


def test_a_busy_port_is_one_sentence(sink):
    port = sink.name.rpartition(":")[2]
    with pytest.raises(SinkError) as caught:
        open_sink(sink.name, sink_context())
    assert str(caught.value) == (
        f"zmq://127.0.0.1:{port} cannot be opened: another program listens on port {port}; "
        "stop it, or choose another port"
    )


def test_a_remote_address_without_keys_is_warned_of():
    notices = []
    # A documentation address that no machine has: nothing is really opened to the network.
    with pytest.raises(SinkError, match=r"this machine has no such address; use 127\.0\.0\.1"):
        open_sink("zmq://192.0.2.1:5571", sink_context(notices))
    assert len(notices) == 1
    assert "sends the face unencrypted" in notices[0]
    assert "avatar-driver keys FILE" in notices[0]


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True)]
    + [(host, False) for host in ("*", "0.0.0.0", "::", "192.168.1.2", "studio.local")],
)
def test_what_counts_as_this_machine_only(host, expected):
    assert is_loopback(host) == expected


def test_ipv6():
    require_ipv6()
    sink = open_sink("zmq://[::1]:0", sink_context())
    with Subscriber(sink.name) as client:
        wait_until(lambda: sink.clients() == 1)
        assert client.receive() == [encode_hello(HELLO)]
    sink.close()
