"""The main wire: round trips, the exact map, and what a receiver refuses."""

import dataclasses

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.frame import ARKIT_SHAPES, PART_BY_NAME, PARTS, FaceFrame, ProtocolError
from protocol.golden.frames import dense, detailed, frames, wink
from protocol.hello import SCHEMA, Hello
from protocol.msgpack_codec import MAX_DATAGRAM_BYTES, decode, encode, encode_hello

HELLO = Hello(sender="avatar-driver", sender_version="1.2.3", head="open-head/1", rate_hz=60.0)


def part_values(part):
    number = st.floats(part.minimum, part.maximum, width=32) if _is_float32(part) else st.floats(-1.5, 1.5, width=32)
    if part.is_scalar:
        return number
    return st.lists(number, min_size=part.size, max_size=part.size).map(lambda given: np.array(given, np.float32))


def _is_float32(part):
    return all(float(np.float32(bound)) == bound for bound in (part.minimum, part.maximum))


def frames_with(optional):
    return st.builds(
        FaceFrame,
        seq=st.integers(0, 2**63 - 1),
        capture_ns=st.integers(0, 2**63 - 1),
        publish_ns=st.integers(0, 2**63 - 1),
        head=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64),
        **{part.name: part_values(part) for part in PARTS if not part.is_optional or part.name == optional},
    )


# No packet has room for both.
a_frame = st.sampled_from([None, "shape", "detail"]).flatmap(frames_with)


def changed(packet: bytes, **fields) -> bytes:
    """`packet` with some keys replaced; a value of None leaves the key out."""
    content = {**msgpack.unpackb(packet), **fields}
    return msgpack.packb({key: value for key, value in content.items() if value is not None}, use_single_float=True)


@pytest.mark.parametrize("name", frames())
def test_frame_survives_the_wire(name):
    frame = frames()[name]
    assert decode(encode(frame)) == frame
    assert encode(decode(encode(frame))) == encode(frame)


@given(a_frame)
def test_any_frame_survives_the_wire(frame):
    packet = encode(frame)
    assert decode(packet) == frame
    assert decode(memoryview(packet)) == frame
    assert encode(decode(packet)) == packet


def test_the_map_is_what_the_document_says():
    frame = wink()
    content = msgpack.unpackb(encode(frame))
    names = [part.name for part in PARTS if not part.is_optional]
    assert list(content) == ["v", "type", "seq", "capture_ns", "publish_ns", "head", *names]
    assert (content["v"], content["type"], content["seq"]) == (1, "face", 4321)
    assert content["jaw"] == np.array([0.25, 0.0625, -0.03125], "<f4").tobytes()
    assert content["speech"] == 0.875
    assert len(content["arkit"]) == 4 * len(ARKIT_SHAPES)


@pytest.mark.parametrize("frame", [dense(), detailed()])
def test_the_largest_packets_fit_one_datagram(frame):
    longest = {
        "seq": 2**63 - 1,
        "capture_ns": 2**63 - 1,
        "publish_ns": 2**63 - 1,
        "head": "h" * 64,
        "subject": "s" * 32,
    }
    assert len(encode(dataclasses.replace(frame, **longest))) <= MAX_DATAGRAM_BYTES


def test_the_largest_hello_fits_one_datagram():
    largest = dataclasses.replace(HELLO, sender="s" * 32, sender_version="v" * 16, detail="d" * 32)
    assert len(encode_hello(largest)) <= MAX_DATAGRAM_BYTES


def test_identity_and_detail_do_not_travel_in_one_frame():
    both = dataclasses.replace(dense(), detail=detailed().detail)
    with pytest.raises(ProtocolError, match="it must fit 1472"):
        encode(both)
    # A receiver has room for them, should a later sender have it, too.
    content = {**msgpack.unpackb(encode(dense())), "detail": detailed().detail.tobytes()}
    assert decode(msgpack.packb(content)) == both


def test_decoded_arrays_are_read_only():
    for frame in (decode(encode(dense())), decode(encode(detailed()))):
        arrays = [frame.part(part.name) for part in PARTS if not part.is_scalar]
        assert all(not array.flags.writeable for array in arrays if array is not None)


def test_hello_survives_the_wire():
    assert decode(encode_hello(HELLO)) == HELLO
    whose = dataclasses.replace(HELLO, detail="deca-detail/0123456789ab")
    assert decode(encode_hello(whose)) == whose != HELLO
    with pytest.raises(ProtocolError, match="the hello's detail"):
        dataclasses.replace(HELLO, detail="d" * 65)
    assert HELLO.parts == SCHEMA


def test_keys_of_later_senders_are_passed_over():
    frame = wink()
    assert decode(changed(encode(frame), tongue=b"\0" * 12, note={"nested": [1, 2]})) == frame
    hello = msgpack.unpackb(encode_hello(HELLO))
    hello["parts"].append(["tongue", 12, "0..1", 0.0, 1.0, "and one column more"])
    assert decode(msgpack.packb(hello)).parts[-1].name == "tongue"


@pytest.mark.parametrize("value", [1e300, -1e300, 2**64 - 1, -(2**63)])
def test_numbers_that_fit_no_float32_are_refused(value):
    with pytest.raises(ProtocolError, match=r"arousal is .*; it must be finite and within -1\.\.1"):
        decode(msgpack.packb({**msgpack.unpackb(encode(wink())), "arousal": value}))


def test_numbers_may_be_float64_or_integers():
    content = {**msgpack.unpackb(encode(wink())), "speech": 0.1, "arousal": -1, "valence": 1e-300}
    frame = decode(msgpack.packb(content))
    assert (frame.speech, frame.arousal, frame.valence) == (float(np.float32(0.1)), -1.0, 0.0)


def test_bounds_are_allowed_their_float32_rounding():
    turned = np.array([0, np.pi, 0], "<f4")
    assert decode(changed(encode(wink()), head_rotation=turned.tobytes())).head_rotation[1] == turned[1]


@pytest.mark.parametrize("part", [part for part in PARTS if not part.is_scalar], ids=lambda part: part.name)
@pytest.mark.parametrize("value", [np.nan, np.inf, -101.0, 101.0])
def test_values_out_of_range_are_refused(part, value):
    frame = detailed() if part.name == "detail" else dense()
    values = frame.part(part.name).astype("<f4")
    values[-1] = value
    with pytest.raises(ProtocolError, match=part.name):
        decode(changed(encode(frame), **{part.name: values.tobytes()}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"v": 2}, "schema version 2 and this program reads 1"),
        ({"v": True}, "schema version True"),
        ({"v": None}, "schema version None"),
        ({"type": "body"}, "type 'body'"),
        ({"type": None}, "type None"),
        ({"seq": None}, "has no seq"),
        ({"seq": -1}, "seq is -1"),
        ({"seq": 2**63}, "seq is"),
        ({"seq": 1.0}, "seq is 1.0"),
        ({"capture_ns": "now"}, "capture_ns is 'now'"),
        ({"head": ""}, "head is ''"),
        ({"head": "x" * 65}, "head is"),
        ({"head": 7}, "head is 7"),
        ({"head": "a\nb"}, "head is"),
        ({"jaw": None}, "jaw is missing"),
        ({"jaw": b"\0" * 8}, "jaw is 8 bytes; it must be a bin of 12"),
        ({"jaw": [0.0, 0.0, 0.0]}, "jaw is list"),
        ({"shape": b"\0" * 4}, "shape is 4 bytes"),
        ({"detail": b"\0" * 508}, "detail is 508 bytes"),
        ({"speech": None}, "speech is None"),
        ({"speech": 1.5}, "speech spans 1.5"),
        ({"speech": float("nan")}, "speech is nan"),
        ({"speech": float("inf")}, "speech is inf"),
        ({"speech": True}, "speech is True"),
    ],
)
def test_faulty_frames_are_refused(fields, message):
    with pytest.raises(ProtocolError, match=message):
        decode(changed(encode(wink()), **fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sender": None}, "sender is ''"),
        ({"rate_hz": 0}, "rate_hz is 0"),
        ({"rate_hz": float("nan")}, "rate_hz is nan"),
        ({"rate_hz": "fast"}, "rate_hz is 'fast'"),
        ({"parts": {}}, "parts is dict"),
        ({"parts": [["jaw", 3]]}, "must be an array"),
        ({"parts": [["jaw", 0, "rad", 0, 1]]}, "size 0"),
        ({"parts": [["jaw", 3, "rad", 1, 0]]}, "spans 1..0"),
        ({"parts": [["jaw", 3, 5, 0, 1]]}, "unit is 5"),
        ({"arkit": ["jawOpen", 4]}, "arkit is 4"),
        ({"regions": "mouth"}, "regions is str"),
    ],
)
def test_faulty_hellos_are_refused(fields, message):
    with pytest.raises(ProtocolError, match=message):
        decode(changed(encode_hello(HELLO), **fields))


@pytest.mark.parametrize(
    ("packet", "message"),
    [
        (b"", "not one msgpack map"),
        (b"\x01", "is a int"),
        (b"\xc1", "FormatError"),
        (encode(wink())[:-1], "incomplete"),
        (encode(wink()) + b"\0", "extra"),
        (b"\x91" * 60_000, "StackError"),
        (b"\xdf\xff\xff\xff\xff", "max_map_len"),
        (b"\x81\xa1v\xc7\x00\x05", "extension"),
        (b"\x81\xa1v\xd4\x05\x00", "max_ext_len"),
        (b"\x81\xa1v\xc7\x00\xff", "timestamp"),
        (b"\x81\x01\x01", "map key"),
        (b"\x82\xa1v\x01\xa1v\x01", "key twice"),
        (b"\xde\x00\x02\xa1v\x01\xa1v\x01", "key twice"),
        (b"\xdf\x00\x00\x00\x02\xa1v\x01\xa1v\x01", "key twice"),
        (b"\x81\xa1\xff\x01", "not one msgpack map"),
        (b"\0" * 65_508, "the most is 65507"),
    ],
)
def test_bytes_that_are_no_packet_are_refused(packet, message):
    with pytest.raises(ProtocolError, match=message):
        decode(packet)


@given(st.binary(max_size=2000))
def test_arbitrary_bytes_raise_only_protocol_errors(data):
    with pytest.raises(ProtocolError):
        decode(data)


def test_the_schema_lists_every_part():
    assert [row.name for row in SCHEMA] == [part.name for part in PARTS]
    assert all(row.size == PART_BY_NAME[row.name].size for row in SCHEMA)
