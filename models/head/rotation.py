"""Rotations as the motion space writes them: axis-angle in radians, right-handed, and gaze as pitch and yaw."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Below this angle the quotients of Rodrigues' formula are replaced by their Taylor series.
_SMALL_ANGLE_RAD = 1e-4


def matrix_from_axis_angle(axis_angle: ArrayLike) -> NDArray[np.float64]:
    """Rotation matrix [3, 3] of an axis-angle vector [3] in rad (Rodrigues' formula)."""
    x, y, z = (float(value) for value in np.asarray(axis_angle))
    angle_squared = x * x + y * y + z * z
    angle = np.sqrt(angle_squared)
    if angle < _SMALL_ANGLE_RAD:
        sine_over, versine_over = 1.0 - angle_squared / 6.0, 0.5 - angle_squared / 24.0
    else:
        sine_over, versine_over = np.sin(angle) / angle, (1.0 - np.cos(angle)) / angle_squared
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + sine_over * cross + versine_over * (cross @ cross)


def axis_angle_from_matrix(matrix: ArrayLike) -> NDArray[np.float64]:
    """Axis-angle [3] in rad, angle in 0..pi, of a rotation matrix [3, 3]."""
    rotation = np.asarray(matrix, np.float64)
    twice_sine_axis = np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    twice_sine = np.linalg.norm(twice_sine_axis)
    angle = np.arctan2(twice_sine, np.trace(rotation) - 1.0)
    if angle < _SMALL_ANGLE_RAD:
        return 0.5 * twice_sine_axis
    if np.pi - angle < _SMALL_ANGLE_RAD:
        # The sine vanishes: the axis is the eigenvector of 1 that R + I projects onto.
        column = (rotation + np.eye(3))[:, np.argmax(np.diag(rotation))]
        axis = column / np.linalg.norm(column)
        return angle * (axis if axis @ twice_sine_axis >= 0.0 else -axis)
    return angle / twice_sine * twice_sine_axis


def turned_towards(start: NDArray[np.float64], goal: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """The rotation [3, 3] that is `share` of the way from `start` to `goal` [3, 3], the short way round."""
    return matrix_from_axis_angle(share * axis_angle_from_matrix(goal @ start.T)) @ start


def matrix_from_gaze(pitch: float, yaw: float) -> NDArray[np.float64]:
    """Rotation matrix [3, 3] of an eyeball: pitch (positive looks down), then yaw (positive to the subject's left)."""
    sine_pitch, cosine_pitch = np.sin(pitch), np.cos(pitch)
    sine_yaw, cosine_yaw = np.sin(yaw), np.cos(yaw)
    return np.array(
        [
            [cosine_yaw, sine_yaw * sine_pitch, sine_yaw * cosine_pitch],
            [0.0, cosine_pitch, -sine_pitch],
            [-sine_yaw, cosine_yaw * sine_pitch, cosine_yaw * cosine_pitch],
        ]
    )
