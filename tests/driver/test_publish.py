"""All outputs together: nothing is lost at 60 Hz, and none disturbs another."""

import subprocess
import sys
import threading
import time

import pytest
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer
from support.stream import HELLO, UdpReceiver, numbered, sink_context, wait_until

from driver.errors import SinkError, UsageError
from driver.publish import Publisher, open_sinks
from protocol.msgpack_codec import encode, encode_hello

FRAMES = 120
RATE_HZ = 60.0

# Knows the wire only by its description: a msgpack map; float32, little-endian. Prints the numbers of the frames.
SUBSCRIBER = """
import struct, sys, msgpack, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.RCVTIMEO, 20000)
socket.connect(sys.argv[1])
socket.subscribe(b"")
seq, hello = -1, None
while seq < int(sys.argv[2]) - 1:
    message = msgpack.unpackb(socket.recv())
    if message["v"] != 1:
        continue
    if message["type"] == "hello":
        hello = message
        print("hello", flush=True)
    elif message["type"] == "face":
        seq = message["seq"]
        weights = dict(zip(hello["arkit"], struct.unpack("<52f", message["arkit"])))
        print(seq, round(weights["jawOpen"], 4), flush=True)
"""


class BrokenSink:
    """Fails at every frame, in two ways by turns."""

    name = "broken"

    def __init__(self):
        self.calls = 0
        self.is_closed = False

    def send(self, frame, packet):
        self.calls += 1
        raise SinkError(f"broken in way {self.calls % 2}")

    def clients(self):
        return None

    def close(self):
        self.is_closed = True


class RememberingSink(BrokenSink):
    name = "remembering"

    def __init__(self):
        super().__init__()
        self.sent = []

    def send(self, frame, packet):
        self.sent.append((frame, packet))

    def clients(self):
        return 2


def test_a_subscriber_and_an_osc_server_receive_every_frame_at_60_hz():
    osc_numbers = []
    dispatcher = Dispatcher()
    dispatcher.map("/avatar/frame", lambda address, seq, *rest: osc_numbers.append(seq))
    with BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher) as server:
        listening = threading.Thread(target=server.serve_forever)
        listening.start()
        sinks = open_sinks(["zmq://127.0.0.1:0", f"osc://127.0.0.1:{server.server_address[1]}"], sink_context())
        publisher = Publisher(sinks, pytest.fail)
        with subprocess.Popen(
            [sys.executable, "-c", SUBSCRIBER, sinks[0].name.replace("zmq", "tcp"), str(FRAMES)],
            stdout=subprocess.PIPE,
            text=True,
        ) as subscriber:
            wait_until(lambda: publisher.clients() == 1, timeout_s=30)
            start_s = time.monotonic()
            for seq in range(FRAMES):
                time.sleep(max(0.0, start_s + seq / RATE_HZ - time.monotonic()))
                publisher.process(numbered(seq))
            output, _ = subscriber.communicate(timeout=30)
        wait_until(lambda: len(osc_numbers) == FRAMES)
        publisher.close()
        server.shutdown()
        listening.join()
    lines = [line.split() for line in output.splitlines()]
    assert lines[0] == ["hello"]
    faces = [line for line in lines if line != ["hello"]]
    expected = [[str(seq), str(round(float(numbered(seq).arkit[17]), 4))] for seq in range(FRAMES)]
    assert faces == expected
    assert osc_numbers == list(range(FRAMES))


def test_every_sink_gets_the_same_bytes_whatever_the_others_do():
    broken, first, last = BrokenSink(), RememberingSink(), RememberingSink()
    notices = []
    publisher = Publisher([first, broken, last], notices.append)
    frames = [numbered(seq) for seq in range(10)]
    for frame in frames:
        publisher.process(frame)
    assert first.sent == last.sent == [(frame, encode(frame)) for frame in frames]
    assert notices == ["broken in way 1", "broken in way 0"]
    assert publisher.failures == {"broken": 10}
    assert publisher.sent == 10
    assert publisher.clients() == 4
    publisher.close()
    assert first.is_closed
    assert broken.is_closed
    assert last.is_closed


def test_clients_are_unknown_when_no_sink_can_count_them():
    assert Publisher([BrokenSink()], pytest.fail).clients() is None


def test_a_missing_udp_receiver_is_said_once_and_the_others_go_on():
    with UdpReceiver() as gone:
        port = gone.port
    with UdpReceiver() as receiver:
        notices = []
        urls = [f"vmc://127.0.0.1:{port}", f"udp://127.0.0.1:{receiver.port}"]
        publisher = Publisher(open_sinks(urls, sink_context(clock_ns=lambda: 0)), notices.append)
        for seq in range(20):
            publisher.process(numbered(seq))
        expected = [encode_hello(HELLO), *(encode(numbered(seq)) for seq in range(20))]
        assert receiver.receive(21) == expected
        assert notices == [
            f"vmc://127.0.0.1:{port} gets no frames: nobody listens there; start the receiver or correct the port"
        ]
        assert publisher.failures[f"vmc://127.0.0.1:{port}"] >= 19
        publisher.close()


def test_opening_is_all_or_nothing():
    sinks = open_sinks(["zmq://127.0.0.1:0"], sink_context())
    port = sinks[0].name.rpartition(":")[2]
    sinks[0].close()
    with pytest.raises(UsageError):
        open_sinks([f"zmq://127.0.0.1:{port}", "nonsense://"], sink_context())
    # The first one was closed again: its port is free.
    for sink in open_sinks([f"zmq://127.0.0.1:{port}"], sink_context()):
        sink.close()
