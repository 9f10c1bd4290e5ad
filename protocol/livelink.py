"""Live Link Face: the 61-channel datagram, version 6, that Unreal's Apple ARKit plugin listens for. Big-endian.

Sources disagree on the unit of the nine angles: receivers built for MetaHuman take radians, Unreal's own publisher
sends degrees / 180. The scale is an option, of the head and of the eyes.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from protocol import axes
from protocol.frame import ARKIT_SHAPES, FaceFrame, Floats, ProtocolError

DEFAULT_PORT = 11111
VERSION = 6
CHANNELS: tuple[str, ...] = (
    *(name[0].upper() + name[1:] for name in ARKIT_SHAPES),
    "HeadYaw",
    "HeadPitch",
    "HeadRoll",
    "LeftEyeYaw",
    "LeftEyePitch",
    "LeftEyeRoll",
    "RightEyeYaw",
    "RightEyePitch",
    "RightEyeRoll",
)

Scale = Literal["radians", "half_turns", "degrees"]
NoFace = Literal["send", "short"]

_MAX_TEXT_BYTES = 256
_TEXT_LENGTH = struct.Struct(">i")
_TIME = struct.Struct(">ifii")
_VALUES = struct.Struct(f">B{len(CHANNELS)}f")


@dataclass(frozen=True)
class LiveLinkOptions:
    """How a face presents itself to Unreal.

    subject     name of the Live Link subject, ASCII; one a face. A frame that names its own is sent under that
    head_scale  unit of the head's three angles: "radians", "half_turns" (degrees / 180) or "degrees"
    eye_scale   unit of the eyes' six angles
    no_face     what to do while nothing of the face is known: "send" it all the same, as it eases to neutral; or the
                "short" datagram of the phone app, on which Unreal holds the last face
    rate_hz     frames a second that the frame number counts
    zero_ns     is added to `publish_ns`: turns the sender's clock into the time of day, for example
    device_id   36 characters, as a phone's UUID has; some receivers accept no other length
    """

    subject: str = "AvatarDriver"
    head_scale: Scale = "radians"
    eye_scale: Scale = "radians"
    no_face: NoFace = "send"
    rate_hz: int = 60
    zero_ns: int = 0
    device_id: str = "A7A7A7D1-0000-4000-8000-000000000001"

    def __post_init__(self) -> None:
        if not self.subject.isascii() or not self.subject.isprintable() or not 1 <= len(self.subject) <= 64:
            raise ProtocolError(
                f"the Live Link subject is {self.subject!r}; it must be 1..64 printable ASCII characters"
            )
        if len(self.device_id) != 36 or not self.device_id.isascii():
            raise ProtocolError(f"the Live Link device id is {self.device_id!r}; it must be 36 ASCII characters")
        for name, known in (
            ("head_scale", get_args(Scale)),
            ("eye_scale", get_args(Scale)),
            ("no_face", get_args(NoFace)),
        ):
            if getattr(self, name) not in known:
                raise ProtocolError(f"the Live Link {name} is {getattr(self, name)!r}; it is one of {', '.join(known)}")
        if not 1 <= self.rate_hz <= 1000:
            raise ProtocolError(f"the Live Link rate is {self.rate_hz!r} Hz; it must be in 1..1000")


DEFAULTS = LiveLinkOptions()
_PER_RADIAN: dict[Scale, float] = {"radians": 1.0, "half_turns": 1.0 / math.pi, "degrees": 180.0 / math.pi}


@dataclass(frozen=True, eq=False)
class LiveLinkPacket:
    """A decoded datagram. `values` float32 [61] in the order of CHANNELS; None when no face was in view.

    The time is `frame_number` + `sub_frame` (0..1) frames of `rate_numerator` / `rate_denominator` Hz.
    """

    device_id: str
    subject: str
    frame_number: int
    sub_frame: float
    rate_numerator: int
    rate_denominator: int
    values: Floats | None


def encode(frame: FaceFrame, options: LiveLinkOptions = DEFAULTS) -> bytes:
    """The datagram of one frame: 270 bytes and the two names; without a face, what `no_face` says."""
    if options.no_face == "short" and not frame.confidence.any():
        return encode_no_face(frame, options)
    left_pitch, left_yaw, right_pitch, right_yaw = frame.gaze.tolist()
    head, eye = _PER_RADIAN[options.head_scale], _PER_RADIAN[options.eye_scale]
    values = (
        *frame.arkit.tolist(),
        *(head * angle for angle in axes.to_live_link_angles(axes.from_axis_angle(frame.head_rotation))),
        *(eye * angle for angle in (left_yaw, left_pitch, 0.0, right_yaw, right_pitch, 0.0)),
    )
    return _head(frame, options) + _VALUES.pack(len(CHANNELS), *values)


def encode_no_face(frame: FaceFrame, options: LiveLinkOptions = DEFAULTS) -> bytes:
    """The shorter datagram that says "nobody is in view" at the frame's time; Unreal then holds the last face."""
    return _head(frame, options)


def _head(frame: FaceFrame, options: LiveLinkOptions) -> bytes:
    number, rest = divmod((frame.publish_ns + options.zero_ns) * options.rate_hz, 1_000_000_000)
    # float32 would round the last fractions of a frame up to 1.
    sub_frame = min(rest / 1e9, 1 - 2**-24)
    subject = frame.subject or options.subject
    texts = b"".join(_TEXT_LENGTH.pack(len(text)) + text.encode() for text in (options.device_id, subject))
    return bytes((VERSION,)) + texts + _TIME.pack(number % 2**31, sub_frame, options.rate_hz, 1)


def decode(data: bytes | bytearray | memoryview) -> LiveLinkPacket:
    """Take a datagram apart; ProtocolError when it is not one of version 6 with 61 finite values, or none."""
    data = bytes(data)
    if data[:1] != bytes((VERSION,)):
        raise ProtocolError(f"the Live Link packet begins with {data[:1]!r}; its version must be {VERSION}")
    device_id, position = _text(data, 1)
    subject, position = _text(data, position)
    if len(data) < position + _TIME.size:
        raise ProtocolError("the Live Link packet ends inside its frame time")
    number, sub_frame, numerator, denominator = _TIME.unpack_from(data, position)
    position += _TIME.size
    if not 0 <= sub_frame <= 1 or numerator <= 0 or denominator <= 0:
        raise ProtocolError(
            f"the Live Link frame time {number} + {sub_frame} at {numerator}/{denominator} Hz makes no sense"
        )
    return LiveLinkPacket(device_id, subject, number, sub_frame, numerator, denominator, _values(data[position:]))


def _text(data: bytes, position: int) -> tuple[str, int]:
    if len(data) < position + _TEXT_LENGTH.size:
        raise ProtocolError("the Live Link packet ends inside its names")
    (length,) = _TEXT_LENGTH.unpack_from(data, position)
    position += _TEXT_LENGTH.size
    text = data[position : position + max(0, length)]
    if not 1 <= length <= _MAX_TEXT_BYTES or len(text) < length or not text.isascii():
        raise ProtocolError(f"the Live Link packet has a name of {length} bytes that is cut short or not ASCII")
    return text.decode(), position + length


def _values(data: bytes) -> Floats | None:
    if not data:
        return None
    if len(data) != _VALUES.size or data[0] != len(CHANNELS):
        raise ProtocolError(
            f"the Live Link packet has {data[0]} channels in {len(data)} bytes; it must have {len(CHANNELS)} "
            f"in {_VALUES.size}"
        )
    values = np.frombuffer(data, ">f4", offset=1).astype(np.float32)
    if not np.isfinite(values).all():
        raise ProtocolError("the Live Link packet has a channel that is not finite")
    values.setflags(write=False)
    return values
