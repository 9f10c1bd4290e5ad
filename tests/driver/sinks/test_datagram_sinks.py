"""The UDP outputs, received by real sockets and read by decoders that did not write the packets where there are any."""

import pytest
from pythonosc.osc_bundle import OscBundle
from support.stream import HELLO, UdpReceiver, numbered, require_ipv6, sink_context

from driver.errors import SinkError
from driver.publish import check_sink, open_sink
from protocol import livelink
from protocol.frame import ARKIT_SHAPES
from protocol.msgpack_codec import encode, encode_hello


def osc_messages(datagrams):
    return [(message.address, message.params) for datagram in datagrams for message in OscBundle(datagram)]


def test_udp_sends_the_same_packets_and_a_hello_every_second():
    now_ns = [0]
    with UdpReceiver() as receiver:
        sink = open_sink(f"udp://127.0.0.1:{receiver.port}", sink_context(clock_ns=lambda: now_ns[0]))
        packets = [encode(numbered(seq)) for seq in range(4)]
        for seq, at_ns in enumerate((0, 500_000_000, 999_999_999, 1_000_000_000)):
            now_ns[0] = at_ns
            sink.send(numbered(seq), packets[seq])
        hello = encode_hello(HELLO)
        assert receiver.receive(6) == [hello, *packets[:3], hello, packets[3]]
        sink.close()


def test_osc_arrives_at_an_independent_reader():
    with UdpReceiver() as receiver:
        sink = open_sink(f"osc://127.0.0.1:{receiver.port}", sink_context())
        frame = numbered(1)
        sink.send(frame, b"")
        messages = osc_messages(receiver.receive(1))
        sink.close()
    assert dict(messages)["/avatar/arkit"] == pytest.approx(frame.arkit.tolist())
    address, arguments = messages[-1]
    assert address == "/avatar/frame"
    assert arguments == [frame.seq, frame.capture_ns, frame.publish_ns, frame.head]


def test_osc_can_send_one_address_for_each_shape():
    with UdpReceiver() as receiver:
        sink = open_sink(f"osc://127.0.0.1:{receiver.port}?per_shape=1", sink_context())
        frame = numbered(1)
        sink.send(frame, b"")
        messages = {}
        while "/avatar/frame" not in messages:
            messages |= dict(osc_messages(receiver.receive(1)))
        sink.close()
    sent = [messages[f"/avatar/arkit/{name}"] for name in ARKIT_SHAPES]
    assert sent == [[pytest.approx(float(weight))] for weight in frame.arkit]


@pytest.mark.parametrize(("mode", "has_bones"), [("assistant", False), ("performer", True)])
def test_vmc_arrives_and_ends_with_apply(mode, has_bones):
    with UdpReceiver() as receiver:
        sink = open_sink(f"vmc://127.0.0.1:{receiver.port}?mode={mode}", sink_context())
        frame = numbered(1)
        sink.send(frame, b"")
        messages = []
        while not messages or messages[-1][0] != "/VMC/Ext/Blend/Apply":
            messages += osc_messages(receiver.receive(1))
        sink.close()
    values = dict(arguments for address, arguments in messages if address == "/VMC/Ext/Blend/Val")
    assert values["JawOpen"] == pytest.approx(frame.arkit[ARKIT_SHAPES.index("jawOpen")])
    bones = {arguments[0] for address, arguments in messages if address == "/VMC/Ext/Bone/Pos"}
    assert bones == ({"Neck", "Head", "LeftEye", "RightEye"} if has_bones else set())


def test_live_link_arrives_under_its_subject():
    with UdpReceiver() as receiver:
        sink = open_sink(f"livelink://127.0.0.1:{receiver.port}?subject=Anna", sink_context())
        frame = numbered(1)
        sink.send(frame, b"")
        packet = livelink.decode(receiver.receive(1)[0])
        sink.close()
    assert (packet.subject, packet.rate_numerator) == ("Anna", 60)
    assert packet.values is not None
    assert packet.values[:52].tolist() == frame.arkit.tolist()


def test_a_receiver_that_comes_back_misses_nothing():
    with UdpReceiver() as receiver:
        port = receiver.port
        sink = open_sink(f"udp://127.0.0.1:{port}", sink_context(clock_ns=lambda: 0))
    for seq in range(3):
        with pytest.raises(SinkError, match=f"udp://127.0.0.1:{port} gets no frames: nobody listens there; start"):
            send_until_refused(sink, numbered(seq), b"lost")
    with UdpReceiver(port) as receiver:
        with pytest.raises(SinkError):  # the refusal of the last datagram before
            sink.send(numbered(3), b"first")
        sink.send(numbered(4), b"second")
        assert receiver.receive(2) == [b"first", b"second"]
    sink.close()


def send_until_refused(sink, frame, packet):
    """The system tells of a missing receiver with a later datagram."""
    for _ in range(3):
        sink.send(frame, packet)


def test_an_unknown_machine_is_said_at_once():
    with pytest.raises(SinkError, match=r"no machine is called 'no-such-machine\.invalid'; check the name"):
        open_sink("osc://no-such-machine.invalid:9010", sink_context())


def test_ipv6():
    require_ipv6()
    with UdpReceiver(host="::1") as receiver:
        sink = open_sink(f"udp://[::1]:{receiver.port}", sink_context())
        sink.send(numbered(1), b"packet")
        assert receiver.receive(2)[1] == b"packet"
        assert sink.name == f"udp://[::1]:{receiver.port}"
        sink.close()


@pytest.mark.parametrize("scheme", ["udp", "osc", "vmc", "livelink"])
def test_doctor_says_whether_anybody_listens(scheme):
    with UdpReceiver() as receiver:
        url = f"{scheme}://127.0.0.1:{receiver.port}"
        assert check_sink(url, sink_context()) == "can be opened"
    assert f"nobody listens on port {receiver.port} yet: " in check_sink(url, sink_context())
    assert check_sink(f"{scheme}://192.0.2.1:9", sink_context()) == "can be opened"  # another machine: who knows
