"""VRChat's parameters: which an avatar takes, bits and signs, changes only, and its files."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle import OscBundle

from protocol.frame import ARKIT_SHAPES, ProtocolError
from protocol.golden.frames import dense, neutral, wink
from protocol.oscquery import Endpoint
from protocol.unified_expressions import NAMES
from protocol.vrchat import ACTIVE, PARAMETERS, again, any_avatar, avatar_id, avatar_of, decode_avatar_file, encode


def avatar(**parameters):
    """`parameters`: name with _ for /, and its type."""
    return avatar_of("avtr_1", [Endpoint(PARAMETERS + name, tags) for name, tags in parameters.items()])


def sent(datagrams):
    assert all(len(datagram) <= 1472 for datagram in datagrams)
    messages = [message for datagram in datagrams for message in OscBundle(datagram)]
    return {message.address.removeprefix(PARAMETERS): message.params for message in messages}


def face(**weights):
    return dataclasses.replace(neutral(), arkit=[weights.get(name, 0.0) for name in ARKIT_SHAPES])


def jaw_bits(count, **weights):
    names = {f"v2/JawOpen{2**bit}": "T" for bit in range(count)}
    found = sent(encode(face(**weights), avatar(**names), look="parameters")[0])
    return [found[name][0] for name in names]


def test_only_what_the_avatar_has_and_a_face_can_move():
    taken = avatar(**{
        "v2/JawOpen": "f", "FT/v2/MouthX": "f", "My/Own/v2/Head/Yaw": "f", "v2/Unknown": "f", "v2/JawOpenX": "f",
        "xv2/JawOpen": "f", "JawOpen": "f", "v2/TongueOut": "i", "GestureLeft": "i", "v2/MouthClosed": "T",
        "EyeTrackingActive": "T", "Face/LipTrackingActive": "T", "ExpressionTrackingActive": "f",
    })  # fmt: skip
    assert [wire.address.removeprefix(PARAMETERS) for wire in taken.wires] == [
        *("v2/JawOpen", "FT/v2/MouthX", "My/Own/v2/Head/Yaw", "EyeTrackingActive", "Face/LipTrackingActive")
    ]
    found = sent(encode(wink(), taken, look="parameters")[0])
    assert found["v2/JawOpen"] == [0.625]
    assert found["EyeTrackingActive"] == [True]
    assert found["My/Own/v2/Head/Yaw"][0] < 0


def test_what_cannot_be_written_to_is_left_alone():
    assert avatar_of("", [Endpoint(PARAMETERS + "v2/JawOpen", "f", is_writable=False)]).wires == ()
    assert avatar_of("", [Endpoint("/tracking/v2/JawOpen", "f")]).wires == ()


@pytest.mark.parametrize(
    ("count", "weight", "bits"),
    [
        (1, 0.49, [0]), (1, 0.5, [1]), (1, 1.0, [1]),
        (3, 0.0, [0, 0, 0]), (3, 0.125, [1, 0, 0]), (3, 0.625, [1, 0, 1]), (3, 0.874, [0, 1, 1]), (3, 1.0, [1, 1, 1]),
        (4, 0.5, [0, 0, 0, 1]), (4, 0.999999, [1, 1, 1, 1]),
    ],
)  # fmt: skip
def test_bits_count_in_steps_of_their_number(count, weight, bits):
    assert jaw_bits(count, jawOpen=weight) == [bool(bit) for bit in bits]


def test_a_sign_has_a_parameter_of_its_own_or_is_cut():
    bits = {f"v2/JawX{2**bit}": "T" for bit in range(2)}
    left = face(jawLeft=0.5)
    signed = sent(encode(left, avatar(**bits, **{"v2/JawXNegative": "T"}), look="parameters")[0])
    assert signed == {"v2/JawX1": [False], "v2/JawX2": [True], "v2/JawXNegative": [True]}
    assert sent(encode(left, avatar(**bits), look="parameters")[0]) == {"v2/JawX1": [False], "v2/JawX2": [False]}
    right = sent(encode(face(jawRight=0.5), avatar(**bits, **{"v2/JawXNegative": "T"}), look="parameters")[0])
    assert right == {"v2/JawX1": [False], "v2/JawX2": [True], "v2/JawXNegative": [False]}


def test_two_prefixes_count_their_bits_apart():
    names = {"A/v2/JawOpen1": "T", "B/v2/JawOpen1": "T", "B/v2/JawOpen2": "T", "B/v2/JawOpen": "f"}
    found = sent(encode(face(jawOpen=0.5), avatar(**names), look="parameters")[0])
    assert found == {"A/v2/JawOpen1": [True], "B/v2/JawOpen1": [False], "B/v2/JawOpen2": [True], "B/v2/JawOpen": [0.5]}


def test_only_powers_of_two_are_bits():
    names = [f"v2/JawOpen{number}" for number in (0, 1, 3, 4, 6, 131072, 99999999999)]
    taken = avatar(**dict.fromkeys(names, "T"))
    assert [wire.address.removeprefix(PARAMETERS) for wire in taken.wires] == ["v2/JawOpen1", "v2/JawOpen4"]


def test_changes_only():
    taken = avatar(**{"v2/JawOpen": "f", "v2/MouthClosed": "f", "v2/JawOpen1": "T"})
    datagrams, state = encode(face(jawOpen=0.25), taken, look="parameters")
    assert len(sent(datagrams)) == 3
    assert encode(face(jawOpen=0.25), taken, state, "parameters")[0] == []
    datagrams, state = encode(face(jawOpen=0.251), taken, state, "parameters")
    assert datagrams == []
    datagrams, state = encode(face(jawOpen=0.2525), taken, state, "parameters")
    assert sent(datagrams) == {"v2/JawOpen": [pytest.approx(0.2525)]}
    datagrams, state = encode(face(jawOpen=0.75), taken, state, "parameters")
    assert sent(datagrams) == {"v2/JawOpen": [0.75], "v2/JawOpen1": [True]}


def test_small_steps_add_up():
    taken = avatar(**{"v2/JawOpen": "f"})
    state, last = None, None
    for step in range(101):
        datagrams, state = encode(face(jawOpen=step / 1000), taken, state, "parameters")
        last = sent(datagrams).get("v2/JawOpen", last) if datagrams else last
    assert last[0] == pytest.approx(0.1, abs=0.002)


def test_once_more_leaves_the_menu_alone_where_the_avatar_is_known():
    taken = avatar(**{"v2/JawOpen": "f", "LipTrackingActive": "T"})
    _, state = encode(wink(), taken, look="parameters")
    assert sent(encode(wink(), taken, again(taken, state), "parameters")[0]) == {"v2/JawOpen": [0.625]}
    stand_in = any_avatar()
    _, state = encode(wink(), stand_in)
    assert len(sent(encode(wink(), stand_in, again(stand_in, state))[0])) == len(NAMES) + len(ACTIVE)


def test_the_end_says_so():
    taken = avatar(**{"v2/JawOpen": "f", "LipTrackingActive": "T"})
    _, state = encode(wink(), taken, look="parameters")
    datagrams, _ = encode(neutral(), taken, state, "parameters", is_active=False)
    assert sent(datagrams) == {"v2/JawOpen": [0.0], "LipTrackingActive": [False]}


@pytest.mark.parametrize(
    ("look", "parameters", "native"),
    [
        ("auto", {"v2/JawOpen": "f"}, {"LeftRightPitchYaw", "EyesClosedAmount"}),
        ("auto", {"v2/EyeLeftX": "f"}, {"EyesClosedAmount"}),
        ("auto", {"v2/EyeLidLeft1": "T"}, {"LeftRightPitchYaw"}),
        ("native", {"v2/EyeLeftX": "f", "v2/EyeLid": "f"}, {"LeftRightPitchYaw", "EyesClosedAmount"}),
        ("parameters", {"v2/JawOpen": "f"}, set()),
    ],
)
def test_vrchats_own_eyes(look, parameters, native):
    found = sent(encode(wink(), avatar(**parameters), look=look)[0])
    assert {name.removeprefix("/tracking/eye/") for name in found if name.startswith("/tracking")} == native
    if (
        "LeftRightPitchYaw" in native
    ):  # degrees; down and to the right are positive, and the right eye looks up and right
        assert found["/tracking/eye/LeftRightPitchYaw"] == pytest.approx([0, 0, -7.162, 14.324], abs=1e-3)
    if "EyesClosedAmount" in native:
        assert found["/tracking/eye/EyesClosedAmount"] == [0.5625]


def test_nobody_knows_the_avatar():
    found = sent(encode(dense(), any_avatar())[0])
    assert set(found) == {*NAMES, *ACTIVE}


def test_the_avatar_that_is_worn():
    assert avatar_id([Endpoint("/avatar/change", "s", ("avtr_9",))]) == "avtr_9"
    assert avatar_id([Endpoint("/avatar/change", "s", (7,)), Endpoint("/chatbox", "s")]) == ""


FILE = {
    "id": "avtr_3", "name": "Robot",
    "parameters": [
        {"name": "v2/JawOpen", "input": {"address": PARAMETERS + "v2/JawOpen", "type": "Float"},
         "output": {"address": PARAMETERS + "v2/JawOpen", "type": "Float"}},
        {"name": "v2/MouthX1", "input": {"address": PARAMETERS + "v2/MouthX1", "type": "Bool"}},
        {"name": "VelocityZ", "output": {"address": PARAMETERS + "VelocityZ", "type": "Float"}},
        {"name": "VRCEmote", "input": {"address": PARAMETERS + "VRCEmote", "type": "Int"}},
    ],
}  # fmt: skip


def test_an_avatars_file():
    found = decode_avatar_file(b"\xef\xbb\xbf" + json.dumps(FILE).encode())
    assert found.id == "avtr_3"
    assert [wire.kind for wire in found.wires] == ["float", "bit"]


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"{}", b"\xff", b"[" * 100_000, json.dumps(FILE).encode()[:-1]),
        *(
            b'{"id": 1, "parameters": []}',
            b'{"id": "a", "parameters": 3}',
            b'{"id": "a", "parameters": [{"input": {}}]}',
        ),
        b'{"id": "a", "parameters": [{"input": {"address": 1, "type": "Float"}}]}',
    ],
)
def test_other_files_are_refused(data):
    with pytest.raises(ProtocolError, match="OSC configuration of a VRChat avatar"):
        decode_avatar_file(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "parameters", "input", "address", "type", "x"]), inner, max_size=4)
    ),
)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_file_raises_only_protocol_errors(data):
    try:
        found = decode_avatar_file(data)
    except ProtocolError:
        return
    assert np.isfinite(found.levels(wink())).all()
