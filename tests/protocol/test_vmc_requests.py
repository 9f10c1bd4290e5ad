"""What VMC receivers ask for: periods, news, messages to pass on, and what makes no sense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_message_builder import OscMessageBuilder

from protocol import osc
from protocol.frame import ProtocolError
from protocol.vmc_requests import Groups, Periods, Requests, decode, encode_listening


def asked(address, *arguments):
    """Read back from bytes that python-osc has written."""
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return decode(osc.decode_packet(builder.build().dgram))


def test_periods():
    assert asked("/VMC/Ext/Set/Period", 1, 2, 3, 4, 5, 6).periods == Periods(1, 2, 3, 4)
    assert asked("/VMC/Ext/Set/Period", 1, 1, 1, 1).periods == Periods()
    due = [Periods(status=1, root=2, bone=3, blend=6).due(number) for number in range(6)]
    assert due[0] == Groups()
    assert due[1] == Groups(root=False, bone=False, blend=False)
    assert [group.bone for group in due] == [True, False, False, True, False, False]


def test_news_and_what_is_passed_on():
    assert asked("/VMC/Ext/Set/Req").wants_news
    raw = osc.encode_message("/VMC/Thru/Somebody/Mood", "happy", 0.5)
    assert decode(osc.decode_packet(raw)) == Requests(None, False, (raw,))
    assert asked("/VMC/Thru/Somebody/Mood", "happy").passed_on == (
        osc.encode_message("/VMC/Thru/Somebody/Mood", "happy"),
    )
    many = decode(osc.decode_packet(osc.encode_bundle([raw] * 100)))
    assert len(many.passed_on) == 16


def test_other_addresses_are_passed_over():
    nothing = Requests(None, False, ())
    for address in ("/VMC/Ext/Set/Eye", "/VMC/Ext/Blend/Apply", "/VMC/Ext/Set/Calib/Exec", "/avatar/jaw"):
        assert asked(address, 1) == nothing


@pytest.mark.parametrize(
    ("address", "arguments", "message"),
    [
        ("/VMC/Ext/Set/Period", (1, 2, 3), "whole numbers in 1..3600"),
        ("/VMC/Ext/Set/Period", (1, 2, 3, 0), "whole numbers in 1..3600"),
        ("/VMC/Ext/Set/Period", (1, 2, 3, True), "whole numbers in 1..3600"),
        ("/VMC/Ext/Set/Period", (1, 2, 3.5, 1), "whole numbers in 1..3600"),
        ("/VMC/Thru/Somebody/Mood", (0.5,), "a text and at most one number"),
        ("/VMC/Thru/Somebody/Mood", ("a", True), "a text and at most one number"),
        ("/VMC/Thru/Somebody/Mood", ("a", 1, 2), "a text and at most one number"),
    ],
)
def test_what_makes_no_sense_is_refused(address, arguments, message):
    with pytest.raises(ProtocolError, match=message):
        asked(address, *arguments)


def test_where_requests_are_listened_to():
    assert osc.decode_packet(encode_listening(39540, "127.0.0.1")) == [
        osc.Message("/VMC/Ext/Rcv", (1, 39540, "127.0.0.1"))
    ]


ARGUMENTS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
ADDRESSES = st.sampled_from(["/VMC/Ext/Set/Period", "/VMC/Ext/Set/Req", "/VMC/Thru/a/b", "/VMC/Thru/"])


@given(st.lists(st.builds(osc.Message, ADDRESSES, st.lists(ARGUMENTS, max_size=7).map(tuple)), max_size=3))
def test_any_messages_raise_only_protocol_errors(messages):
    try:
        found = decode(messages)
    except ProtocolError:
        return
    assert found.periods is None or isinstance(found.periods, Periods)
