"""Axes: every rotation about every axis as one row of a table, and a pose that is the same from no two sides."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import axes

QUARTER = math.pi / 2
HALF_SINE = math.sin(QUARTER / 2)

LEFT, UP, OUT = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
RIGHT, DOWN, BACK = (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)

# A quarter turn about one of our axes -> where the face's own left, up and out go (ours), the same in Unity's axes.
ROTATIONS = [
    # about, sign; left goes to, up goes to, out goes to
    (0, +1, LEFT, OUT, DOWN),  # nods down
    (0, -1, LEFT, BACK, UP),  # looks up
    (1, +1, BACK, UP, LEFT),  # turns to the subject's left
    (1, -1, OUT, UP, RIGHT),  # turns to the subject's right
    (2, +1, UP, RIGHT, OUT),  # tilts towards the subject's right shoulder
    (2, -1, DOWN, LEFT, OUT),  # tilts towards the subject's left shoulder
]
NAMES = ["down", "up", "left", "right", "right shoulder", "left shoulder"]
# Yaw, pitch, roll in quarter turns.
LIVE_LINK = [(0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0), (0, 0, 1), (0, 0, -1)]


def rotated(rotation, vector):
    """`vector` turned by a quaternion; the formula is the same in left- and right-handed axes."""
    x, y, z = vector
    turned = (
        rotation * axes.Quaternion(x, y, z, 0.0) * axes.Quaternion(-rotation.x, -rotation.y, -rotation.z, rotation.w)
    )
    return turned[:3]


def quarter_turn(axis, sign):
    return [sign * QUARTER * (axis == index) for index in range(3)]


@pytest.mark.parametrize(("axis", "sign", "left", "up", "out"), ROTATIONS, ids=NAMES)
def test_our_own_quaternions(axis, sign, left, up, out):
    rotation = axes.from_axis_angle(quarter_turn(axis, sign))
    assert rotated(rotation, LEFT) == pytest.approx(left, abs=1e-12)
    assert rotated(rotation, UP) == pytest.approx(up, abs=1e-12)
    assert rotated(rotation, OUT) == pytest.approx(out, abs=1e-12)


@pytest.mark.parametrize(("axis", "sign", "left", "up", "out"), ROTATIONS, ids=NAMES)
def test_unity_sees_the_same_movement(axis, sign, left, up, out):
    rotation = axes.to_unity_rotation(axes.from_axis_angle(quarter_turn(axis, sign)))
    for before, after in ((LEFT, left), (UP, up), (OUT, out)):
        assert rotated(rotation, axes.to_unity_position(before)) == pytest.approx(
            axes.to_unity_position(after), abs=1e-12
        )


@pytest.mark.parametrize(
    ("axis", "sign", "expected"),
    [
        # Unity: +X right, +Y up, +Z forward; x positive looks down, y positive turns right, z positive tilts left.
        (0, +1, (HALF_SINE, 0, 0, HALF_SINE)),
        (1, +1, (0, -HALF_SINE, 0, HALF_SINE)),
        (2, +1, (0, 0, -HALF_SINE, HALF_SINE)),
    ],
    ids=["down", "left", "right shoulder"],
)
def test_unity_quaternions(axis, sign, expected):
    rotation = axes.to_unity_rotation(axes.from_axis_angle(quarter_turn(axis, sign)))
    assert rotation == pytest.approx(expected, abs=1e-12)


def test_unity_positions():
    assert axes.to_unity_position(np.array([0.0625, -0.03125, -0.625], np.float32)) == (-0.0625, -0.03125, -0.625)


@pytest.mark.parametrize(("row", "expected"), [*zip(ROTATIONS, LIVE_LINK, strict=True)], ids=NAMES)
def test_live_link_angles(row, expected):
    axis, sign = row[:2]
    small = [0.1 * sign * (axis == index) for index in range(3)]
    angles = axes.to_live_link_angles(axes.from_axis_angle(small))
    assert angles == pytest.approx([0.1 * value for value in expected], abs=1e-12)


def matrix(axis, angle):
    """Right-handed rotation about one axis, written out."""
    c, s = math.cos(angle), math.sin(angle)
    one, two = ((1, 2), (2, 0), (0, 1))[axis]
    result = np.eye(3)
    result[[one, one, two, two], [one, two, one, two]] = c, -s, s, c
    return result


@given(st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(-3.1, 3.1))
def test_live_link_angles_rebuild_the_rotation(yaw, pitch, roll):
    rotation = (
        axes.from_axis_angle((0, yaw, 0)) * axes.from_axis_angle((pitch, 0, 0)) * axes.from_axis_angle((0, 0, roll))
    )
    assert axes.to_live_link_angles(rotation) == pytest.approx((yaw, pitch, roll), abs=1e-6)
    expected = matrix(1, yaw) @ matrix(0, pitch) @ matrix(2, roll)
    for column, vector in enumerate((LEFT, UP, OUT)):
        assert rotated(rotation, vector) == pytest.approx(expected[:, column], abs=1e-9)


def test_an_asymmetric_pose():
    """Turned left, nodded and tilted: each sign and each order of the product would show."""
    pose = matrix(1, 0.5) @ matrix(0, 0.25) @ matrix(2, 0.125)
    ours = axes.from_pitch_yaw(0.25, 0.5) * axes.from_axis_angle((0, 0, 0.125))
    unity = axes.to_unity_rotation(ours)
    mirror = np.diag([-1.0, 1.0, 1.0])
    for column, vector in enumerate((LEFT, UP, OUT)):
        assert rotated(ours, vector) == pytest.approx(pose[:, column], abs=1e-12)
        assert rotated(unity, vector) == pytest.approx((mirror @ pose @ mirror)[:, column], abs=1e-12)


def test_tiny_rotations_are_none():
    assert axes.from_axis_angle((0.0, 1e-12, 0.0)) == axes.IDENTITY


def test_quaternions_multiply_only_with_their_kind():
    with pytest.raises(TypeError):
        axes.IDENTITY * 2.0


@given(st.lists(st.floats(-1.2, 1.2), min_size=3, max_size=3))
def test_bvh_angles_make_the_rotation_again(rotation):
    original = axes.from_axis_angle(rotation)
    roll, pitch, yaw = axes.to_bvh_angles(original)
    again = axes.from_axis_angle((0, 0, roll)) * axes.from_axis_angle((pitch, 0, 0)) * axes.from_axis_angle((0, yaw, 0))
    for vector in (LEFT, UP, OUT):
        assert rotated(again, vector) == pytest.approx(rotated(original, vector), abs=1e-8)
