"""iFacialMocap: the text datagrams of the iPhone app of that name, which many avatar programs read.

v1   trackingStatus-1|NAME-WHOLE|...|=head#rx,ry,rz,x,y,z|rightEye#rx,ry,rz|leftEye#rx,ry,rz|
v2   the same with & in the place of -

The program asks the app with a datagram of its own (`decode_request`) and is then sent one packet a frame. Weights are
whole numbers 0..100 under Apple's older names (eyeBlink_L), angles degrees, positions metres.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from protocol import axes
from protocol.frame import ARKIT_SHAPES, FaceFrame, Floats, ProtocolError

DEFAULT_PORT = 49983

Version = Literal["v1", "v2"]
# What a program may ask for: packets of a version, frames over TCP instead, or an end.
Request = Literal["v1", "v2", "tcp", "stop"]
Angles = tuple[float, float, float]

_START = "iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719"
_REQUESTS: dict[str, Request] = {
    _START: "v1",
    _START.replace("_", "_UDPTCP_", 1): "tcp",
    _START.replace("_", "_UDPTCPSTOP_", 1): "stop",
}
_ASKS_FOR_V2 = "sendDataVersion=v2"

_SEPARATORS: dict[Version, str] = {"v1": "-", "v2": "&"}
_STATUS = "trackingStatus"
_POSES = {"=head": 6, "rightEye": 3, "leftEye": 3}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_MOST_BYTES = 8192  # what the app's own example of a receiver reads
_MOST_DEGREES = 360.0
_MOST_METRES = 100.0


def _app_name(shape: str) -> str:
    for side in ("Left", "Right"):
        # Of jawLeft, jawRight, mouthLeft and mouthRight the side is the direction, not the half of the face.
        if shape.endswith(side) and shape not in (f"jaw{side}", f"mouth{side}"):
            return f"{shape.removesuffix(side)}_{side[0]}"
    return shape


# The app's names, in the order of ARKIT_SHAPES.
NAMES: tuple[str, ...] = tuple(_app_name(shape) for shape in ARKIT_SHAPES)
_INDEX = {name: index for index, name in enumerate(NAMES)}


@dataclass(frozen=True, eq=False)
class IFacialMocapPacket:
    """A decoded packet.

    is_tracked          what the packet says of its face; None when it says nothing
    weights             float32 [52] in 0..1, in the order of ARKIT_SHAPES; 0 for shapes that the packet leaves out
    head_deg            rotations about our x, y and z: R = R_y R_x R_z, positive downwards, to the subject's left and
                        towards the subject's right shoulder
    head_m              the head in the camera's frame
    *_eye_deg           as `head_deg`, in the head; None when the packet leaves it out
    """

    version: Version
    is_tracked: bool | None
    weights: Floats
    head_deg: Angles
    head_m: tuple[float, float, float]
    right_eye_deg: Angles | None
    left_eye_deg: Angles | None


def encode(frame: FaceFrame, version: Version = "v1") -> bytes:
    """The datagram of one frame, about 1 kB.

    The signs of the app's angles are nowhere documented; these are the ones that packets recorded from the app have:
    their eyes turn the way that their eyeLook shapes say, and ry and rx combine as R_y R_x R_z.
    """
    separator = _SEPARATORS[version]
    weights = np.rint(100 * frame.arkit).astype(int).tolist()
    yaw, pitch, roll = axes.to_live_link_angles(axes.from_axis_angle(frame.head_rotation))
    left_pitch, left_yaw, right_pitch, right_yaw = frame.gaze.tolist()
    # The status comes first: there are receivers that pass over the first field, whatever it is.
    fields = [f"{_STATUS}{separator}{int(frame.is_found)}"]
    fields += [f"{name}{separator}{weight}" for name, weight in zip(NAMES, weights, strict=True)]
    fields += [
        f"=head#{_degrees(pitch, yaw, roll)},{_decimals(frame.head_translation.tolist())}",
        f"rightEye#{_degrees(right_pitch, right_yaw, 0.0)}",
        f"leftEye#{_degrees(left_pitch, left_yaw, 0.0)}",
    ]
    return ("|".join(fields) + "|").encode("ascii")


def _degrees(*angles_rad: float) -> str:
    return _decimals([math.degrees(angle) for angle in angles_rad])


def _decimals(values: list[float]) -> str:
    # Never an exponent: simple receivers split at every minus.
    return ",".join(f"{round(value, 4) + 0.0:.4f}" for value in values)


def decode(data: bytes | bytearray | memoryview) -> IFacialMocapPacket:
    """Take a packet of either version apart; ProtocolError when a field makes no sense.

    Shapes that are not known here are passed over: later versions of the app may have more.
    """
    weights = np.zeros(len(NAMES), np.float32)
    poses: dict[str, tuple[float, ...]] = {}
    seen: set[str] = set()
    versions: set[Version] = set()
    is_tracked: bool | None = None
    for field in filter(None, _text(data).split("|")):
        name, values, version = _field(field)
        if name in seen:
            raise ProtocolError(f"the iFacialMocap packet has {name} twice; each field may come once")
        seen.add(name)
        if version is None:
            poses[name] = values
            continue
        versions.add(version)
        if name == _STATUS:
            is_tracked = values[0] > 0
        elif name in _INDEX:
            weights[_INDEX[name]] = values[0] / 100
    if "=head" not in poses or len(versions) != 1:
        raise ProtocolError("the iFacialMocap packet must have weights of one version and the head's pose")
    weights.setflags(write=False)
    return IFacialMocapPacket(
        version=versions.pop(),
        is_tracked=is_tracked,
        weights=weights,
        head_deg=_triple(poses["=head"]),
        head_m=_triple(poses["=head"][3:]),
        right_eye_deg=_triple(poses["rightEye"]) if "rightEye" in poses else None,
        left_eye_deg=_triple(poses["leftEye"]) if "leftEye" in poses else None,
    )


def decode_request(data: bytes | bytearray | memoryview) -> Request:
    """What a program asks for with `data`; ProtocolError when it is no request of this protocol."""
    text, *options = _text(data).rstrip("\0\r\n ").split("|")
    request = _REQUESTS.get(text)
    if request is None:
        raise ProtocolError(
            f"the datagram {text[:40]!r} asks for nothing; iFacialMocap's requests begin {_START[:13]!r}"
        )
    return "v2" if request == "v1" and _ASKS_FOR_V2 in options else request


def encode_request(request: Request) -> bytes:
    """The datagram with which a program asks the app."""
    if request == "v2":
        return f"{_START}|{_ASKS_FOR_V2}".encode("ascii")
    return next(text for text, meaning in _REQUESTS.items() if meaning == request).encode("ascii")


def _text(data: bytes | bytearray | memoryview) -> str:
    data = bytes(data)
    if len(data) > _MOST_BYTES or not data.isascii():
        raise ProtocolError(f"the iFacialMocap text has {len(data)} bytes; it must be ASCII of at most {_MOST_BYTES}")
    return data.decode("ascii")


def _field(field: str) -> tuple[str, tuple[float, ...], Version | None]:
    """Name, values and the version whose separator stands between them; a pose has no version."""
    name, is_pose, values = field.partition("#")
    if is_pose:
        if name not in _POSES:
            raise ProtocolError(f"the iFacialMocap packet has the pose {name!r}; the poses are {', '.join(_POSES)}")
        numbers = tuple(_number(field, value) for value in values.split(","))
        limits = (_MOST_DEGREES,) * 3 + (_MOST_METRES,) * 3
        if len(numbers) != _POSES[name] or any(abs(n) > most for n, most in zip(numbers, limits, strict=False)):
            raise ProtocolError(
                f"the iFacialMocap field {field!r} must have {_POSES[name]} numbers, angles within {_MOST_DEGREES:g} "
                f"degrees and positions within {_MOST_METRES:g} m"
            )
        return name, numbers, None
    version: Version = "v2" if "&" in field else "v1"
    name, separator, value = field.rpartition(_SEPARATORS[version])
    number = _number(field, value) if separator and _NAME.fullmatch(name) else -1.0
    if not 0 <= number <= 100:
        raise ProtocolError(f"the iFacialMocap field {field!r} must be a name and a number in 0..100")
    return name, (number,), version


def _number(field: str, text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(number := float(text)):
        raise ProtocolError(f"the iFacialMocap field {field!r} has {text!r} where a number must be")
    return number


def _triple(values: tuple[float, ...]) -> tuple[float, float, float]:
    return values[0], values[1], values[2]
