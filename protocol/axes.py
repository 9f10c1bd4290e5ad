"""The only place where axes and angles change their convention on the sending side.

Ours      right-handed, +Y up, +Z out of the face, +X to the subject's left; axis-angle in radians
Unity     left-handed, +Y up, +Z out of the face, +X to the subject's right (VMC has the same)
Live Link yaw, pitch and roll as Unreal's own ARKit plugin publishes them: R = R_y(yaw) R_x(pitch) R_z(roll) about our
          axes, positive to the subject's left, downwards, and towards the subject's right shoulder
BVH       our axes; roll, pitch and yaw of R = R_z(roll) R_x(pitch) R_y(yaw), as most programs write it
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Anything with three numbers: a part of a frame or a plain tuple.
Vector = Sequence[float] | NDArray[np.float32]


class Quaternion(NamedTuple):
    """A unit quaternion, in Unity's order."""

    x: float
    y: float
    z: float
    w: float

    def __mul__(self, other: object) -> Quaternion:
        """The rotation that turns by `other` first and by `self` then."""
        if not isinstance(other, Quaternion):
            return NotImplemented
        ax, ay, az, aw = self
        bx, by, bz, bw = other
        return Quaternion(
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        )


IDENTITY = Quaternion(0.0, 0.0, 0.0, 1.0)


def from_axis_angle(rotation: Vector) -> Quaternion:
    """The quaternion of an axis-angle vector [3], rad, in the same axes."""
    x, y, z = (float(value) for value in rotation)
    angle = math.sqrt(x * x + y * y + z * z)
    if angle < 1e-9:
        return IDENTITY
    scale = math.sin(angle / 2) / angle
    return Quaternion(x * scale, y * scale, z * scale, math.cos(angle / 2))


def from_pitch_yaw(pitch_rad: float, yaw_rad: float) -> Quaternion:
    """The rotation of an eyeball: pitched first, then turned, about the head's axes."""
    return from_axis_angle((0.0, yaw_rad, 0.0)) * from_axis_angle((pitch_rad, 0.0, 0.0))


def to_unity_rotation(rotation: Quaternion) -> Quaternion:
    """The same rotation in Unity's axes. Mirroring X turns the sense of rotation about the two other axes."""
    return Quaternion(rotation.x, -rotation.y, -rotation.z, rotation.w)


def to_unity_position(position: Vector) -> tuple[float, float, float]:
    """The same point or direction [3], m, in Unity's axes."""
    x, y, z = (float(value) for value in position)
    return -x, y, z


def to_live_link_angles(rotation: Quaternion) -> tuple[float, float, float]:
    """Yaw, pitch, roll in rad; yaw and roll in -pi..pi, pitch in -pi/2..pi/2."""
    x, y, z, w = rotation
    sine_of_pitch = 2 * (w * x - y * z)
    pitch = math.asin(max(-1.0, min(1.0, sine_of_pitch)))
    yaw = math.atan2(2 * (x * z + w * y), 1 - 2 * (x * x + y * y))
    roll = math.atan2(2 * (x * y + w * z), 1 - 2 * (x * x + z * z))
    return yaw, pitch, roll


def to_bvh_angles(rotation: Quaternion) -> tuple[float, float, float]:
    """The channels Zrotation, Xrotation, Yrotation in rad; the second in -pi/2..pi/2, the others in -pi..pi."""
    x, y, z, w = rotation
    pitch = math.asin(max(-1.0, min(1.0, 2 * (y * z + w * x))))
    roll = math.atan2(2 * (w * z - x * y), 1 - 2 * (x * x + z * z))
    yaw = math.atan2(2 * (w * y - x * z), 1 - 2 * (x * x + y * y))
    return roll, pitch, yaw
