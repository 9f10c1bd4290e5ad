"""ARKit's 52 weights as VRCFaceTracking's Unified Expressions, version 2: the names that VRChat avatars listen for.

Names and formulas: VRCFaceTracking's public documentation and its parameter tables. What ARKit does not know (sucked-in
cheeks, nostrils, the tongue's ways, pupils) has no name here: an avatar keeps its own default for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from protocol import axes
from protocol.frame import ARKIT_SHAPES, FaceFrame

Values = NDArray[np.float64]

# Each expression with the one ARKit weight that it equals; {side} stands for Left and for Right.
_FROM_ARKIT: dict[str, str] = {
    **{f"{name}{{side}}": f"{name[0].lower()}{name[1:]}{{side}}" for name in ("EyeSquint", "EyeWide", "BrowOuterUp")},
    "BrowPinch{side}": "browDown{side}",
    "BrowLowerer{side}": "browDown{side}",
    "BrowInnerUp{side}": "browInnerUp",
    "CheekSquint{side}": "cheekSquint{side}",
    "CheekPuff{side}": "cheekPuff",
    "NoseSneer{side}": "noseSneer{side}",
    "JawOpen": "jawOpen",
    "JawLeft": "jawLeft",
    "JawRight": "jawRight",
    "JawForward": "jawForward",
    "MouthClosed": "mouthClose",
    "LipSuckUpper{side}": "mouthRollUpper",
    "LipSuckLower{side}": "mouthRollLower",
    **{f"LipFunnel{lip}{{side}}": "mouthFunnel" for lip in ("Upper", "Lower")},
    **{f"LipPucker{lip}{{side}}": "mouthPucker" for lip in ("Upper", "Lower")},
    **{f"Mouth{lip}{{side}}": "mouth{side}" for lip in ("Upper", "Lower")},
    "MouthUpperUp{side}": "mouthUpperUp{side}",
    "MouthLowerDown{side}": "mouthLowerDown{side}",
    "MouthCornerPull{side}": "mouthSmile{side}",
    "MouthCornerSlant{side}": "mouthSmile{side}",
    "MouthFrown{side}": "mouthFrown{side}",
    "MouthStretch{side}": "mouthStretch{side}",
    "MouthDimple{side}": "mouthDimple{side}",
    "MouthPress{side}": "mouthPress{side}",
    "MouthRaiserUpper": "mouthShrugUpper",
    "MouthRaiserLower": "mouthShrugLower",
    "TongueOut": "tongueOut",
}
# The larger of two expressions.
_LARGER: dict[str, tuple[str, str]] = {
    "MouthSad{side}": ("MouthFrown{side}", "MouthStretch{side}"),
    "EyeWide": ("EyeWideLeft", "EyeWideRight"),
    "EyeSquint": ("EyeSquintLeft", "EyeSquintRight"),
}
# Weighted sums of what stands above them, here and in the two tables before.
_SUMS: dict[str, dict[str, float]] = {
    "BrowUp{side}": {"BrowOuterUp{side}": 0.6, "BrowInnerUp{side}": 0.4},
    "BrowDown{side}": {"BrowLowerer{side}": 0.75, "BrowPinch{side}": 0.25},
    "BrowExpression{side}": {"BrowInnerUp{side}": 0.5, "BrowOuterUp{side}": 0.5, "BrowDown{side}": -1.0},
    "CheekPuffSuck{side}": {"CheekPuff{side}": 1.0},
    "LipPucker{side}": {"LipPuckerUpper{side}": 0.5, "LipPuckerLower{side}": 0.5},
    "LipSuckFunnelUpper{side}": {"LipSuckUpper{side}": 1.0, "LipFunnelUpper{side}": -1.0},
    "LipSuckFunnelLower{side}": {"LipSuckLower{side}": 1.0, "LipFunnelLower{side}": -1.0},
    "MouthTightenerStretch{side}": {"MouthStretch{side}": -1.0},
    "MouthSmile{side}": {"MouthCornerPull{side}": 0.8, "MouthCornerSlant{side}": 0.2},
    "MouthCornerY{side}": {"MouthCornerSlant{side}": 1.0, "MouthFrown{side}": -1.0},
    "SmileFrown{side}": {"MouthSmile{side}": 1.0, "MouthFrown{side}": -1.0},
    "SmileSad{side}": {"MouthSmile{side}": 1.0, "MouthSad{side}": -1.0},
    **{
        name: {f"{name}Left": 0.5, f"{name}Right": 0.5}
        for name in (
            *("BrowUp", "BrowDown", "BrowInnerUp", "BrowOuterUp", "BrowExpression", "CheekSquint", "CheekPuffSuck"),
            *("LipSuckUpper", "LipSuckLower", "LipFunnelUpper", "LipFunnelLower", "LipPuckerUpper", "LipPuckerLower"),
            *("LipPucker", "LipSuckFunnelUpper", "LipSuckFunnelLower", "NoseSneer", "MouthUpperUp", "MouthLowerDown"),
            *("MouthStretch", "MouthTightenerStretch", "MouthPress", "MouthDimple", "MouthCornerY"),
            *("SmileFrown", "SmileSad"),
        )
    },
    "JawX": {"JawRight": 1.0, "JawLeft": -1.0},
    "JawZ": {"JawForward": 1.0},
    "LipSuck": {"LipSuckUpper": 0.5, "LipSuckLower": 0.5},
    "LipFunnel": {"LipFunnelUpper": 0.5, "LipFunnelLower": 0.5},
    "MouthUpperX": {"MouthUpperRight": 1.0, "MouthUpperLeft": -1.0},
    "MouthLowerX": {"MouthLowerRight": 1.0, "MouthLowerLeft": -1.0},
    "MouthX": {"MouthUpperX": 0.5, "MouthLowerX": 0.5},
    "MouthOpen": {"MouthUpperUp": 0.5, "MouthLowerDown": 0.5},
}
EYE_LOOK = ("v2/EyeX", "v2/EyeY", "v2/EyeLeftX", "v2/EyeLeftY", "v2/EyeRightX", "v2/EyeRightY")
EYELIDS = tuple(f"v2/Eye{kind}{side}" for kind in ("Open", "Closed", "Lid") for side in ("Left", "Right", ""))
_HEAD = ("v2/Head/Yaw", "v2/Head/Pitch", "v2/Head/Roll")


def _sides(name: str) -> Iterator[tuple[str, str]]:
    for side in ("Left", "Right") if "{side}" in name else ("",):
        yield side, name.format(side=side)


_EQUAL = {full: arkit.format(side=side) for name, arkit in _FROM_ARKIT.items() for side, full in _sides(name)}
_MAXIMA = {
    full: (one.format(side=side), other.format(side=side))
    for name, (one, other) in _LARGER.items()
    for side, full in _sides(name)
}
_LINEAR = {
    full: {term.format(side=side): weight for term, weight in terms.items()}
    for name, terms in _SUMS.items()
    for side, full in _sides(name)
}


def _matrix(given: Mapping[str, int], sums: Mapping[str, Mapping[str, float]]) -> Values:
    """Rows of `sums` over what is `given`, each sum spelled out in it."""
    rows = {name: np.eye(len(given))[index] for name, index in given.items()}
    for name, terms in sums.items():
        rows[name] = np.sum([weight * rows[term] for term, weight in terms.items()], axis=0)
    return np.stack([rows[name] for name in sums])


_EQUAL_INDEX = np.array([ARKIT_SHAPES.index(arkit) for arkit in _EQUAL.values()])
_POSITION = {name: index for index, name in enumerate((*_EQUAL, *_MAXIMA))}
_ONE, _OTHER = (np.array([_POSITION[pair[index]] for pair in _MAXIMA.values()]) for index in (0, 1))
_LINEAR_MATRIX = _matrix(_POSITION, _LINEAR)
_WIDE = [_POSITION[f"EyeWide{side}"] for side in ("Left", "Right")]

# The order of what `values` returns, as avatars spell it.
NAMES: tuple[str, ...] = (*(f"v2/{name}" for name in (*_EQUAL, *_MAXIMA, *_LINEAR)), *EYELIDS, *EYE_LOOK, *_HEAD)


def values(frame: FaceFrame) -> Values:
    """All values of one frame, float64 [len(NAMES)], 0..1 or -1..1.

    EyeX, EyeY   tangents of the gaze to the subject's right and up, so 1 is 45 degrees
    EyeLid       0.75 of the openness and 0.25 of EyeWide: 0.75 is an eye at rest
    Head         90 degrees are 1; positive to the subject's right, down, and towards the left shoulder
    """
    equal = frame.arkit[_EQUAL_INDEX].astype(np.float64)
    given = np.concatenate((equal, np.maximum(equal[_ONE], equal[_OTHER])))
    opened = 1.0 - frame.eyelids.astype(np.float64)
    lids = 0.75 * opened + 0.25 * given[_WIDE]
    left_pitch, left_yaw, right_pitch, right_yaw = frame.gaze.tolist()
    left, right = _look(left_pitch, left_yaw), _look(right_pitch, right_yaw)
    yaw, pitch, roll = axes.to_live_link_angles(axes.from_axis_angle(frame.head_rotation))
    return np.concatenate(
        (
            given,
            _LINEAR_MATRIX @ given,
            *((*pair, pair.mean()) for pair in (opened, 1.0 - opened, lids)),
            ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2, *left, *right),
            np.clip(np.array((-yaw, pitch, -roll)) / (math.pi / 2), -1.0, 1.0),
        )
    )


def _look(pitch_rad: float, yaw_rad: float) -> tuple[float, float]:
    limit = math.pi / 4
    return math.tan(max(-limit, min(limit, -yaw_rad))), math.tan(max(-limit, min(limit, -pitch_rad)))
