"""A frame as VTube Studio's parameters: its own tracking parameters, and ours with everything that those cannot say.

VTube Studio shows its user as a mirror does: every X grows when the subject turns, moves or looks to the own *right*,
and every Y upwards. "Left" in a name is the subject's left. Its list of parameters has neither units nor neutral
values; those here are what open plug-ins agree on. MouthX and FacePositionZ, on which they disagree, are left out.
"""

from __future__ import annotations

import math

from protocol import axes
from protocol.frame import ARKIT_SHAPES, FaceFrame
from protocol.vtube_studio import Parameter

_INDEX = {name: index for index, name in enumerate(ARKIT_SHAPES)}


def _own_name(name: str) -> str:
    return f"Avatar{name[0].upper()}{name[1:]}"


_SCALARS = {
    "laughter": Parameter("AvatarLaughter", "How surely the voice is laughing, 0..1"),
    "speech": Parameter("AvatarSpeech", "How surely the voice is speaking, 0..1"),
    "valence": Parameter("AvatarValence", "Unpleasant -1 .. pleasant 1", -1.0),
    "arousal": Parameter("AvatarArousal", "Calm -1 .. excited 1", -1.0),
}

# What the plugin creates; the API allows 100 a plugin, with names of 4..32 letters and digits.
OWN_PARAMETERS: tuple[Parameter, ...] = (
    *(Parameter(_own_name(shape), f"ARKit's {shape}, 0..1; left is the subject's left") for shape in ARKIT_SHAPES),
    *_SCALARS.values(),
)


def own_values(frame: FaceFrame) -> dict[str, float]:
    """A value for each of OWN_PARAMETERS."""
    values = [*frame.arkit.tolist(), *(getattr(frame, name) for name in _SCALARS)]
    return {parameter.name: round(value, 4) for parameter, value in zip(OWN_PARAMETERS, values, strict=True)}


def tracking_values(frame: FaceFrame) -> dict[str, float]:
    """Values for VTube Studio's own parameters.

    FaceAngleX, Y, Z           degrees
    FacePositionX, Y           centimetres from the camera's axis
    MouthOpen, CheekPuff, TongueOut, EyeOpenLeft, EyeOpenRight   0..1; open eyes are 1
    MouthSmile, Brows, BrowLeftY, BrowRightY   0..1; 0.5 is neutral
    EyeLeftX, Y, EyeRightX, Y  -1..1
    VoiceVolumePlusMouthOpen, VoiceFrequencyPlusMouthSmile   the same as MouthOpen and MouthSmile: our mouth has heard
                               the voice already, and many models listen to these
    """
    arkit = frame.arkit.tolist()

    def weight(name: str) -> float:
        return arkit[_INDEX[name]]

    def both(name: str) -> float:
        return (weight(f"{name}Left") + weight(f"{name}Right")) / 2

    def brow(side: str) -> float:
        up = max(weight("browInnerUp"), weight(f"browOuterUp{side}"))
        return 0.5 + 0.5 * (up - weight(f"browDown{side}"))

    yaw, pitch, roll = map(math.degrees, axes.to_live_link_angles(axes.from_axis_angle(frame.head_rotation)))
    x_m, y_m, _ = frame.head_translation.tolist()
    opened = max(0.0, weight("jawOpen") - weight("mouthClose"))
    smile = 0.5 + 0.5 * (both("mouthSmile") - both("mouthFrown"))
    values = {
        "FaceAngleX": -yaw,
        "FaceAngleY": -pitch,
        "FaceAngleZ": roll,
        "FacePositionX": -100 * x_m,
        "FacePositionY": 100 * y_m,
        "MouthOpen": opened,
        "MouthSmile": smile,
        "VoiceVolumePlusMouthOpen": opened,
        "VoiceFrequencyPlusMouthSmile": smile,
        "Brows": (brow("Left") + brow("Right")) / 2,
        "BrowLeftY": brow("Left"),
        "BrowRightY": brow("Right"),
        "EyeOpenLeft": 1 - weight("eyeBlinkLeft"),
        "EyeOpenRight": 1 - weight("eyeBlinkRight"),
        "EyeLeftX": weight("eyeLookInLeft") - weight("eyeLookOutLeft"),
        "EyeLeftY": weight("eyeLookUpLeft") - weight("eyeLookDownLeft"),
        "EyeRightX": weight("eyeLookOutRight") - weight("eyeLookInRight"),
        "EyeRightY": weight("eyeLookUpRight") - weight("eyeLookDownRight"),
        "CheekPuff": weight("cheekPuff"),
        "TongueOut": weight("tongueOut"),
    }
    return {name: round(value, 4) for name, value in values.items()}
