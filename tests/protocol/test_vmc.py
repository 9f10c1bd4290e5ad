"""VMC: sizes and order of the specification, names, bones and presets."""

import dataclasses
import math

import pytest
from pythonosc import osc_packet

from protocol import axes, osc, vmc
from protocol.frame import ARKIT_SHAPES, ProtocolError
from protocol.golden.frames import dense, neutral, wink
from protocol.vmc import VmcOptions
from protocol.vmc_requests import Groups

MODES = ("assistant", "performer")


def messages(datagrams):
    return [message for datagram in datagrams for message in osc.decode_packet(datagram)]


def blends(datagrams):
    return dict(message.arguments for message in messages(datagrams) if message.address == "/VMC/Ext/Blend/Val")


def test_the_sizes_of_the_specification():
    """All 52 values and Apply in one bundle are 2524 bytes; in two they are 31 values, and 21 with Apply."""
    datagrams = vmc.encode(wink(), VmcOptions(presets="none"))
    assert [len(datagram) for datagram in datagrams] == [1472, 1068]
    assert [len(osc.decode_packet(datagram)) for datagram in datagrams] == [31, 22]
    assert sum(len(datagram) for datagram in datagrams) - 16 == 2524


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("presets", ["vrm0", "vrm1", "none"])
@pytest.mark.parametrize("shapes", ["pascal", "camel"])
def test_apply_is_last_and_everything_fits(mode, presets, shapes):
    datagrams = vmc.encode(dense(), VmcOptions(mode, presets, shapes))
    assert max(map(len, datagrams)) <= 1472
    assert len(datagrams) == (2 if mode == "assistant" else 3)
    addresses = [message.address for message in messages(datagrams)]
    assert addresses.count("/VMC/Ext/Blend/Apply") == 1
    assert addresses[-1] == "/VMC/Ext/Blend/Apply"


def test_shapes_are_spelled_as_asked():
    frame = wink()
    camel = blends(vmc.encode(frame, VmcOptions(presets="none", shapes="camel")))
    pascal = blends(vmc.encode(frame, VmcOptions(presets="none")))
    assert camel == dict(zip(ARKIT_SHAPES, frame.arkit.tolist(), strict=True))
    assert pascal["EyeBlinkLeft"] == 1.0
    assert pascal == {name[0].upper() + name[1:]: value for name, value in camel.items()}


def test_an_assistant_sends_weights_only():
    addresses = {message.address for message in messages(vmc.encode(wink()))}
    assert addresses == {"/VMC/Ext/Blend/Val", "/VMC/Ext/Blend/Apply"}


def test_a_performer_sends_ready_time_root_and_bones():
    sent = messages(vmc.encode(wink(), VmcOptions(mode="performer")))
    assert sent[0] == osc.Message("/VMC/Ext/OK", (1, 3, 0, 1))
    assert sent[1].address == "/VMC/Ext/T"
    assert sent[1].arguments[0] == pytest.approx(12_345.7)
    assert sent[2] == osc.Message("/VMC/Ext/Root/Pos", ("root", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    bones = {message.arguments[0]: message.arguments[1:] for message in sent if message.address == "/VMC/Ext/Bone/Pos"}
    assert list(bones) == ["Neck", "Head", "LeftEye", "RightEye"]
    assert all(pose[:3] == (0.0, 0.0, 0.0) for pose in bones.values())
    # The head turns to the subject's left, which Unity counts negative about +Y; the nod keeps its sign.
    whole = axes.Quaternion(*bones["Neck"][3:]) * axes.Quaternion(*bones["Head"][3:])
    assert whole == pytest.approx(axes.to_unity_rotation(axes.from_axis_angle(wink().head_rotation)), abs=1e-6)
    assert bones["Head"][3] > 0 > bones["Head"][4]
    # The left eye looks straight on; the right one up (negative pitch) and to the subject's right (positive in Unity).
    assert bones["LeftEye"][3:] == (0.0, 0.0, 0.0, 1.0)
    assert bones["RightEye"][3] < 0 < bones["RightEye"][4]


def mouth(**weights):
    return dict(zip("AIUEO", vmc.presets([weights.get(name, 0.0) for name in ARKIT_SHAPES])[:5], strict=True))


@pytest.mark.parametrize(
    ("weights", "loudest"),
    [
        ({"jawOpen": 1.0}, "A"),
        ({"jawOpen": 0.3, "mouthStretchLeft": 1.0, "mouthStretchRight": 1.0}, "I"),
        ({"mouthPucker": 0.9}, "U"),
        ({"jawOpen": 0.7, "mouthSmileLeft": 0.9, "mouthSmileRight": 0.9}, "E"),
        ({"jawOpen": 0.8, "mouthFunnel": 0.9}, "O"),
    ],
)
def test_each_vowel_has_its_mouth(weights, loudest):
    vowels = mouth(**weights)
    assert max(vowels, key=vowels.get) == loudest
    assert vowels[loudest] > 0.5


def test_closed_mouths_say_nothing():
    for weights in ({}, {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}, {"jawOpen": 0.5, "mouthClose": 0.5}):
        assert max(mouth(**weights).values()) == 0.0


def test_presets_stay_in_range_and_blink_by_side():
    for frame in (wink(), dense()):
        values = vmc.presets(frame.arkit.tolist())
        assert all(0 <= value <= 1 for value in values)
        assert sum(values[:5]) <= 1 + 1e-9
    sent = blends(vmc.encode(wink()))
    assert (sent["Blink_L"], sent["Blink_R"]) == (1.0, 0.0)
    assert (blends(vmc.encode(wink(), VmcOptions(presets="vrm1")))["blinkLeft"]) == 1.0


def test_tracking_is_bad_when_nothing_is_known():
    lost = vmc.encode(neutral(), VmcOptions(mode="performer"))
    assert messages(lost)[0] == osc.Message("/VMC/Ext/OK", (1, 3, 0, 0))


def test_an_assistant_can_say_what_the_eyes_look_at():
    frame = dataclasses.replace(neutral(), gaze=[0.2, 0.3, 0.4, 0.5])  # down, and to the subject's left
    sent = messages(vmc.encode(frame, VmcOptions(gaze="target")))
    (target,) = [message.arguments for message in sent if message.address == "/VMC/Ext/Set/Eye"]
    pitch, yaw = 0.3, 0.4
    # In Unity +X is the subject's right.
    direction = (-math.sin(yaw) * math.cos(pitch), -math.sin(pitch), math.cos(yaw) * math.cos(pitch))
    assert target == pytest.approx((1, *direction), abs=1e-6)
    assert sent[-1].address == "/VMC/Ext/Blend/Apply"


def test_a_receiver_that_asked_for_less_gets_less():
    groups = Groups(status=False, root=True, bone=False, blend=False)
    sent = messages(vmc.encode(wink(), VmcOptions(mode="performer"), groups))
    assert [message.address for message in sent] == ["/VMC/Ext/Root/Pos"]
    assert vmc.encode(wink(), VmcOptions(), groups) == []


@pytest.mark.parametrize("option", [{"mode": "actor"}, {"presets": "vrm2"}, {"shapes": "snake"}, {"gaze": "bones"}])
def test_unknown_options_are_refused(option):
    with pytest.raises(ProtocolError, match="it is one of"):
        VmcOptions(**option)


@pytest.mark.parametrize("mode", MODES)
def test_an_independent_parser_reads_the_same(mode):
    for datagram in vmc.encode(dense(), VmcOptions(mode=mode)):
        theirs = [
            (timed.message.address, tuple(timed.message.params)) for timed in osc_packet.OscPacket(datagram).messages
        ]
        assert theirs == [tuple(message) for message in osc.decode_packet(datagram)]
