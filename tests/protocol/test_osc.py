"""OSC 1.0: documented bytes, an independent peer, and what a receiver refuses."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc import osc_bundle, osc_bundle_builder, osc_message, osc_message_builder

from protocol.frame import ProtocolError
from protocol.osc import (
    BUNDLE_HEAD,
    Impulse,
    Message,
    TimeTag,
    decode_packet,
    encode_bundle,
    encode_message,
    pack,
)

VECTORS = [
    (
        ("/VMC/Ext/Blend/Val", "JawOpen", 0.5),
        "2f564d43 2f457874 2f426c65 6e642f56 616c0000 2c736600 4a61774f 70656e00 3f000000",
    ),
    (("/VMC/Ext/Blend/Apply",), "2f564d43 2f457874 2f426c65 6e642f41 70706c79 00000000 2c000000"),
    (
        ("/VMC/Ext/OK", 1, 3, 0, 1),
        "2f564d43 2f457874 2f4f4b00 2c696969 69000000 00000001 00000003 00000000 00000001",
    ),
    (
        ("/VMC/Ext/Bone/Pos", "Head", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
        "2f564d43 2f457874 2f426f6e 652f506f 73000000 2c736666 66666666 66000000 48656164 00000000"
        + " 00000000" * 6
        + " 3f800000",
    ),
    (
        ("/avatar/parameters/v2/JawOpen", 0.5),
        "2f617661 7461722f 70617261 6d657465 72732f76 322f4a61 774f7065 6e000000 2c660000 3f000000",
    ),
    (
        ("/avatar/parameters/v2/JawOpen1", True),
        "2f617661 7461722f 70617261 6d657465 72732f76 322f4a61 774f7065 6e310000 2c540000",
    ),
    (
        ("/tracking/eye/CenterPitchYaw", 5.0, -10.0),
        "2f747261 636b696e 672f6579 652f4365 6e746572 50697463 68596177 00000000 2c666600 40a00000 c1200000",
    ),
]


@pytest.mark.parametrize(("message", "expected"), VECTORS, ids=[vector[0][0] for vector in VECTORS])
def test_documented_bytes(message, expected):
    assert encode_message(*message) == bytes.fromhex(expected)
    assert decode_packet(bytes.fromhex(expected)) == [Message(message[0], message[1:])]


def test_documented_bundle():
    value, apply = encode_message(*VECTORS[0][0]), encode_message(*VECTORS[1][0])
    bundle = encode_bundle([value, apply])
    assert bundle == bytes.fromhex("2362756e646c6500 0000000000000001 00000024") + value + bytes.fromhex("0000001c") + (
        apply
    )
    assert len(bundle) == 88


an_argument = st.one_of(
    st.integers(-(2**31), 2**31 - 1),
    st.floats(width=32, allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    st.binary(min_size=1, max_size=20),  # the peer refuses to write empty blobs
    st.booleans(),
)
an_address = st.from_regex(r"/[a-zA-Z0-9_/]{1,30}", fullmatch=True)


@given(an_address, st.lists(an_argument, max_size=6))
def test_an_independent_reader_understands_our_messages(address, arguments):
    data = encode_message(address, *arguments)
    theirs = osc_message.OscMessage(data)
    assert (theirs.address, theirs.params) == (address, arguments)
    assert decode_packet(data) == [Message(address, tuple(arguments))]


@given(an_address, st.lists(an_argument, max_size=6))
def test_we_understand_an_independent_writer(address, arguments):
    bundle = osc_bundle_builder.OscBundleBuilder(osc_bundle_builder.IMMEDIATELY)
    message = osc_message_builder.OscMessageBuilder(address)
    for argument in arguments:
        message.add_arg(argument)
    bundle.add_content(message.build())
    bundle.add_content(bundle.build())
    ours = Message(address, tuple(arguments))
    assert decode_packet(bundle.build().dgram) == [ours, ours]


def test_every_type_is_read():
    tags = b",ihfdsbtTFNI[i[f]]\0\0"
    data = (
        b"/a\0\0"
        + tags
        + struct.pack(">iqfd", -5, 2**40, 0.5, 0.1)
        + b"text\0\0\0\0"
        + b"\0\0\0\x03abc\0"
        + struct.pack(">Q", 2**63 + 7)
        + struct.pack(">if", 9, 1.5)
    )
    expected = (-5, 2**40, 0.5, 0.1, "text", b"abc", TimeTag(2**63 + 7), True, False, None, Impulse(), [9, [1.5]])
    assert decode_packet(data) == [Message("/a", expected)]


def test_large_integers_are_64_bit():
    assert encode_message("/a", 2**31) == b"/a\0\0,h\0\0" + struct.pack(">q", 2**31)
    assert encode_message("/a", 2**31 - 1) == b"/a\0\0,i\0\0" + struct.pack(">i", 2**31 - 1)


@given(st.lists(st.integers(8, 1400).map(lambda size: b"/" + b"a" * (size // 4 * 4 - 1)), max_size=30))
def test_packing_keeps_order_and_size(messages):
    datagrams = pack(messages)
    assert all(len(datagram) <= 1472 for datagram in datagrams)
    assert b"".join(datagram[16:] for datagram in datagrams) == encode_bundle(messages)[16:]
    for one, following in itertools.pairwise(datagrams):
        first = 4 + int.from_bytes(following[16:20], "big")
        assert len(one) + first > 1472  # it did not fit


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has 0 bytes"),
        (b"/a\0", "has 3 bytes"),
        (b"abc\0", "an address or #bundle"),
        (b"/abc", "no end"),
        (b"/a\0\0", "no type tags"),
        (b"/a\0\0ii\0\0", "no type tags"),
        (b"/a\0b,\0\0\0", "padded"),
        (b"/a\0\0,x\0\0", "unknown type tag 'x'"),
        (b"/a\0\0,i\0\0", "ends 4 bytes early"),
        (b"/a\0\0,\0\0\0\0\0\0\0", "4 bytes after its arguments"),
        (b"/a\0\0,s\0\0\xff\0\0\0", "not UTF-8"),
        (b"/a\0\0,b\0\0\xff\xff\xff\xff", "a part of -1 bytes"),
        (b"/a\0\0,b\0\0\x7f\xff\xff\xff", "early"),
        (b"/a\0\0,[\0\0", "leaves an array open"),
        (b"/a\0\0,]\0\0", "did not open"),
        (b"/a\0\0," + b"[" * 1000 + b"]" * 1000 + b"\0\0\0", "nests arrays"),
        (b"#bundle\0\0\0\0\0", "ends 4 bytes early"),
        (BUNDLE_HEAD + b"\0\0\0\x08/a\0\0", "ends 4 bytes early"),
        (BUNDLE_HEAD + b"\0\0\0\0", "has 0 bytes"),
        (BUNDLE_HEAD + b"\xff\xff\xff\xff", "-1 bytes"),
        (b"/" * 65_508, "the most is 65507"),
    ],
)
def test_bytes_that_are_no_osc_are_refused(data, message):
    with pytest.raises(ProtocolError, match=message):
        decode_packet(data)


def test_deep_bundles_are_refused():
    data = encode_message("/a")
    for _ in range(8):
        data = encode_bundle([data])
    assert decode_packet(data) == [Message("/a", ())]
    with pytest.raises(ProtocolError, match="more than 8 deep"):
        decode_packet(encode_bundle([data]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: encode_message("no/slash"), "must begin with /"),
        (lambda: encode_message("/a\0b"), "no NUL"),
        (lambda: encode_message("/a", "b\0c"), "holds a NUL"),
        (lambda: encode_message("/a", 2**63), "does not fit"),
        (lambda: encode_message("/a", 1e39), "does not fit"),
    ],
)
def test_what_cannot_be_encoded_is_refused(call, message):
    with pytest.raises(ProtocolError, match=message):
        call()


@given(st.binary(max_size=400) | st.binary(max_size=400).map(lambda data: b"#bundle\0" + data))
def test_arbitrary_bytes_raise_only_protocol_errors(data):
    try:
        decode_packet(data)
    except ProtocolError:
        return
    assert osc_bundle.OscBundle.dgram_is_bundle(data) or osc_message.OscMessage.dgram_is_message(data)
