"""Live Link Face: documented offsets, a recorded header, both scales, and what a receiver refuses."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylivelinkface.pylivelinkface import FaceBlendShape, PyLiveLinkFace

from protocol import axes, livelink
from protocol.frame import ARKIT_SHAPES, ProtocolError
from protocol.golden.frames import dense, neutral, wink
from protocol.livelink import CHANNELS, LiveLinkOptions

# Fields of a packet that another program recorded.
RECORDED = (
    bytes.fromhex("06 00000020")
    + b"DEADC0DE-1337-1337-1337-CAFEBABE"
    + bytes.fromhex("00000012")
    + b"LLV Default Device"
    + bytes.fromhex("005206f7 3df9b400 0000003c 00000001 3d")
    + struct.pack(">61f", *(index / 64 for index in range(61)))
)


def test_documented_offsets():
    packet = livelink.encode(wink())
    assert len(packet) == 318
    assert packet[0] == 6
    assert struct.unpack_from(">i", packet, 1) == (36,)
    assert struct.unpack_from(">i", packet, 41) == (12,)
    assert packet[45:57] == b"AvatarDriver"
    assert struct.unpack_from(">ii", packet, 65) == (60, 1)
    assert packet[73] == 61
    assert struct.unpack_from(">52f", packet, 74) == tuple(wink().arkit.tolist())


def test_a_recorded_packet_is_understood():
    assert len(RECORDED) == 320
    packet = livelink.decode(RECORDED)
    assert (packet.device_id, packet.subject) == ("DEADC0DE-1337-1337-1337-CAFEBABE", "LLV Default Device")
    assert packet.frame_number == 0x5206F7 == 5375735
    assert packet.sub_frame == pytest.approx(0.1219, abs=1e-4)
    assert (packet.rate_numerator, packet.rate_denominator) == (60, 1)
    assert packet.values[60] == 60 / 64


def test_the_channels_have_unreals_order():
    assert len(CHANNELS) == 61
    known = {0: "EyeBlinkLeft", 15: "JawLeft", 16: "JawRight", 43: "BrowInnerUp", 51: "TongueOut", 52: "HeadYaw"}
    assert {index: CHANNELS[index] for index in known} == known
    assert CHANNELS[52:] == (
        *("HeadYaw", "HeadPitch", "HeadRoll"),
        *("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll"),
        *("RightEyeYaw", "RightEyePitch", "RightEyeRoll"),
    )


@pytest.mark.parametrize("frame", [wink(), dense()], ids=["wink", "dense"])
def test_packets_survive_the_wire(frame):
    packet = livelink.decode(livelink.encode(frame))
    assert packet.subject == "AvatarDriver"
    assert packet.values[: len(ARKIT_SHAPES)].tolist() == frame.arkit.tolist()
    angles = axes.to_live_link_angles(axes.from_axis_angle(frame.head_rotation))
    assert packet.values[52:55] == pytest.approx(angles, abs=1e-6)
    left_pitch, left_yaw, right_pitch, right_yaw = frame.gaze.tolist()
    assert packet.values[55:].tolist() == [left_yaw, left_pitch, 0.0, right_yaw, right_pitch, 0.0]


@pytest.mark.parametrize(("scale", "per_radian"), [("half_turns", 1 / math.pi), ("degrees", 180 / math.pi)])
def test_head_and_eyes_have_a_scale_each(scale, per_radian):
    radians = livelink.decode(livelink.encode(wink())).values
    head = livelink.decode(livelink.encode(wink(), LiveLinkOptions(head_scale=scale))).values
    eyes = livelink.decode(livelink.encode(wink(), LiveLinkOptions(eye_scale=scale))).values
    assert head[52:55] == pytest.approx(radians[52:55] * per_radian, rel=1e-6)
    assert eyes[55:] == pytest.approx(radians[55:] * per_radian, rel=1e-6)
    assert np.array_equal(head[[*range(52), *range(55, 61)]], radians[[*range(52), *range(55, 61)]])
    assert np.array_equal(eyes[:55], radians[:55])


def test_a_face_that_nobody_knows_is_sent_or_shortened():
    assert livelink.decode(livelink.encode(neutral())).values is not None
    short = LiveLinkOptions(no_face="short")
    assert livelink.decode(livelink.encode(neutral(), short)).values is None
    assert livelink.decode(livelink.encode(wink(), short)).values is not None


def test_the_clock_can_be_moved():
    packet = livelink.decode(livelink.encode(neutral(), LiveLinkOptions(zero_ns=3_600_000_000_000)))
    assert packet.frame_number == 3600 * 60


@pytest.mark.parametrize("frame", [wink(), dense()], ids=["wink", "dense"])
def test_an_independent_reader_reads_the_same(frame):
    """PyLiveLinkFace. It takes the last byte of the id's length, 36, for a part of the id: all else is right."""
    has_face, theirs = PyLiveLinkFace.decode(livelink.encode(frame))
    ours = livelink.decode(livelink.encode(frame))
    assert has_face
    assert (theirs.name, theirs.uuid, theirs.fps) == (ours.subject, "$" + ours.device_id, ours.rate_numerator)
    assert (theirs._frames, theirs._sub_frame) == (ours.frame_number, pytest.approx(ours.sub_frame))
    values = {shape.name: theirs.get_blendshape(shape) for shape in FaceBlendShape}
    assert values == dict(zip(CHANNELS, ours.values.tolist(), strict=True))
    assert not PyLiveLinkFace.decode(livelink.encode_no_face(frame))[0]


def test_nobody_in_view_is_a_shorter_packet():
    packet = livelink.encode_no_face(wink())
    assert packet == livelink.encode(wink())[:73]
    assert livelink.decode(packet).values is None


@pytest.mark.parametrize(
    ("publish_ns", "rate_hz", "number", "sub_frame"),
    [
        (0, 60, 0, 0.0),
        (1_000_000_000, 60, 60, 0.0),
        (1_508_333_333, 60, 90, 0.5),
        (999_999_999, 1, 0, 1.0),
        (2**63 - 1, 60, (2**63 - 1) * 60 // 10**9 % 2**31, None),
    ],
)
def test_the_frame_time_counts_frames_of_the_rate(publish_ns, rate_hz, number, sub_frame):
    frame = dense()
    object.__setattr__(frame, "publish_ns", publish_ns)
    packet = livelink.decode(livelink.encode(frame, LiveLinkOptions(rate_hz=rate_hz)))
    assert packet.frame_number == number
    assert packet.rate_numerator == rate_hz
    assert 0 <= packet.sub_frame < 1
    if sub_frame is not None:
        assert packet.sub_frame == pytest.approx(sub_frame, abs=1e-6)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "version must be 6"),
        (b"\x05" + RECORDED[1:], "version must be 6"),
        (RECORDED[:3], "ends inside its names"),
        (RECORDED[:20], "cut short"),
        (b"\x06\xff\xff\xff\xff" + RECORDED[5:], "name of -1 bytes"),
        (b"\x06\x7f\xff\xff\xff" + RECORDED[5:], "name of 2147483647 bytes"),
        (RECORDED[:5] + b"\xff" + RECORDED[6:], "not ASCII"),
        (RECORDED[:70], "ends inside its frame time"),
        (RECORDED[:67] + b"\0\0\0\0" + RECORDED[71:], "makes no sense"),
        (RECORDED[:63] + b"\x7f\xc0\0\0" + RECORDED[67:], "makes no sense"),
        (RECORDED[:75] + b"\x3c" + RECORDED[76:], "60 channels"),
        (RECORDED[:-1], "in 244 bytes"),
        (RECORDED + b"\0", "in 246 bytes"),
        (RECORDED[:-4] + b"\x7f\x80\0\0", "not finite"),
    ],
)
def test_faulty_packets_are_refused(data, message):
    with pytest.raises(ProtocolError, match=message):
        livelink.decode(data)


@pytest.mark.parametrize(
    "option",
    [
        {"subject": ""},
        {"subject": "Zoë"},
        {"device_id": "short"},
        {"head_scale": "gons"},
        {"eye_scale": "turns"},
        {"no_face": "hide"},
        {"rate_hz": 0},
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(option):
    with pytest.raises(ProtocolError, match="Live Link"):
        LiveLinkOptions(**option)


@given(st.binary(max_size=400).map(lambda data: b"\x06\0\0\0\x04" + data))
def test_arbitrary_bytes_raise_only_protocol_errors(data):
    try:
        packet = livelink.decode(data)
    except ProtocolError:
        return
    assert packet.values is None or packet.values.shape == (61,)
