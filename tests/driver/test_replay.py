"""Replaying: the same bytes, at the recorded times, without drift."""

import socket

import pytest
from support.stream import HELLO, Subscriber, UdpReceiver, free_port, numbered, sink_context, wait_until

from driver.errors import MediaError, SinkError, UsageError
from driver.publish import Publisher, open_sinks
from driver.recording import Recorder
from driver.replay import replay, send_recording
from protocol.msgpack_codec import encode, encode_hello

UNEVEN_NS = [0, 16_000_000, 17_000_000, 250_000_000, 266_000_000]
START_NS = 5_000_000_000


class SimulatedTime:
    """A clock and the event that waits by it. Every wait and every frame sent takes a little longer than it should."""

    def __init__(self, late_ns=0, stop_after=None):
        self.now_ns = 1_000
        self.late_ns = late_ns
        self.stop_after = stop_after
        self.sent = []

    def clock_ns(self):
        return self.now_ns

    def wait(self, seconds):
        self.now_ns += round(seconds * 1e9) + self.late_ns
        return self.is_set()

    def is_set(self):
        return self.stop_after is not None and len(self.sent) >= self.stop_after

    # The sink's side
    name = "simulated"

    def send(self, frame, packet):
        self.sent.append((self.now_ns - 1_000, frame.seq, packet))
        self.now_ns += self.late_ns

    def clients(self):
        return None

    def close(self):
        pass


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "talk.adrec"
    recorder = Recorder(path, sink_context())
    for frame in frames():
        recorder.send(frame, encode(frame))
    recorder.close()
    return path


def frames():
    return [numbered(seq, START_NS + since_ns) for seq, since_ns in enumerate(UNEVEN_NS)]


def send(path, simulated, speed=1.0, loop=False):
    publisher = Publisher([simulated], pytest.fail)
    return send_recording(path, publisher, speed, loop, pytest.fail, simulated, simulated.clock_ns)


@pytest.mark.parametrize("speed", [1.0, 0.5, 4.0])
def test_frames_are_sent_when_they_are_due(recording, speed):
    simulated = SimulatedTime()
    assert send(recording, simulated, speed) == 5
    assert [at_ns for at_ns, _, _ in simulated.sent] == [round(since_ns / speed) for since_ns in UNEVEN_NS]


def test_delays_do_not_add_up(recording):
    simulated = SimulatedTime(late_ns=400_000)
    send(recording, simulated)
    lateness = [at_ns - due_ns for (at_ns, _, _), due_ns in zip(simulated.sent, UNEVEN_NS, strict=True)]
    assert max(lateness) <= 400_000
    assert min(lateness) >= 0


def test_a_loop_goes_on_in_step(recording):
    simulated = SimulatedTime(stop_after=12)
    assert send(recording, simulated, loop=True) == 12
    assert [seq for _, seq, _ in simulated.sent] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    # Each round begins as long after the last frame as that one came after its predecessor.
    round_ns = UNEVEN_NS[-1] + (UNEVEN_NS[-1] - UNEVEN_NS[-2])
    assert [at_ns for at_ns, _, _ in simulated.sent[5:7]] == [round_ns, round_ns + UNEVEN_NS[1]]
    assert simulated.sent[10][0] == 2 * round_ns


def test_zmq_and_udp_carry_the_recorded_bytes(recording):
    packets = [encode(frame) for frame in frames()]
    with UdpReceiver() as receiver:
        urls = ["zmq://127.0.0.1:0", f"udp://127.0.0.1:{receiver.port}"]
        publisher = Publisher(open_sinks(urls, sink_context()), pytest.fail)
        zmq_name = publisher.sinks[0].name
        with Subscriber(zmq_name) as subscriber:
            wait_until(lambda: publisher.clients() == 1)
            assert send_recording(recording, publisher, 10.0, False, pytest.fail) == 5
            publisher.close()
            assert subscriber.receive(7) == [encode_hello(HELLO)] * 2 + packets
        assert receiver.receive(6) == [encode_hello(HELLO), *packets]


def test_the_command_introduces_the_stream_with_the_recorded_hello(recording):
    with UdpReceiver() as receiver:
        assert replay(recording, [f"udp://127.0.0.1:{receiver.port}"], 10.0, False, pytest.fail) == 5
        assert receiver.receive(6) == [encode_hello(HELLO), *(encode(frame) for frame in frames())]


def test_the_preview_shows_a_recording(recording):
    pytest.importorskip("viser", reason="the preview is viser's page")
    from support.viser_page import open_page, read_until

    said, pages = [], []

    def notice(sentence):
        said.append(sentence)
        if "to see the preview" in sentence:
            pages.append(open_page(sentence.split()[1]))

    replay(recording, [f"udp://127.0.0.1:{free_port()}"], 0.1, False, notice, preview=0)
    with pages[0] as page:
        read_until(page, lambda message: "eyeBlinkLeft" in str(message.get("updates")))


def test_the_outputs_are_closed_when_the_recording_is_damaged(recording):
    data = bytearray(recording.read_bytes())
    data[-1] ^= 1
    recording.write_bytes(data)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(MediaError, match="is damaged: its checksum"):
        replay(recording, [f"zmq://127.0.0.1:{port}"], 100.0, False, pytest.fail)
    try:
        open_sinks([f"zmq://127.0.0.1:{port}"], sink_context())[0].close()
    except SinkError:
        pytest.fail("the port is still busy")


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), 1e9])
def test_a_senseless_speed_is_refused(recording, speed):
    with pytest.raises(UsageError, match=r"it must be in 0\.01\.\.100"):
        send(recording, SimulatedTime(), speed)


def test_a_recording_without_frames_is_one_sentence(tmp_path):
    Recorder(tmp_path / "empty.adrec", sink_context()).close()
    with pytest.raises(MediaError, match="holds no frames"):
        send(tmp_path / "empty.adrec", SimulatedTime(), loop=True)
