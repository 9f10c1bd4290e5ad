"""Unified Expressions: the names of the public tables, and what each is made of."""

import dataclasses
import math

import numpy as np
import pytest

from protocol.frame import ARKIT_SHAPES
from protocol.golden.frames import dense, neutral, wink
from protocol.unified_expressions import NAMES, values


def face(eyelids=(0.0, 0.0), gaze=(0.0, 0.0, 0.0, 0.0), head=(0.0, 0.0, 0.0), **weights):
    arkit = [weights.get(name, 0.0) for name in ARKIT_SHAPES]
    frame = dataclasses.replace(neutral(), arkit=arkit, eyelids=eyelids, gaze=gaze, head_rotation=head)
    found = dict(zip(NAMES, values(frame).tolist(), strict=True))
    return {name.removeprefix("v2/"): value for name, value in found.items()}


def moved(**weights):
    """What one ARKit weight moves, eyes and head left out."""
    return {name for name, value in face(**weights).items() if abs(value) > 1e-9} - {
        *("EyeOpenLeft", "EyeOpenRight", "EyeOpen", "EyeLidLeft", "EyeLidRight", "EyeLid")
    }


def test_names_are_unique_and_every_value_has_one():
    assert len(set(NAMES)) == len(NAMES) == len(values(dense())) == 138
    assert all(name.startswith("v2/") for name in NAMES)


def test_a_face_at_rest_has_open_eyes_and_nothing_else():
    rest = {name: value for name, value in face().items() if value}
    assert rest == {"EyeOpenLeft": 1, "EyeOpenRight": 1, "EyeOpen": 1} | {
        "EyeLidLeft": 0.75,
        "EyeLidRight": 0.75,
        "EyeLid": 0.75,
    }


@pytest.mark.parametrize(
    ("shape", "expressions"),
    [
        ("jawOpen", {"JawOpen"}),
        ("mouthClose", {"MouthClosed"}),
        ("mouthSmileLeft", {"MouthCornerPullLeft", "MouthCornerSlantLeft", "MouthSmileLeft", "MouthCornerYLeft"}
         | {"MouthCornerY", "SmileFrownLeft", "SmileFrown", "SmileSadLeft", "SmileSad"}),
        ("mouthLeft", {"MouthUpperLeft", "MouthLowerLeft", "MouthUpperX", "MouthLowerX", "MouthX"}),
        ("browInnerUp", {f"{name}{side}" for name in ("BrowInnerUp", "BrowUp", "BrowExpression")
                         for side in ("Left", "Right", "")}),
        ("cheekPuff", {f"{name}{side}" for name in ("CheekPuff", "CheekPuffSuck") for side in ("Left", "Right")}
         | {"CheekPuffSuck"}),
        ("tongueOut", {"TongueOut"}),
        ("mouthShrugUpper", {"MouthRaiserUpper"}),
    ],
)  # fmt: skip
def test_each_arkit_shape_moves_its_expressions(shape, expressions):
    assert moved(**{shape: 0.5}) == expressions


def test_every_arkit_shape_but_eyes_moves_something():
    still = [name for name in ARKIT_SHAPES if not moved(**{name: 0.5})]
    assert all(name.startswith(("eyeLook", "eyeBlink")) for name in still)


def test_the_documented_sums():
    asked = face(browOuterUpLeft=1.0, browInnerUp=0.5, browDownRight=0.75, mouthFrownLeft=0.25, mouthStretchLeft=0.5)
    assert asked["BrowUpLeft"] == pytest.approx(0.6 + 0.4 * 0.5)
    assert asked["BrowDownRight"] == pytest.approx(0.75)
    assert asked["BrowExpressionRight"] == pytest.approx(0.25 - 0.75)
    assert asked["MouthSadLeft"] == asked["MouthStretchLeft"] == 0.5
    assert asked["SmileSadLeft"] == -0.5
    assert asked["SmileFrown"] == pytest.approx(-0.125)
    assert (asked["MouthTightenerStretchLeft"], asked["MouthTightenerStretch"]) == (-0.5, -0.25)
    assert (asked["MouthCornerYLeft"], asked["MouthCornerY"]) == (-0.25, -0.125)
    mouth = face(mouthRollUpper=0.25, mouthFunnel=0.75, jawLeft=0.25, mouthUpperUpLeft=1.0, mouthLowerDownRight=0.5)
    assert mouth["LipSuckFunnelUpper"] == pytest.approx(-0.5)
    assert mouth["JawX"] == -0.25  # to the right is positive
    assert mouth["MouthOpen"] == pytest.approx(0.375)
    assert face(eyeWideLeft=0.5)["EyeWide"] == 0.5


def test_eyes_are_the_subjects_right_and_up():
    eyes = face(eyelids=(1.0, 0.25), gaze=(0.0, 0.0, math.radians(-20), math.radians(-30)), eyeWideRight=1.0)
    assert (eyes["EyeOpenLeft"], eyes["EyeClosedLeft"], eyes["EyeLidLeft"]) == (0, 1, 0)
    assert eyes["EyeLidRight"] == pytest.approx(0.75 * 0.75 + 0.25)
    assert eyes["EyeRightX"] == pytest.approx(math.tan(math.radians(30)), abs=1e-6)
    assert eyes["EyeRightY"] == pytest.approx(math.tan(math.radians(20)), abs=1e-6)
    assert eyes["EyeX"] == pytest.approx(eyes["EyeRightX"] / 2)
    assert face(gaze=(0, 1.5, 0, 1.5))["EyeX"] == pytest.approx(-1)


def test_the_head_is_in_quarter_turns():
    head = face(head=(0.0, math.radians(45), 0.0))
    assert head["Head/Yaw"] == pytest.approx(-0.5, abs=1e-6)  # to the subject's left
    assert face(head=(math.radians(30), 0, 0))["Head/Pitch"] == pytest.approx(1 / 3, abs=1e-6)
    assert face(head=(0, 0, math.radians(18)))["Head/Roll"] == pytest.approx(-0.2, abs=1e-6)


@pytest.mark.parametrize("frame", [neutral(), wink(), dense()], ids=["neutral", "wink", "dense"])
def test_values_stay_in_range(frame):
    assert np.abs(values(frame)).max() <= 1.0 + 1e-9
