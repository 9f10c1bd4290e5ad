"""VRChat: a face as OSC avatar parameters, as far as the avatar that is worn has them.

An avatar takes an expression as a float, or bit by bit: Name1, Name2, Name4 ... are bools that count in steps of
1 / 2^N, with NameNegative for the sign. It may put a prefix of its own before the names ("FT/v2/JawOpen").
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from protocol import osc
from protocol.frame import FaceFrame, ProtocolError
from protocol.oscquery import Endpoint
from protocol.unified_expressions import EYE_LOOK, EYELIDS, NAMES, Values, values

DEFAULT_PORT = 9000
PARAMETERS = "/avatar/parameters/"
AVATAR_CHANGE = "/avatar/change"
# Bools that many avatars have to let a face in. True while we send.
ACTIVE = ("EyeTrackingActive", "ExpressionTrackingActive", "LipTrackingActive")

EyeLook = Literal["auto", "native", "parameters"]

# A float that has moved less than this is not worth a message: VRChat passes on steps of 1/127 to other players.
_SMALLEST_CHANGE = 0.002
# From here on all bits are set, whatever the rounding of the sender.
_FULL = 0.99999
_INDEX = {name: index for index, name in enumerate((*NAMES, *ACTIVE))}
_FLOAT = struct.Struct(">f")
_LOOK = osc.message_head("/tracking/eye/LeftRightPitchYaw", "ffff")
_CLOSED = osc.message_head("/tracking/eye/EyesClosedAmount", "f")


@dataclass(frozen=True)
class Wire:
    """One parameter of an avatar: its address, the value it follows (an index into NAMES + ACTIVE), and how.

    kind    "float", "flag" (an ACTIVE bool), "bit" or "negative"
    bit     which bit, for kind "bit"
    """

    address: str
    index: int
    kind: Literal["float", "flag", "bit", "negative"]
    bit: int = 0


class Avatar:
    """The parameters of one avatar that a face can move.

    is_known   False for the stand-in that is used while nobody can say what the avatar has
    """

    def __init__(self, id: str, wires: Sequence[Wire], is_known: bool = True) -> None:
        self.id = id
        self.wires = tuple(wires)
        self.is_known = is_known
        names = {(*NAMES, *ACTIVE)[wire.index] for wire in wires}
        self.has_eye_look = not names.isdisjoint(EYE_LOOK)
        self.has_eyelids = not names.isdisjoint(EYELIDS)
        # Parameters with one prefix count together: two sets of bits of one expression may differ in length.
        groups = [(wire.index, _stem(wire.address)) for wire in wires]
        bits = dict.fromkeys(groups, 0)
        for wire, group in zip(wires, groups, strict=True):
            bits[group] += wire.kind == "bit"
        signed = {group for wire, group in zip(wires, groups, strict=True) if wire.kind == "negative"}
        self._index = np.array([wire.index for wire in wires], np.intp)
        self._bit = np.array([wire.bit for wire in wires], np.int64)
        self._steps = np.array([2 ** bits[group] for group in groups], np.float64)
        self._lowest = np.array([-1.0 if group in signed else 0.0 for group in groups])
        self._is = {
            kind: np.array([wire.kind == kind for wire in wires], bool) for kind in ("float", "bit", "negative")
        }
        self._smallest = np.where(self._is["float"], _SMALLEST_CHANGE, 0.5)
        self.is_flag = np.array([wire.kind == "flag" for wire in wires], bool)
        self._heads = [
            osc.message_head(wire.address, "f")
            if wire.kind == "float"
            else (osc.encode_message(wire.address, False), osc.encode_message(wire.address, True))
            for wire in wires
        ]

    def levels(self, frame: FaceFrame, is_active: bool = True) -> Values:
        """What each parameter should be: its float, or 0 and 1 for a bool; float64 [len(wires)]."""
        asked = np.append(values(frame), [float(is_active)] * len(ACTIVE))[self._index]
        amount = np.abs(np.maximum(asked, self._lowest))
        step = np.where(amount > _FULL, self._steps - 1, np.floor(amount * self._steps)).astype(np.int64)
        levels = np.where(self._is["bit"], (step >> self._bit) & 1, asked)
        return np.where(self._is["negative"], asked < 0, levels).astype(np.float64)

    def changes(self, levels: Values, sent: Values) -> NDArray[np.bool_]:
        """Where `levels` differ from what was `sent` enough to be sent again; NaN was never sent."""
        return ~(np.abs(levels - sent) < self._smallest)

    def messages(self, levels: Values, chosen: NDArray[np.bool_]) -> list[bytes]:
        """The messages that set the `chosen` parameters."""
        found: list[bytes] = []
        for index in np.flatnonzero(chosen).tolist():
            head = self._heads[index]
            found.append(head[int(levels[index])] if isinstance(head, tuple) else head + _FLOAT.pack(levels[index]))
        return found


def _stem(address: str) -> str:
    """The address without what tells the bits of an expression apart."""
    return re.sub(r"(\d+|Negative)$", "", address)


def avatar_of(id: str, endpoints: Iterable[Endpoint]) -> Avatar:
    """The avatar whose OSC addresses are `endpoints`; those that no face moves are passed over."""
    wires = [wire for endpoint in endpoints if endpoint.is_writable and (wire := _wire(endpoint)) is not None]
    return Avatar(id, wires)


def _wire(endpoint: Endpoint) -> Wire | None:
    address = endpoint.address
    if not address.startswith(PARAMETERS):
        return None
    is_bool, is_float = endpoint.tags in ("T", "F"), endpoint.tags == "f"
    for name in _suffixes(address.removeprefix(PARAMETERS)):
        if is_float and name in _INDEX and name not in ACTIVE:
            return Wire(address, _INDEX[name], "float")
        if is_bool and name in ACTIVE:
            return Wire(address, _INDEX[name], "flag")
        parts = re.fullmatch(r"(v2/[A-Za-z/]+?)(Negative|\d+)", name)
        if is_bool and parts is not None and parts[1] in _INDEX:
            if parts[2] == "Negative":
                return Wire(address, _INDEX[parts[1]], "negative")
            count = int(parts[2]) if len(parts[2]) < 6 else 0
            if count > 0 and count.bit_count() == 1:
                return Wire(address, _INDEX[parts[1]], "bit", count.bit_length() - 1)
    return None


def _suffixes(name: str) -> Iterable[str]:
    """The name without the first folders, one more each time: an avatar may put any before ours."""
    parts = name.split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))


def any_avatar() -> Avatar:
    """The stand-in while the avatar is not known: every expression as a float without a prefix, and ACTIVE."""
    floats = [Wire(PARAMETERS + name, _INDEX[name], "float") for name in NAMES]
    return Avatar("", [*floats, *(Wire(PARAMETERS + name, _INDEX[name], "flag") for name in ACTIVE)], is_known=False)


def decode_avatar_file(data: bytes) -> Avatar:
    """The avatar in a file that VRChat has written to `OSC/USER/Avatars/AVATAR.json`; ProtocolError otherwise."""
    try:
        found: Any = json.loads(data.decode("utf-8-sig"))
        id, parameters = found["id"], found["parameters"]
        inputs = [one["input"] for one in parameters if "input" in one]
        pairs = [(one["address"], one["type"]) for one in inputs]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise ProtocolError(f"this is no OSC configuration of a VRChat avatar: {str(error)[:100]}") from error
    tags = {"Float": "f", "Bool": "T", "Int": "i"}
    if not isinstance(id, str) or not all(isinstance(address, str) for address, _ in pairs):
        raise ProtocolError("the OSC configuration of a VRChat avatar has an id or an address that is not text")
    return avatar_of(
        id, [Endpoint(address, tags.get(str(kind), "")) for address, kind in cast(list[tuple[str, Any]], pairs)]
    )


def avatar_id(endpoints: Iterable[Endpoint]) -> str:
    """The id of the avatar that is worn, from VRChat's OSCQuery tree; "" when it does not say."""
    for endpoint in endpoints:
        if endpoint.address == AVATAR_CHANGE and endpoint.value and isinstance(endpoint.value[0], str):
            return endpoint.value[0]
    return ""


def native_eyes(frame: FaceFrame, avatar: Avatar, look: EyeLook) -> list[bytes]:
    """The messages for VRChat's own eyes: pitch and yaw in degrees, positive down and to the right; lids as one value.

    look   "native": always; "parameters": never; "auto": what a known avatar has no parameters of its own for
    """
    is_open = look == "native" or (look == "auto" and avatar.is_known)
    messages: list[bytes] = []
    if is_open and (look == "native" or not avatar.has_eye_look):
        left_pitch, left_yaw, right_pitch, right_yaw = np.degrees(frame.gaze).astype(float).tolist()
        messages.append(_LOOK + struct.pack(">4f", left_pitch, -left_yaw, right_pitch, -right_yaw))
    if is_open and (look == "native" or not avatar.has_eyelids):
        messages.append(_CLOSED + _FLOAT.pack(float(frame.eyelids.mean())))
    return messages


def encode(
    frame: FaceFrame, avatar: Avatar, sent: Values | None = None, look: EyeLook = "auto", is_active: bool = True
) -> tuple[list[bytes], Values]:
    """The datagrams of one frame, each at most 1472 bytes, and what has been sent by then.

    sent        what this returned for the frame before; None to send every parameter
    is_active   False tells the avatar to do without us from now on
    """
    levels = avatar.levels(frame, is_active)
    before = np.full(len(levels), np.nan) if sent is None else sent
    chosen = avatar.changes(levels, before)
    datagrams = osc.pack(avatar.messages(levels, chosen) + native_eyes(frame, avatar, look))
    return datagrams, np.where(chosen, levels, before)


def again(avatar: Avatar, sent: Values) -> Values:
    """`sent` with everything forgotten that should be said once more, for a receiver that came late or lost a datagram.

    A known avatar's ACTIVE bools are not: the person may have switched them off in the menu.
    """
    return np.where(avatar.is_flag & avatar.is_known, sent, np.nan)
