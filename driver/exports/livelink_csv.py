"""The CSV that the Live Link Face app records, for Unreal's plugin "Live Link Face Importer" and others.

A row is Timecode, BlendShapeCount, 52 weights and nine angles. The importer hands the values on as they are, so they
mean what they mean in the live protocol: angles in radians, see `protocol.livelink`.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from driver.exports.csv_table import write_rows
from driver.exports.table import Table, times_s
from protocol import axes
from protocol.livelink import CHANNELS

# The importer knows two rates: 60, as soon as it meets a frame number above 30, and otherwise 30.
RATE_HZ = 60
_TICKS_PER_FRAME = 1000  # a timecode has three digits behind the frame's point

# The app's columns are the packet's channels, but for these two pairs.
_SWAPPED = {"JawLeft": "JawRight", "JawRight": "JawLeft", "MouthLeft": "MouthRight", "MouthRight": "MouthLeft"}
COLUMNS: tuple[str, ...] = tuple(_SWAPPED.get(name, name) for name in CHANNELS)
_ORDER = [CHANNELS.index(name) for name in COLUMNS]


def timecode(time_s: float) -> str:
    """HH:MM:SS:FF.fff: the frame of 60 in a second, and its thousandths; hours begin again after a day."""
    ticks = round(time_s * RATE_HZ * _TICKS_PER_FRAME)
    frames, thousandths = divmod(ticks, _TICKS_PER_FRAME)
    seconds, frame = divmod(frames, RATE_HZ)
    hours, minutes = seconds // 3600 % 24, seconds // 60 % 60
    return f"{hours:02}:{minutes:02}:{seconds % 60:02}:{frame:02}.{thousandths:03}"


def write_livelink_csv(file: BinaryIO, table: Table) -> None:
    """One line of names, then one line a frame; timecodes count from the recording's first frame."""
    angles = [
        (*axes.to_live_link_angles(axes.from_axis_angle(head)), left_yaw, left_pitch, 0.0, right_yaw, right_pitch, 0.0)
        for head, (left_pitch, left_yaw, right_pitch, right_yaw) in zip(
            table["head_rotation"], table["gaze"], strict=True
        )
    ]
    values = np.hstack([table["arkit"], np.array(angles)])[:, _ORDER]
    rows = [
        [timecode(time_s), str(len(COLUMNS)), *(f"{value:.7f}" for value in row)]
        for time_s, row in zip(times_s(table).tolist(), values.tolist(), strict=True)
    ]
    write_rows(file, ["Timecode", "BlendShapeCount", *COLUMNS], rows)
