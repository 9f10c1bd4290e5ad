"""VMC (Virtual Motion Capture protocol): a frame as OSC bundles for VSeeFace, Warudo, VNyan, Unity and others.

An *assistant* sends the face to a performer (port 39540), which knows the avatar. A *performer* sends to what draws
(port 39539) and therefore also says that it is ready, and moves the neck, the head and the eyes.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Literal

from protocol import axes, osc
from protocol.frame import ARKIT_SHAPES, FaceFrame, ProtocolError
from protocol.vmc_requests import EVERYTHING, Groups

ASSISTANT_PORT = 39540
PERFORMER_PORT = 39539

Mode = Literal["assistant", "performer"]
Presets = Literal["vrm0", "vrm1", "none"]
ShapeNames = Literal["pascal", "camel"]
Gaze = Literal["shapes", "target"]


@dataclass(frozen=True)
class VmcOptions:
    """How to speak to a receiver.

    mode      "assistant": weights only; "performer": also OK, T, Root and the bones Neck, Head, LeftEye, RightEye
    presets   visemes and blinks for avatars without the 52 shapes, by their VRM 0 or VRM 1 names; "none" for avatars
              with Perfect Sync, whose mouth and lids would move twice
    shapes    spelling of the 52 ARKit shapes: "pascal" (JawOpen, as Perfect Sync has them) or "camel" (jawOpen)
    gaze      how an assistant says where the eyes look: "shapes", by the eyeLook shapes alone; "target", also by a
              point that they look at (/VMC/Ext/Set/Eye). A performer turns the eyes' bones.
    """

    mode: Mode = "assistant"
    presets: Presets = "vrm0"
    shapes: ShapeNames = "pascal"
    gaze: Gaze = "shapes"

    def __post_init__(self) -> None:
        for name, known in (
            ("mode", ("assistant", "performer")),
            ("presets", ("vrm0", "vrm1", "none")),
            ("shapes", ("pascal", "camel")),
            ("gaze", ("shapes", "target")),
        ):
            if getattr(self, name) not in known:
                raise ProtocolError(
                    f"the VMC option {name} is {getattr(self, name)!r}; it is one of {', '.join(known)}"
                )


DEFAULTS = VmcOptions()

_PRESET_NAMES: dict[Presets, tuple[str, ...]] = {
    "vrm0": ("A", "I", "U", "E", "O", "Blink_L", "Blink_R"),
    "vrm1": ("aa", "ih", "ou", "ee", "oh", "blinkLeft", "blinkRight"),
    "none": (),
}
# How much of the head's rotation the neck takes; the head adds the rest about the same axis.
_NECK_SHARE = 0.5

_VAL = "/VMC/Ext/Blend/Val"
_INDEX = {name: index for index, name in enumerate(ARKIT_SHAPES)}
_FLOAT = struct.Struct(">f")


def _value_heads(names: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(osc.message_head(_VAL, "sf") + osc.string(name) for name in names)


_SHAPE_HEADS: dict[ShapeNames, tuple[bytes, ...]] = {
    "pascal": _value_heads(tuple(name[0].upper() + name[1:] for name in ARKIT_SHAPES)),
    "camel": _value_heads(ARKIT_SHAPES),
}
_PRESET_HEADS = {presets: _value_heads(names) for presets, names in _PRESET_NAMES.items()}
_APPLY = osc.encode_message("/VMC/Ext/Blend/Apply")
# A model is loaded, it is calibrated, the mode is normal; tracking is bad, or good.
_OK = tuple(osc.encode_message("/VMC/Ext/OK", 1, 3, 0, is_tracked) for is_tracked in (0, 1))
# How far away what the eyes look at is.
_TARGET_M = 1.0


def encode(frame: FaceFrame, options: VmcOptions = DEFAULTS, groups: Groups = EVERYTHING) -> list[bytes]:
    """The datagrams of one frame, each at most 1472 bytes, to be sent in this order; the last ends with Apply.

    groups   which kinds of messages, where the receiver has asked for fewer
    """
    messages = _pose(frame, groups) if options.mode == "performer" else []
    if groups.blend:
        messages += _weights(_SHAPE_HEADS[options.shapes], frame.arkit.tolist())
        if options.presets != "none":
            messages += _weights(_PRESET_HEADS[options.presets], presets(frame.arkit.tolist()))
        if options.mode == "assistant" and options.gaze == "target":
            messages.append(_eye_target(frame))
        messages.append(_APPLY)
    return osc.pack(messages)


def _weights(heads: tuple[bytes, ...], values: list[float]) -> list[bytes]:
    return [head + _FLOAT.pack(value) for head, value in zip(heads, values, strict=True)]


def _pose(frame: FaceFrame, groups: Groups) -> list[bytes]:
    messages: list[bytes] = []
    if groups.status:
        is_tracked = bool(frame.confidence.max() > 0)
        messages += [_OK[is_tracked], osc.encode_message("/VMC/Ext/T", frame.publish_ns / 1e9)]
    if groups.root:
        messages.append(_bone("/VMC/Ext/Root/Pos", "root", axes.IDENTITY))
    if groups.bone:
        left_pitch, left_yaw, right_pitch, right_yaw = frame.gaze.tolist()
        rotations = {
            "Neck": axes.from_axis_angle(_NECK_SHARE * frame.head_rotation),
            "Head": axes.from_axis_angle((1 - _NECK_SHARE) * frame.head_rotation),
            "LeftEye": axes.from_pitch_yaw(left_pitch, left_yaw),
            "RightEye": axes.from_pitch_yaw(right_pitch, right_yaw),
        }
        messages += [_bone("/VMC/Ext/Bone/Pos", name, rotation) for name, rotation in rotations.items()]
    return messages


def _eye_target(frame: FaceFrame) -> bytes:
    """/VMC/Ext/Set/Eye, version 2.8: a point in front of the head, seen from the head, that both eyes look at."""
    left_pitch, left_yaw, right_pitch, right_yaw = frame.gaze.tolist()
    pitch, yaw = (left_pitch + right_pitch) / 2, (left_yaw + right_yaw) / 2
    forward = math.cos(pitch)
    direction = (math.sin(yaw) * forward, -math.sin(pitch), math.cos(yaw) * forward)
    target = axes.to_unity_position([_TARGET_M * one for one in direction])
    return osc.encode_message("/VMC/Ext/Set/Eye", 1, *target)


def _bone(address: str, name: str, rotation: axes.Quaternion) -> bytes:
    """A local pose. The position is 0: only the avatar knows where its bones are."""
    return osc.encode_message(address, name, 0.0, 0.0, 0.0, *axes.to_unity_rotation(rotation))


def presets(arkit: list[float]) -> list[float]:
    """A I U E O and the blinks, 0..1, from the 52 weights.

    A plain reading of the mouth, not a phoneme recogniser: how far it is open, rounded and spread. The five vowels
    never add up to more than 1, because avatars add their shapes.
    """

    def weight(*names: str) -> float:
        return sum(arkit[_INDEX[name]] for name in names) / len(names)

    opened = max(0.0, weight("jawOpen") - weight("mouthClose"))
    rounded = max(weight("mouthFunnel"), weight("mouthPucker"))
    spread = max(weight("mouthSmileLeft", "mouthSmileRight"), weight("mouthStretchLeft", "mouthStretchRight"))
    spread *= 1 - rounded
    vowels = [
        opened * (1 - rounded) * (1 - spread),
        (1 - opened) * spread * min(1.0, 4 * opened),  # a closed smile says nothing
        (1 - opened) * rounded,
        opened * spread,
        opened * rounded,
    ]
    total = max(1.0, sum(vowels))
    return [*(vowel / total for vowel in vowels), weight("eyeBlinkLeft"), weight("eyeBlinkRight")]
