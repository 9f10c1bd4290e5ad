"""Turns a recording into a table: one row a frame, the columns of the motion space, as .npz or .csv."""

from __future__ import annotations

import csv
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from driver.errors import MediaError, RunError, UsageError
from driver.recording import read_recording
from driver.sinks.sink import Notice
from protocol.frame import ARKIT_SHAPES, PARTS, REGIONS, FaceFrame

# One array for each name: seq, capture_ns, publish_ns int64 [N]; head str [N]; parts float32 [N, size], scalars [N].
Table = dict[str, NDArray[Any]]

# What the values of a part are called where its table row does not say; other parts number theirs.
_VALUE_NAMES: dict[str, tuple[str, ...]] = {
    "jaw": ("x", "y", "z"),
    "eyelids": ("left", "right"),
    "gaze": ("left_pitch", "left_yaw", "right_pitch", "right_yaw"),
    "head_rotation": ("x", "y", "z"),
    "head_translation": ("x", "y", "z"),
    "arkit": ARKIT_SHAPES,
    "confidence": REGIONS,
}


def export(source: Path, target: Path, to: Literal["npz", "csv"], notice: Notice) -> int:
    """Write the recording `source` as a table to `target`, whole or not at all; returns the number of frames."""
    if target.exists() and target.samefile(source):
        raise UsageError(f"{target} is the recording itself; name another file for the table")
    table = read_table(source, notice)
    with _replaced(target) as file:
        if to == "npz":
            np.savez_compressed(file, allow_pickle=False, **table)
        else:
            _write_csv(file, table)
    return len(table["seq"])


def read_table(path: Path, notice: Notice) -> Table:
    """The frames of a recording as arrays. `shape` is NaN before the first identity and then holds the latest one."""
    frames = [item for _, item in read_recording(path, notice) if isinstance(item, FaceFrame)]
    if not frames:
        raise MediaError(f"{path} holds no frames; there is nothing to export")
    table: Table = {name: np.array([getattr(frame, name) for frame in frames]) for name in _STAMPS}
    for part in PARTS:
        column = np.empty((len(frames), part.size), np.float32)
        latest = np.full(part.size, np.nan, np.float32)
        for row, frame in enumerate(frames):
            values = frame.part(part.name)
            latest = latest if values is None else values
            column[row] = latest
        table[part.name] = column[:, 0] if part.is_scalar else column
    return table


_STAMPS = ("seq", "capture_ns", "publish_ns", "head")


def column_names() -> list[str]:
    """The columns, in order: seq, ..., expression_0, ..., jaw_x, ..., arkit_jawOpen, ..., confidence_head."""
    names: list[str] = list(_STAMPS)
    for part in PARTS:
        values = _VALUE_NAMES.get(part.name, tuple(str(index) for index in range(part.size)))
        names += [part.name] if part.is_scalar else [f"{part.name}_{value}" for value in values]
    return names


def _write_csv(file: BinaryIO, table: Table) -> None:
    # As text before stacking: integers and float32 both keep all of their digits.
    columns = [values.astype(str) for values in table.values()]
    rows = np.hstack([column.reshape(len(column), -1) for column in columns])
    with open(file.fileno(), "w", encoding="utf-8", newline="", closefd=False) as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(column_names())
        writer.writerows(rows)


@contextmanager
def _replaced(target: Path) -> Generator[BinaryIO]:
    """A temporary file that takes the place of `target` when all went well."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        try:
            with temporary.open("wb") as file:
                yield file
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{target} cannot be written: {error.strerror}; choose another place") from error
