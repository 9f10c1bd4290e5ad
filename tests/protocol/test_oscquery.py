"""OSCQuery's JSON: what is written is read again, the proposal's status codes, and replies that are refused."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.frame import ProtocolError
from protocol.oscquery import Endpoint, HostInfo, answer, decode_host_info, decode_tree, encode_host_info, tree

ENDPOINTS = [
    Endpoint("/avatar/change", "s"),
    Endpoint("/avatar/parameters/v2/JawOpen", "f", (0.5,)),
    Endpoint("/chatbox/input", "sT", ("", True)),
]
INFO = HostInfo("AvatarDriver-1", "127.0.0.1", 9001)


def test_a_tree_survives_the_wire():
    root = tree(ENDPOINTS)
    assert decode_tree(json.dumps(root).encode()) == ENDPOINTS
    change = root["CONTENTS"]["avatar"]["CONTENTS"]["change"]
    assert change == {"FULL_PATH": "/avatar/change", "ACCESS": 2, "TYPE": "s"}
    assert (root["FULL_PATH"], root["CONTENTS"]["avatar"]["FULL_PATH"]) == ("/", "/avatar")


def test_host_info_survives_the_wire():
    assert decode_host_info(encode_host_info(INFO)) == INFO
    assert json.loads(encode_host_info(INFO))["OSC_TRANSPORT"] == "UDP"
    assert decode_host_info(b"{}") == HostInfo("", None, None)


@pytest.mark.parametrize(
    ("path", "attributes", "status", "part"),
    [
        ("/", [], 200, "CONTENTS"),
        ("/avatar/change", [], 200, "TYPE"),
        ("/avatar/change/", ["TYPE"], 200, "TYPE"),
        ("/avatar/change", ["VALUE"], 204, None),
        ("/avatar/change", ["COLOUR"], 400, None),
        ("/nothing/here", [], 404, None),
        ("/avatar/change/deeper", [], 404, None),
        ("/wherever", ["HOST_INFO"], 200, "NAME"),
    ],
)
def test_answers_have_the_proposals_status(path, attributes, status, part):
    found, body = answer(tree(ENDPOINTS), INFO, path, attributes)
    assert found == status
    if part is not None:
        assert part in json.loads(body)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ([], "not a JSON object"),
        ({}, "has the path None"),
        ({"FULL_PATH": "avatar"}, "has the path 'avatar'"),
        ({"FULL_PATH": "/\0"}, "hold no NUL"),
        ({"FULL_PATH": "/", "TYPE": 3}, "wrong kind"),
        ({"FULL_PATH": "/", "CONTENTS": []}, "wrong kind"),
        ({"FULL_PATH": "/", "CONTENTS": {"a": 1}}, "holds 1; it must hold nodes"),
    ],
)
def test_faulty_trees_are_refused(node, message):
    with pytest.raises(ProtocolError, match=message):
        decode_tree(json.dumps(node).encode())


def test_a_tree_without_end_is_refused():
    node = {"FULL_PATH": "/"}
    for _ in range(40):
        node = {"FULL_PATH": "/", "CONTENTS": {"a": node}}
    with pytest.raises(ProtocolError, match="more than 32 deep"):
        decode_tree(json.dumps(node).encode())
    for data in (b"[" * 200_000, b"\xff\xfe", b"{", b" " * 8_000_001):
        with pytest.raises(ProtocolError, match="OSCQuery reply"):
            decode_tree(data)


@pytest.mark.parametrize(
    "field", [{"NAME": 1}, {"OSC_IP": 3}, {"OSC_PORT": "9000"}, {"OSC_PORT": 0}, {"OSC_PORT": True}]
)
def test_faulty_host_infos_are_refused(field):
    with pytest.raises(ProtocolError, match="OSCQuery host"):
        decode_host_info(json.dumps(field).encode())


KEYS = st.sampled_from(["FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "VALUE", "NAME", "OSC_PORT", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("/a"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_reply_raises_only_protocol_errors(data):
    for read in (decode_tree, decode_host_info):
        with contextlib.suppress(ProtocolError):
            read(data)
