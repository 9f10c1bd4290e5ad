"""A recording as arrays, one row a frame: what every export is written from, and the file .npz that holds just that."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from driver.errors import MediaError
from driver.recording import read_recording
from driver.sinks.sink import Notice
from protocol.frame import PARTS, FaceFrame

# One array for each name: seq, capture_ns, publish_ns int64 [N]; head str [N]; parts float32 [N, size], scalars [N].
Table = dict[str, NDArray[Any]]

STAMPS = ("seq", "capture_ns", "publish_ns", "head")


def read_table(path: Path, notice: Notice) -> Table:
    """The frames of a recording as arrays. `shape` is NaN before the first identity and then holds the latest one."""
    frames = [item for _, item in read_recording(path, notice) if isinstance(item, FaceFrame)]
    if not frames:
        raise MediaError(f"{path} holds no frames; there is nothing to export")
    table: Table = {name: np.array([getattr(frame, name) for frame in frames]) for name in STAMPS}
    for part in PARTS:
        column = np.empty((len(frames), part.size), np.float32)
        latest = np.full(part.size, np.nan, np.float32)
        for row, frame in enumerate(frames):
            values = frame.part(part.name)
            latest = latest if values is None else values
            column[row] = latest
        table[part.name] = column[:, 0] if part.is_scalar else column
    return table


def times_s(table: Table) -> NDArray[np.float64]:
    """When each frame was published, float64 [N] in s since the first."""
    return (table["publish_ns"] - table["publish_ns"][0]) / 1e9


def write_npz(file: BinaryIO, table: Table) -> None:
    """The arrays under their names, for `numpy.load`."""
    np.savez_compressed(file, allow_pickle=False, **table)
