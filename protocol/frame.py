"""One frame of a face: the motion space as a table, and the frozen record that every codec packs and unpacks.

Axes: metres, right-handed, +Y up, +Z out of the face, +X to the subject's left. "Left" is the subject's left.
Rotations are right-handed about those axes, so a positive pitch looks or opens *down* and a positive yaw turns to the
subject's left. The camera frame has the same axes when the face looks straight into the camera: a head at 0.6 m has
`head_translation` (0, 0, -0.6) and `head_rotation` 0.

Times are integer nanoseconds of one monotonic clock (`time.perf_counter_ns` of the sender's machine).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

SCHEMA_VERSION = 1
OPEN_HEAD_ID = "open-head/1"

# Apple's identifiers, in the order of Live Link's packet (which groups them by region of the face).
ARKIT_SHAPES: tuple[str, ...] = (
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
    "eyeBlinkRight",
    "eyeLookDownRight",
    "eyeLookInRight",
    "eyeLookOutRight",
    "eyeLookUpRight",
    "eyeSquintRight",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)

REGIONS: tuple[str, ...] = ("mouth", "upper_face", "eyes", "head")


class ProtocolError(ValueError):
    """A packet, a recording or a frame breaks the wire's rules. The only error the codecs raise on bad bytes."""


@dataclass(frozen=True)
class Part:
    """One row of the motion space: `size` float32 values, each inside [minimum, maximum]."""

    name: str
    size: int
    unit: str
    minimum: float
    maximum: float
    meaning: str
    is_scalar: bool = False
    is_optional: bool = False


PARTS: tuple[Part, ...] = (
    Part("expression", 50, "sd", -20.0, 20.0, "coefficients of the head's expression basis, in standard deviations"),
    Part("jaw", 3, "rad", -1.0, 1.0, "jaw rotation, axis-angle; +x opens (0..0.5), y turns left/right, z rolls"),
    Part("eyelids", 2, "0..1", 0.0, 1.0, "left, right; 0 open, 1 closed"),
    Part("gaze", 4, "rad", -math.pi / 2, math.pi / 2, "left pitch, left yaw, right pitch, right yaw of the eyeballs"),
    Part("head_rotation", 3, "rad", -math.pi, math.pi, "head to camera, axis-angle"),
    Part("head_translation", 3, "m", -100.0, 100.0, "the head's origin in the camera frame"),
    Part("shape", 100, "sd", -20.0, 20.0, "identity; sent on change and once a second", is_optional=True),
    Part("detail", 128, "1", -100.0, 100.0, "code of the skin's wrinkles; as shape, if asked for", is_optional=True),
    Part("arkit", 52, "0..1", 0.0, 1.0, "ARKit blendshape weights in the order of ARKIT_SHAPES"),
    Part("laughter", 1, "0..1", 0.0, 1.0, "probability that the voice is laughing", is_scalar=True),
    Part("speech", 1, "0..1", 0.0, 1.0, "probability that the voice is speaking", is_scalar=True),
    Part("valence", 1, "-1..1", -1.0, 1.0, "unpleasant .. pleasant", is_scalar=True),
    Part("arousal", 1, "-1..1", -1.0, 1.0, "calm .. excited", is_scalar=True),
    Part("confidence", 4, "0..1", 0.0, 1.0, "mouth, upper_face, eyes, head; 0 = nobody can see or hear this"),
)
PART_BY_NAME: dict[str, Part] = {part.name: part for part in PARTS}

# What is safe in a URL, in an OSC address and as a name in Unreal.
_SUBJECT = re.compile(r"[A-Za-z0-9_.-]{0,32}")

# float32 rounding of a bound (pi, for example) may land just outside it.
_TOLERANCE = 1e-5
# Protocols that know only "a face" and "no face" say "no face" below this confidence.
_FOUND_FROM = 0.2


def checked(name: str, values: ArrayLike) -> Floats:
    """`values` as the part called `name`: float32 [size], finite and in range, read-only; ProtocolError otherwise."""
    part = PART_BY_NAME[name]
    try:
        with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which is refused below
            array = np.array(values, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise ProtocolError(f"{name} is not numeric: {error}") from error
    if array.shape != (part.size,):
        raise ProtocolError(f"{name} has shape {array.shape}; it must be ({part.size},)")
    low, high = float(array.min()), float(array.max())  # NaN propagates through both
    if not (low >= part.minimum - _TOLERANCE and high <= part.maximum + _TOLERANCE):
        raise ProtocolError(
            f"{name} spans {low:g}..{high:g}; it must be finite and within {part.minimum:g}..{part.maximum:g}"
        )
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class FaceFrame:
    """The face at one instant. Arrays are float32 and read-only; see `PARTS` for size, unit and range of each.

    seq          counts frames of one sender, +1 each, so that a client sees a gap
    capture_ns   the oldest of the newest sensor times (camera, microphone) that went in
    publish_ns   when the frame was handed to the sinks
    head         id of the head model that `expression`, `jaw` and `shape` belong to
    shape        None in frames that do not carry the identity
    detail       None in frames that do not carry it: all, unless it was asked for. The hello says whose code it is
    subject      whose face it is, for senders of many: up to 32 letters, digits, _ . - ; "" from senders of one
    """

    seq: int
    capture_ns: int
    publish_ns: int
    head: str
    expression: Floats
    jaw: Floats
    eyelids: Floats
    gaze: Floats
    head_rotation: Floats
    head_translation: Floats
    arkit: Floats
    confidence: Floats
    shape: Floats | None = None
    detail: Floats | None = None
    laughter: float = 0.0
    speech: float = 0.0
    valence: float = 0.0
    arousal: float = 0.0
    subject: str = ""

    def __post_init__(self) -> None:
        for name in ("seq", "capture_ns", "publish_ns"):
            value: Any = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
                raise ProtocolError(f"{name} is {value!r}; it must be an integer in 0..2^63-1")
        head: Any = self.head
        if not isinstance(head, str) or not 1 <= len(head.encode("utf-8", "replace")) <= 64 or not head.isprintable():
            raise ProtocolError(f"head is {head!r}; it must be a printable id of 1..64 bytes")
        check_subject(self.subject)
        for part in PARTS:
            given: Any = getattr(self, part.name)
            if part.is_optional and given is None:
                continue
            array = checked(part.name, [given] if part.is_scalar else given)
            object.__setattr__(self, part.name, float(array[0]) if part.is_scalar else array)

    def part(self, name: str) -> Floats | None:
        """The named part as a float32 array [size], scalars included; None when an optional part is absent."""
        value = getattr(self, name)
        return np.array([value], np.float32) if PART_BY_NAME[name].is_scalar else value

    @property
    def is_found(self) -> bool:
        """True when any region of the face is seen or heard, for protocols that ask for a yes or a no."""
        return bool(self.confidence.max() >= _FOUND_FROM)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FaceFrame):
            return NotImplemented
        return (self.seq, self.capture_ns, self.publish_ns, self.head, self.subject) == (
            other.seq,
            other.capture_ns,
            other.publish_ns,
            other.head,
            other.subject,
        ) and all(_same(self.part(part.name), other.part(part.name)) for part in PARTS)

    __hash__ = None  # type: ignore[assignment]


def check_subject(subject: object) -> None:
    """ProtocolError unless `subject` can name a face; "" names none."""
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise ProtocolError(f"subject is {subject!r}; it must be up to 32 letters, digits, _ . or -")


def _same(one: Floats | None, other: Floats | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)
