"""VTube Studio's plugin API, version 1.0: the JSON messages of a plugin that feeds in a face, and the answers to them.

A plugin asks for a token once (the user clicks Allow), authenticates every connection with it, creates parameters of
its own, and then injects values, each again within a second, or VTube Studio lets go of them.
"""

# What JSON holds is checked below, field by field.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NoReturn

from protocol.frame import ProtocolError

DEFAULT_PORT = 8001
# What the user reads in the question of VTube Studio; 3..32 characters each. The token belongs to both.
PLUGIN_NAME = "Avatar Driver"
PLUGIN_DEVELOPER = "avatar-driver"
MAX_MESSAGE_BYTES = 1 << 20  # the list of all parameters is the longest answer, about 60 kB

_API_NAME = "VTubeStudioPublicAPI"
_API_VERSION = "1.0"
_PLUGIN = {"pluginName": PLUGIN_NAME, "pluginDeveloper": PLUGIN_DEVELOPER}
_MOST_TOKEN_LETTERS = 64


class ErrorId(IntEnum):
    """The errors that a plugin can do something about."""

    API_IS_OFF = 1
    NOT_AUTHENTICATED = 8
    DENIED = 50
    BEING_ASKED = 51
    OWNED_BY_OTHER_PLUGIN = 352
    TOO_MANY_FOR_PLUGIN = 355
    TOO_MANY_IN_ALL = 356
    UNKNOWN_PARAMETER = 453
    DRIVEN_BY_OTHER_PLUGIN = 454


@dataclass(frozen=True)
class Message:
    """An answer: its type, the id of the request that it answers, and its data."""

    type: str
    request_id: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Parameter:
    """A parameter to create. `minimum` and `maximum` are what a new mapping offers first; values may go beyond."""

    name: str
    explanation: str
    minimum: float = 0.0
    maximum: float = 1.0
    default: float = 0.0


@dataclass(frozen=True)
class KnownParameters:
    """What VTube Studio has: the names of its own tracking parameters, and custom ones with the plugin of each."""

    tracking: frozenset[str]
    custom: Mapping[str, str]


def state_request(request_id: str) -> str:
    """Is the API on? Needs no authentication and asks the user nothing."""
    return _request("APIStateRequest", request_id, {})


def token_request(request_id: str) -> str:
    """Makes VTube Studio ask its user whether this plugin may control it; the answer comes after the click."""
    return _request("AuthenticationTokenRequest", request_id, _PLUGIN)


def authentication_request(request_id: str, token: str) -> str:
    """Authenticates this connection."""
    return _request("AuthenticationRequest", request_id, {**_PLUGIN, "authenticationToken": token})


def parameter_list_request(request_id: str) -> str:
    """Asks for all parameters. The answer is long: not for every frame."""
    return _request("InputParameterListRequest", request_id, {})


def creation_request(request_id: str, parameter: Parameter) -> str:
    """Creates a parameter, or brings an own one up to date."""
    return _request(
        "ParameterCreationRequest",
        request_id,
        {
            "parameterName": parameter.name,
            "explanation": parameter.explanation,
            "min": parameter.minimum,
            "max": parameter.maximum,
            "defaultValue": parameter.default,
        },
    )


def injection_request(request_id: str, values: Mapping[str, float], *, is_found: bool) -> str:
    """Sets parameters, all of which must exist. `is_found` False lets VTube Studio play "tracking lost"."""
    return _request(
        "InjectParameterDataRequest",
        request_id,
        {
            "faceFound": is_found,
            "mode": "set",
            "parameterValues": [{"id": name, "value": value} for name, value in values.items()],
        },
    )


def _request(message_type: str, request_id: str, data: Mapping[str, Any]) -> str:
    return json.dumps(
        {
            "apiName": _API_NAME,
            "apiVersion": _API_VERSION,
            "requestID": request_id,
            "messageType": message_type,
            "data": data,
        },
        separators=(",", ":"),
    )


def decode(text: str | bytes) -> Message:
    """Take a message apart; ProtocolError when it is none of this API. Unknown fields are passed over."""
    if len(text) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"the VTube Studio message has {len(text)} bytes; {MAX_MESSAGE_BYTES} is the most")
    try:
        message = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the VTube Studio message is no JSON: {error}") from error
    if not isinstance(message, dict) or message.get("apiName") != _API_NAME:
        raise ProtocolError(f"the VTube Studio message must be an object whose apiName is {_API_NAME}")
    data = message.get("data")
    return Message(_text(message, "messageType"), _text(message, "requestID"), data if isinstance(data, dict) else {})


def error_of(message: Message) -> tuple[int, str] | None:
    """Number and text of the error that `message` reports; None when it reports none."""
    if message.type != "APIError":
        return None
    number = message.data.get("errorID")
    if type(number) is not int:
        raise ProtocolError(f"the VTube Studio error has the number {number!r}; it must be an integer")
    return number, _text(message.data, "message")


def token_of(message: Message) -> str:
    """The token that the user has granted."""
    token = _text(message.data, "authenticationToken")
    if not is_token(token):
        raise ProtocolError(
            f"VTube Studio's token has {len(token)} letters; it must be 1..{_MOST_TOKEN_LETTERS} of ASCII"
        )
    return token


def is_token(text: str) -> bool:
    """True when `text` can be a token."""
    return text.isascii() and text.isprintable() and " " not in text and 1 <= len(text) <= _MOST_TOKEN_LETTERS


def is_authenticated(message: Message) -> bool:
    """False when the token was refused: it is another plugin's, or the user has taken it back."""
    answer = message.data.get("authenticated")
    if type(answer) is not bool:
        raise ProtocolError(f"VTube Studio's authenticated is {answer!r}; it must be true or false")
    return answer


def is_active(message: Message) -> bool:
    """The answer to `state_request`."""
    return message.data.get("active") is True


def known_parameters(message: Message) -> KnownParameters:
    """The answer to `parameter_list_request`."""
    return KnownParameters(
        tracking=frozenset(_text(row, "name") for row in _rows(message, "defaultParameters")),
        custom={_text(row, "name"): _text(row, "addedBy") for row in _rows(message, "customParameters")},
    )


def _rows(message: Message, name: str) -> list[Mapping[str, Any]]:
    rows = message.data.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ProtocolError(f"VTube Studio's {name} must be a list of objects")
    return rows


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ProtocolError(f"VTube Studio's {name} is {value!r}; it must be text")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
