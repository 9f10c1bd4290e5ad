"""iFacialMocap: a recorded packet's signs, both versions, requests, and what a receiver refuses."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asymmetric import WEIGHTS, asymmetric_face

from protocol import axes, ifacialmocap
from protocol.frame import ARKIT_SHAPES, ProtocolError
from protocol.golden.frames import dense, neutral, wink
from protocol.ifacialmocap import NAMES

# Fields of a packet that the app itself has sent: the eyes look down and to the subject's right.
RECORDED = (
    b"trackingStatus-1|eyeLookDown_L-25|eyeLookIn_L-25|eyeLookOut_L-0|eyeLookDown_R-25|eyeLookOut_R-13|eyeLookIn_R-0|"
    b"jawOpen-0|hapihapi-0|=head#-16.512114,4.3503346,0.26299524,0.032684557,-0.08100321,-0.39741653|"
    b"rightEye#8.96733,-4.780719,-0.74686855|leftEye#8.807489,-9.080697,-1.4018708|"
)
HEAD = "=head#1,2,3,0.1,0.2,0.3|"


def weight(packet, name):
    return float(packet.weights[ARKIT_SHAPES.index(name)])


def test_the_names_are_apples_older_ones():
    assert len(set(NAMES)) == 52
    known = {
        "eyeBlinkLeft": "eyeBlink_L",
        "eyeLookInRight": "eyeLookIn_R",
        "jawLeft": "jawLeft",
        "tongueOut": "tongueOut",
    }
    known |= {"mouthRight": "mouthRight", "mouthSmileRight": "mouthSmile_R", "browInnerUp": "browInnerUp"}
    assert {name: NAMES[ARKIT_SHAPES.index(name)] for name in known} == known


def test_a_recorded_packet_turns_its_eyes_as_ours_would():
    packet = ifacialmocap.decode(RECORDED)
    assert (packet.version, packet.is_tracked) == ("v1", True)
    assert (weight(packet, "eyeLookInLeft"), weight(packet, "eyeLookOutRight")) == pytest.approx((0.25, 0.13))
    ours = dataclasses.replace(wink(), gaze=np.radians([8.8, -9.1, 9.0, -4.8]).astype(np.float32))
    sent = ifacialmocap.decode(ifacialmocap.encode(ours))
    for recorded, made in ((packet.left_eye_deg, sent.left_eye_deg), (packet.right_eye_deg, sent.right_eye_deg)):
        assert made[:2] == pytest.approx(recorded[:2], abs=0.05)
    # The position is the camera's frame, as ours: 40 cm in front of the camera, a little below its axis.
    assert packet.head_m == pytest.approx((0.0327, -0.0810, -0.3974), abs=1e-4)


def test_a_recorded_eye_has_the_order_of_our_angles():
    """The app's eyes are turned first and pitched then, which leaves a roll in R_y R_x R_z; this one has just that."""
    x_deg, y_deg, z_deg = ifacialmocap.decode(RECORDED).left_eye_deg
    x, y = math.radians(x_deg), math.radians(y_deg)
    pitch = math.atan2(math.sin(x), math.cos(x) * math.cos(y))
    turn = math.asin(math.cos(x) * math.sin(y))
    turned = axes.from_axis_angle((pitch, 0, 0)) * axes.from_axis_angle((0, turn, 0))
    yaw, pitch, roll = map(math.degrees, axes.to_live_link_angles(turned))
    assert (pitch, yaw, roll) == pytest.approx((x_deg, y_deg, z_deg), abs=1e-3)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("frame", [neutral(), wink(), dense()], ids=["neutral", "wink", "dense"])
def test_frames_survive_within_the_resolution_of_the_wire(frame, version):
    data = ifacialmocap.encode(frame, version)
    packet = ifacialmocap.decode(data)
    assert len(data) <= 1472
    assert packet.version == version
    assert packet.is_tracked is frame.is_found
    assert packet.weights == pytest.approx(frame.arkit, abs=0.0051)
    yaw, pitch, roll = axes.to_live_link_angles(axes.from_axis_angle(frame.head_rotation))
    assert packet.head_deg == pytest.approx(np.degrees((pitch, yaw, roll)), abs=1e-4)
    assert packet.head_m == pytest.approx(frame.head_translation.tolist(), abs=1e-4)
    left_pitch, left_yaw, right_pitch, right_yaw = np.degrees(frame.gaze)
    assert packet.left_eye_deg == pytest.approx((left_pitch, left_yaw, 0), abs=1e-4)
    assert packet.right_eye_deg == pytest.approx((right_pitch, right_yaw, 0), abs=1e-4)


def test_the_asymmetric_face():
    packet = ifacialmocap.decode(ifacialmocap.encode(asymmetric_face()))
    assert packet.head_deg == pytest.approx((0, 20, 0), abs=1e-3)  # to the left
    for eye_deg in (packet.left_eye_deg, packet.right_eye_deg):
        assert eye_deg == pytest.approx((-15, -12, 0), abs=1e-3)  # up, to the right
    for name, expected in WEIGHTS.items():
        assert weight(packet, name) == pytest.approx(expected, abs=0.0051)


def test_the_status_comes_first_and_numbers_are_plain():
    tiny = dataclasses.replace(wink(), gaze=np.array([1e-9, -1e-9, 1e-5, -1e-5], np.float32))
    text = ifacialmocap.encode(tiny).decode()
    assert text.startswith("trackingStatus-1|eyeBlink_L-100|")
    assert "=head#5.9801,28.9663,5.2084,0.0625,-0.0312,-0.6250|" in text
    assert text.endswith("|rightEye#0.0006,-0.0006,0.0000|leftEye#0.0000,0.0000,0.0000|")


def test_nobody_in_view_is_said():
    assert ifacialmocap.encode(neutral()).startswith(b"trackingStatus-0|")
    heard = dataclasses.replace(neutral(), confidence=np.array([0.5, 0, 0, 0], np.float32))
    assert ifacialmocap.encode(heard).startswith(b"trackingStatus-1|")


@pytest.mark.parametrize(
    ("data", "request_"),
    [
        (b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719", "v1"),
        (b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719\r\n", "v1"),
        (b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719|sendDataVersion=v2", "v2"),
        (b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719|other=1|sendDataVersion=v2", "v2"),
        (b"iFacialMocap_UDPTCP_sahuasouryya9218sauhuiayeta91555dy3719|sendDataVersion=v2", "tcp"),
        (b"iFacialMocap_UDPTCPSTOP_sahuasouryya9218sauhuiayeta91555dy3719", "stop"),
    ],
)
def test_requests(data, request_):
    assert ifacialmocap.decode_request(data) == request_


@pytest.mark.parametrize("request_", ["v1", "v2", "tcp", "stop"])
def test_requests_survive_the_wire(request_):
    assert ifacialmocap.decode_request(ifacialmocap.encode_request(request_)) == request_


@pytest.mark.parametrize("data", [b"", b"iFacialMocap_", b"FACEMOTION3D_OtherStreaming", RECORDED, b"\xff" * 9])
def test_other_datagrams_ask_for_nothing(data):
    with pytest.raises(ProtocolError, match="iFacialMocap"):
        ifacialmocap.decode_request(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "weights of one version"),
        ("jawOpen-30|", "weights of one version"),
        (HEAD, "weights of one version"),
        ("jawOpen-30|mouthClose&2|" + HEAD, "weights of one version"),
        ("jawOpen-30|jawOpen-30|" + HEAD, "jawOpen twice"),
        ("jawOpen-30|" + HEAD + HEAD, "=head twice"),
        ("jawOpen|" + HEAD, "a name and a number"),
        ("jawOpen--3|" + HEAD, "a name and a number"),
        ("jawOpen&-3|" + HEAD, "a number in 0..100"),
        ("jawOpen-101|" + HEAD, "a number in 0..100"),
        ("jawOpen-nan|" + HEAD, "where a number must be"),
        ("jawOpen-1_0|" + HEAD, "where a number must be"),
        ("jawOpen&1e999|" + HEAD, "where a number must be"),
        ("-30|" + HEAD, "a name and a number"),
        ("jawOpen-30|=head#1,2,3|", "must have 6 numbers"),
        ("jawOpen-30|=head#1,2,3,4,5,6,7|", "must have 6 numbers"),
        ("jawOpen-30|=head#361,2,3,4,5,6|", "within 360 degrees"),
        ("jawOpen-30|=head#1,2,3,4,5,600|", "within 100 m"),
        ("jawOpen-30|=head#1,2,,4,5,6|", "where a number must be"),
        ("jawOpen-30|neck#1,2,3|" + HEAD, "the pose 'neck'"),
        ("jawOpen-30|" * 800 + HEAD, "at most 8192"),
        ("jäwOpen-30|" + HEAD, "must be ASCII"),
    ],
)
def test_faulty_packets_are_refused(text, message):
    with pytest.raises(ProtocolError, match=message):
        ifacialmocap.decode(text.encode())


def test_what_later_versions_add_is_passed_over():
    packet = ifacialmocap.decode(f"jawOpen&12.5|winkFactor&3|{HEAD}".encode())
    assert weight(packet, "jawOpen") == 0.125
    assert packet.is_tracked is None
    assert packet.left_eye_deg is None


FIELDS = st.sampled_from(
    ["jawOpen-3", "jawOpen&3", "=head#1,2,3,0,0,0", "leftEye#1,2,3", "trackingStatus-1", "#", "&", "-"]
)


@given(st.lists(FIELDS | st.text(max_size=12), max_size=8).map("|".join) | st.binary(max_size=200))
def test_arbitrary_text_raises_only_protocol_errors(data):
    data = data if isinstance(data, bytes) else data.encode()
    for read in (ifacialmocap.decode, ifacialmocap.decode_request):
        try:
            read(data)
        except ProtocolError:
            continue
