"""VTube Studio's messages: what pyvts, which is used with the real one, sends for the same wishes; and bad answers."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyvts.vts_request import VTSRequest
from support.asymmetric import asymmetric_face

from protocol import vtube_studio as api
from protocol.frame import ARKIT_SHAPES, ProtocolError
from protocol.golden.frames import dense, neutral, wink
from protocol.vtube_studio import KnownParameters, Message, Parameter
from protocol.vtube_studio_face import OWN_PARAMETERS, own_values, tracking_values

THEIRS = VTSRequest(developer=api.PLUGIN_DEVELOPER, plugin_name=api.PLUGIN_NAME, plugin_icon=None)


def shapes(**weights):
    arkit = np.zeros(52, np.float32)
    for name, weight in weights.items():
        arkit[ARKIT_SHAPES.index(name)] = weight
    return dataclasses.replace(neutral(), arkit=arkit)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (api.token_request("SomeID"), THEIRS.authentication_token()),
        (api.authentication_request("SomeID", "secret"), THEIRS.authentication("secret")),
        (
            api.creation_request("SomeID", Parameter("AvatarJawOpen", "how open", 0, 1, 0)),
            THEIRS.requestCustomParameter("AvatarJawOpen", 0, 1, 0, "how open"),
        ),
    ],
    ids=["token", "authentication", "creation"],
)
def test_requests_are_those_of_pyvts(ours, theirs):
    assert json.loads(ours) == theirs


@pytest.mark.parametrize("is_found", [True, False])
def test_injections_are_those_of_pyvts(is_found):
    values = {"FaceAngleX": 12.31, "AvatarJawOpen": 0.7}
    theirs = THEIRS.requestSetMultiParameterValue(list(values), list(values.values()), face_found=is_found)
    for row in theirs["data"]["parameterValues"]:
        assert row.pop("weight") == 1  # which is what no weight means
    assert json.loads(api.injection_request("SomeID", values, is_found=is_found)) == theirs


def test_the_list_is_asked_for_as_pyvts_does():
    theirs = THEIRS.requestTrackingParameterList()
    assert json.loads(api.parameter_list_request("SomeID")) == {**theirs, "data": {}}


def test_names_keep_the_rules_of_the_api():
    assert 3 <= len(api.PLUGIN_NAME) <= 32
    assert 3 <= len(api.PLUGIN_DEVELOPER) <= 32
    names = [parameter.name for parameter in OWN_PARAMETERS]
    assert len(set(names)) == len(names) == 56 <= 100
    for parameter in OWN_PARAMETERS:
        assert parameter.name.isalnum()
        assert parameter.name.isascii()
        assert 4 <= len(parameter.name) <= 32
        assert len(parameter.explanation) < 256
        assert parameter.minimum <= parameter.default <= parameter.maximum


def test_own_values_are_the_frame():
    values = own_values(dense())
    assert list(values) == [parameter.name for parameter in OWN_PARAMETERS]
    assert list(values.values())[:52] == pytest.approx(dense().arkit.tolist(), abs=1e-4)
    assert values["AvatarLaughter"] == pytest.approx(dense().laughter, abs=1e-4)
    assert own_values(wink())["AvatarEyeBlinkLeft"] == 1.0
    assert own_values(wink())["AvatarMouthSmileRight"] == 0.75


def test_a_neutral_face_is_neutral():
    values = tracking_values(neutral())
    halves = {"MouthSmile", "VoiceFrequencyPlusMouthSmile", "Brows", "BrowLeftY", "BrowRightY"}
    assert values == {name: 0.5 if name in halves else 1.0 if name.startswith("EyeOpen") else 0.0 for name in values}


def test_the_asymmetric_face():
    face = asymmetric_face()
    values = {**tracking_values(face), **own_values(face)}
    expected = {"FaceAngleX": -20, "FaceAngleY": 0, "FaceAngleZ": 0, "EyeOpenLeft": 0, "EyeOpenRight": 1}
    expected |= {"EyeLeftX": 0.4, "EyeRightX": 0.4, "EyeLeftY": 0.6, "EyeRightY": 0.6, "MouthOpen": 0.35}
    expected |= {"AvatarJawRight": 0.5, "AvatarJawLeft": 0, "AvatarEyeBlinkLeft": 1, "AvatarMouthSmileRight": 0.25}
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=1e-3)


def test_a_mirror_shows_the_head():
    """The golden wink turns left, nods and tilts to the right shoulder, left of and below the camera's axis."""
    values = tracking_values(wink())
    assert values["FaceAngleX"] == pytest.approx(-28.97, abs=0.01)
    assert values["FaceAngleY"] == pytest.approx(-5.98, abs=0.01)
    assert values["FaceAngleZ"] == pytest.approx(5.21, abs=0.01)
    assert (values["FacePositionX"], values["FacePositionY"]) == (-6.25, -3.125)


@pytest.mark.parametrize(
    ("weights", "changed"),
    [
        ({"jawOpen": 0.75, "mouthClose": 0.25}, {"MouthOpen": 0.5, "VoiceVolumePlusMouthOpen": 0.5}),
        (
            {"mouthSmileLeft": 1, "mouthSmileRight": 0.5},
            {"MouthSmile": 0.875, "VoiceFrequencyPlusMouthSmile": 0.875},
        ),
        (
            {"mouthFrownLeft": 1, "mouthFrownRight": 1},
            {"MouthSmile": 0, "VoiceFrequencyPlusMouthSmile": 0},
        ),
        ({"browDownLeft": 1}, {"BrowLeftY": 0, "Brows": 0.25}),
        ({"browOuterUpRight": 0.5}, {"BrowRightY": 0.75, "Brows": 0.625}),
        ({"browInnerUp": 1}, {"BrowLeftY": 1, "BrowRightY": 1, "Brows": 1}),
        ({"eyeBlinkLeft": 0.75}, {"EyeOpenLeft": 0.25}),
        ({"eyeBlinkRight": 0.75}, {"EyeOpenRight": 0.25}),
        # Both eyes look to the subject's right, then both to the left, up, down.
        ({"eyeLookInLeft": 0.5, "eyeLookOutRight": 0.75}, {"EyeLeftX": 0.5, "EyeRightX": 0.75}),
        ({"eyeLookOutLeft": 0.5, "eyeLookInRight": 0.75}, {"EyeLeftX": -0.5, "EyeRightX": -0.75}),
        ({"eyeLookUpLeft": 0.5, "eyeLookDownRight": 0.75}, {"EyeLeftY": 0.5, "EyeRightY": -0.75}),
        ({"cheekPuff": 0.5, "tongueOut": 0.25}, {"CheekPuff": 0.5, "TongueOut": 0.25}),
    ],
    ids=str,
)
def test_tracking_parameters_follow_their_shapes(weights, changed):
    before, after = tracking_values(neutral()), tracking_values(shapes(**weights))
    assert {name: value for name, value in after.items() if value != before[name]} == changed


def test_an_answer():
    text = (
        '{"apiName":"VTubeStudioPublicAPI","apiVersion":"1.0","timestamp":1625405710728,"requestID":"SomeID",'
        '"messageType":"AuthenticationTokenResponse","data":{"authenticationToken":"adcd-123-ef09-token","new":1}}'
    )
    message = api.decode(text)
    assert (message.type, message.request_id) == ("AuthenticationTokenResponse", "SomeID")
    assert api.token_of(message) == "adcd-123-ef09-token"
    assert api.error_of(message) is None
    assert api.decode(text.encode()) == message


def test_an_error():
    message = Message("APIError", "1", {"errorID": 50, "message": "User has denied API access for your plugin."})
    assert api.error_of(message) == (api.ErrorId.DENIED, "User has denied API access for your plugin.")


def test_the_list_of_parameters():
    message = Message(
        "InputParameterListResponse",
        "1",
        {
            "customParameters": [{"name": "AvatarJawOpen", "addedBy": "Avatar Driver", "value": 0.8}],
            "defaultParameters": [{"name": "FaceAngleX", "addedBy": "VTube Studio", "min": -30}],
        },
    )
    assert api.known_parameters(message) == KnownParameters(
        frozenset({"FaceAngleX"}), {"AvatarJawOpen": "Avatar Driver"}
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON"),
        ("[]", "apiName"),
        ('{"apiName":"Other"}', "apiName"),
        ('{"apiName":"VTubeStudioPublicAPI"}', "messageType is None"),
        ('{"apiName":"VTubeStudioPublicAPI","messageType":"APIError","requestID":1}', "requestID is 1"),
        ('{"apiName":NaN}', "no JSON"),
        ("[" * 100_000, "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (" " * (api.MAX_MESSAGE_BYTES + 1), "is the most"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_faulty_messages_are_refused(text, message):
    with pytest.raises(ProtocolError, match=message):
        api.decode(text)


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (api.token_of, {}),
        (api.token_of, {"authenticationToken": ""}),
        (api.token_of, {"authenticationToken": "x" * 65}),
        (api.token_of, {"authenticationToken": "a b"}),
        (api.token_of, {"authenticationToken": "ä"}),
        (api.is_authenticated, {}),
        (api.is_authenticated, {"authenticated": "yes"}),
        (api.known_parameters, {"defaultParameters": []}),
        (api.known_parameters, {"defaultParameters": [1], "customParameters": []}),
        (api.known_parameters, {"defaultParameters": [], "customParameters": [{"name": "x"}]}),
    ],
    ids=str,
)
def test_answers_without_what_was_asked_for_are_refused(read, data):
    with pytest.raises(ProtocolError, match="VTube Studio"):
        read(Message("Response", "1", data))


@pytest.mark.parametrize(
    "data", [{}, {"errorID": "50", "message": ""}, {"errorID": True, "message": ""}, {"errorID": 1}]
)
def test_faulty_errors_are_refused(data):
    with pytest.raises(ProtocolError, match="VTube Studio"):
        api.error_of(Message("APIError", "1", data))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {"apiName": st.sampled_from(["VTubeStudioPublicAPI", "x"]), "messageType": st.just("APIError") | JSON},
    optional={
        "requestID": st.just("1") | JSON,
        "data": JSON
        | st.dictionaries(
            st.sampled_from(
                ["errorID", "message", "authenticationToken", "authenticated", "defaultParameters", "customParameters"]
            ),
            JSON,
        ),
    },
)
READERS = (api.error_of, api.token_of, api.is_authenticated, api.is_active, api.known_parameters)


@given(st.text(max_size=60) | st.binary(max_size=60) | FIELDS.map(json.dumps))
def test_arbitrary_answers_raise_only_protocol_errors(text):
    for read in READERS:
        try:
            read(api.decode(text))
        except ProtocolError:
            continue
