"""BVH: neck, head, jaw and eyes as a skeleton, for programs that animate joints. Centimetres and degrees.

The joints stand where the open head has them. Neck and head share the head's rotation, as in VMC; the neck's position
makes up for it, so that the head is exactly where the recording has it in the camera frame.
"""

from __future__ import annotations

import math
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from driver.exports.table import Table, times_s
from models.head.flame import JAW, LEFT_EYE, NECK, RIGHT_EYE, ROOT, open_head
from models.head.rotation import matrix_from_axis_angle
from protocol import axes

_CM_PER_M = 100.0
_NECK_SHARE = 0.5
_LONE_FRAME_S = 1 / 60  # a recording of one frame has no rate
# A leaf of the skeleton needs an end to be drawn: how far it reaches, along the face's own axes, in m.
_ENDS_M = {"Jaw": (0.0, -0.06, 0.08), "LeftEye": (0.0, 0.0, 0.012), "RightEye": (0.0, 0.0, 0.012)}
# The root's position is its channels' alone: some readers add its offset to them, others do not.
_HIERARCHY = """\
HIERARCHY
ROOT Neck
{{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Head
  {{
    OFFSET {head}
    CHANNELS 3 Zrotation Xrotation Yrotation
{leaves}
  }}
}}
MOTION
Frames: {frames}
Frame Time: {frame_time_s:.9f}
"""
_LEAF = """\
    JOINT {name}
    {{
      OFFSET {offset}
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {{
        OFFSET {end}
      }}
    }}"""


def write_bvh(file: BinaryIO, table: Table) -> None:
    """The skeleton at an even rate: the median of the recording's own. Each instant holds the nearest frame."""
    head = open_head()
    joints_m = head.J_regressor @ head.v_template
    rows, frame_time_s = _evenly(times_s(table))
    leaves = {"Jaw": JAW, "LeftEye": LEFT_EYE, "RightEye": RIGHT_EYE}
    text = _HIERARCHY.format(
        head=_centimetres(joints_m[NECK] - joints_m[ROOT]),
        leaves="\n".join(
            _LEAF.format(
                name=name,
                offset=_centimetres(joints_m[joint] - joints_m[NECK]),
                end=_centimetres(np.array(_ENDS_M[name])),
            )
            for name, joint in leaves.items()
        ),
        frames=len(rows),
        frame_time_s=frame_time_s,
    )
    lines = (
        _motion(*pose, neck_m=joints_m[ROOT], head_m=joints_m[NECK])
        for pose in zip(
            *(table[name][rows] for name in ("head_rotation", "head_translation", "jaw", "gaze")), strict=True
        )
    )
    file.write((text + "\n".join(lines) + "\n").encode("ascii"))


def _motion(
    rotation: NDArray[np.float32],
    translation_m: NDArray[np.float32],
    jaw: NDArray[np.float32],
    gaze: NDArray[np.float32],
    *,
    neck_m: NDArray[np.float32],
    head_m: NDArray[np.float32],
) -> str:
    """The line of one frame. A point x of the head goes to R x + t; through the joints it goes to
    position + N (head - neck) + N H (x - head), where N H = R. The position follows.
    """
    neck, rest = _NECK_SHARE * rotation, (1 - _NECK_SHARE) * rotation
    position_m = (
        translation_m + matrix_from_axis_angle(rotation) @ head_m - matrix_from_axis_angle(neck) @ (head_m - neck_m)
    )
    left_pitch, left_yaw, right_pitch, right_yaw = gaze.tolist()
    turns = (
        axes.from_axis_angle(neck),
        axes.from_axis_angle(rest),
        axes.from_axis_angle(jaw),
        axes.from_pitch_yaw(left_pitch, left_yaw),
        axes.from_pitch_yaw(right_pitch, right_yaw),
    )
    degrees = (math.degrees(angle) for turn in turns for angle in axes.to_bvh_angles(turn))
    return " ".join([_centimetres(position_m), *(f"{angle:.5f}" for angle in degrees)])


def _evenly(times: NDArray[np.float64]) -> tuple[NDArray[np.intp], float]:
    """For each instant of an even clock the row of the frame nearest to it, and the clock's period in s."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not steps.size:
        return np.zeros(1, np.intp), _LONE_FRAME_S
    period = float(np.median(steps))
    instants = period * np.arange(round(float(times[-1]) / period) + 1)
    after = np.searchsorted(times, instants).clip(1, len(times) - 1)
    return np.where(instants - times[after - 1] <= times[after] - instants, after - 1, after), period


def _centimetres(vector_m: NDArray[np.floating]) -> str:
    return " ".join(f"{_CM_PER_M * float(value):.5f}" for value in vector_m)
