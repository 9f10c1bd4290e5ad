"""The iFacialMocap output before programs that ask and programs that only listen, written from the public text."""

import pytest
from support.ifacialmocap import ASK, Program
from support.stream import UdpReceiver, numbered, sink_context, wait_until

from driver.errors import SinkError
from driver.publish import check_sink, open_sink
from driver.sinks import ifacialmocap as sink_module
from driver.sinks.ifacialmocap import IFacialMocapServer

ASK_V2 = ASK + b"|sendDataVersion=v2"
STOP = b"iFacialMocap_UDPTCPSTOP_sahuasouryya9218sauhuiayeta91555dy3719"


@pytest.fixture
def program():
    """Makes programs, and closes them in the end."""
    programs = []

    def make(host: str, port: int = 0) -> Program:
        programs.append(Program(host, port))
        return programs[-1]

    yield make
    for one in programs:
        one.close()


def server(reply_port, notices=None, clock_ns=lambda: 0):
    return IFacialMocapServer("ifacialmocap://127.0.0.1:0", "127.0.0.1", 0, reply_port, sink_context(notices, clock_ns))


def is_face(fields, frame):
    # numbered(1) is the golden wink: left eye shut, jaw 0.625, head turned 0.5 rad to the left.
    assert len(fields) == 1 + 52 + 3
    assert fields["trackingStatus"] == [1]
    assert (fields["eyeBlink_L"], fields["eyeBlink_R"], fields["jawOpen"]) == ([100], [0], [62])
    assert fields["head"][:3] == pytest.approx([5.98, 28.97, 5.21], abs=0.01)
    assert fields["head"][3:] == pytest.approx(frame.head_translation.tolist(), abs=1e-4)
    assert fields["rightEye"] == pytest.approx([-7.162, -14.324, 0], abs=1e-3)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_program_that_only_listens(program, version):
    listener = program("127.0.0.1")
    sink = open_sink(f"ifacialmocap://127.0.0.1:{listener.port}?version={version}", sink_context())
    sink.send(numbered(1), b"")
    is_face(listener.face(), numbered(1))
    assert sink.clients() is None
    sink.close()


def test_programs_that_ask_are_answered_each_in_its_version(program):
    notices = []
    first = program("127.0.0.2")
    second = program("127.0.0.3", first.port)
    sink = server(first.port, notices)
    sink.send(numbered(0), b"")
    assert sink.clients() == 0
    first.ask(ASK, sink.port)
    second.ask(ASK_V2, sink.port)
    for seq in (1, 2, 3):
        sink.send(numbered(seq), b"")
    assert sink.clients() == 2
    for one in (first, second):
        for _ in range(3):
            is_face(one.face(), numbered(1))
    assert notices == [
        f"127.0.0.2 asked ifacialmocap://127.0.0.1:{sink.port} for the face and gets it on port {first.port}",
        f"127.0.0.3 asked ifacialmocap://127.0.0.1:{sink.port} for the face and gets it on port {first.port}",
    ]
    first.ask(STOP, sink.port)
    sink.send(numbered(4), b"")
    assert sink.clients() == 1
    sink.close()


def test_asking_every_second_changes_nothing_but_the_version(program):
    notices = []
    one = program("127.0.0.2")
    sink = server(one.port, notices)
    for text in (ASK, ASK, ASK_V2):
        one.ask(text, sink.port)
        sink.send(numbered(1), b"")
    assert sink.clients() == 1
    assert len(notices) == 1
    is_face(one.face(), numbered(1))
    sink.close()


def test_a_program_that_has_gone_is_forgotten_after_five_seconds_of_refusals(program):
    now_ns = [0]
    one = program("127.0.0.2")
    sink = server(one.port, clock_ns=lambda: now_ns[0])
    one.ask(ASK, sink.port)
    sink.send(numbered(1), b"")
    one.close()

    def frame():
        now_ns[0] += 100_000_000
        sink.send(numbered(1), b"")

    for _ in range(49):
        frame()
    assert sink.clients() == 1
    for _ in range(10):
        frame()
    assert sink.clients() == 0
    sink.close()


def test_a_program_that_listens_a_moment_later_keeps_its_place(program):
    """Some ask first and open their port then: a few datagrams are refused."""
    now_ns = [0]
    one = program("127.0.0.2")
    port = one.port
    sink = server(port, clock_ns=lambda: now_ns[0])
    one.ask(ASK, sink.port)
    one.close()
    for _ in range(40):
        now_ns[0] += 100_000_000
        sink.send(numbered(1), b"")
    late = program("127.0.0.2", port)
    for _ in range(40):
        now_ns[0] += 100_000_000
        sink.send(numbered(1), b"")
    assert sink.clients() == 1
    is_face(late.face(), numbered(1))
    sink.close()


def test_a_ninth_program_takes_the_place_of_the_one_that_asked_longest_ago(program):
    programs = [program("127.0.0.2")]
    programs += [program(f"127.0.0.{last}", programs[0].port) for last in range(3, 11)]
    sink = server(programs[0].port)
    for one in programs:
        one.ask(ASK, sink.port)
        sink.send(numbered(1), b"")
    assert sink.clients() == 8
    sink.close()


def test_noise_and_other_requests_are_not_answered(program):
    notices = []
    one = program("127.0.0.2")
    sink = server(one.port, notices)
    for text in (b"", b"hello", b"\xff" * 2000, ASK[:-1], ASK.replace(b"_", b"_UDPTCP_", 1)):
        one.ask(text, sink.port)
    sink.send(numbered(1), b"")
    assert sink.clients() == 0
    assert notices == [
        f"127.0.0.2 asks ifacialmocap://127.0.0.1:{sink.port} for iFacialMocap over TCP, which is not spoken here; "
        "switch it to UDP"
    ]
    sink.close()


def test_a_program_on_the_same_address_and_port_is_told_what_to_do(program):
    notices = []
    sink = server(0, notices)
    sink._reply_port = sink.port  # as with the defaults of both sides
    program("127.0.0.1").ask(ASK, sink.port)
    sink.send(numbered(1), b"")
    assert sink.clients() == 0
    assert len(notices) == 1
    assert "leave mode=listen out" in notices[0]
    sink.close()


def test_a_taken_port_is_said_with_its_remedy():
    with UdpReceiver() as taken, pytest.raises(SinkError, match=f"another program listens on port {taken.port}"):
        open_sink(f"ifacialmocap://127.0.0.1:{taken.port}?mode=listen", sink_context())


def test_doctor_says_what_opening_alone_does_not(program):
    listener = program("127.0.0.1")
    assert check_sink(f"ifacialmocap://127.0.0.1:{listener.port}", sink_context()) == "can be opened"
    with pytest.raises(SinkError, match="another program listens"):
        check_sink(f"ifacialmocap://127.0.0.1:{listener.port}?mode=listen", sink_context())
    listener.close()
    assert "nobody listens on port" in check_sink(f"ifacialmocap://127.0.0.1:{listener.port}", sink_context())
    assert check_sink(f"ifacialmocap://127.0.0.1:{listener.port}?mode=listen", sink_context()) == "can be opened"


def test_listening_for_the_network_is_warned_of():
    notices = []
    with UdpReceiver() as free:
        port = free.port
    open_sink(f"ifacialmocap://0.0.0.0:{port}?mode=listen&reply_port=5", sink_context(notices)).close()
    assert len(notices) == 1
    assert "to any program on the network" in notices[0]


def test_a_full_buffer_of_requests_does_not_hold_up_a_frame(program):
    one = program("127.0.0.2")
    sink = server(one.port)
    for _ in range(3 * sink_module._REQUESTS_A_FRAME):
        one.ask(ASK, sink.port)
    wait_until(lambda: sink.send(numbered(1), b"") is None and sink.clients() == 1)
    sink.close()
