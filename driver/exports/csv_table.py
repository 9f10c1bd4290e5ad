"""A table in text: one column for each value of the motion space, one row a frame, with all digits."""

from __future__ import annotations

import csv
import io
from typing import BinaryIO

import numpy as np

from driver.exports.table import STAMPS, Table
from protocol.frame import ARKIT_SHAPES, PARTS, REGIONS

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


def column_names(has_detail: bool = False) -> list[str]:
    """The columns, in order: seq, ..., expression_0, ..., jaw_x, ..., arkit_jawOpen, ..., confidence_head."""
    names: list[str] = list(STAMPS)
    for part in PARTS:
        if part.name == "detail" and not has_detail:
            continue
        values = _VALUE_NAMES.get(part.name, tuple(str(index) for index in range(part.size)))
        names += [part.name] if part.is_scalar else [f"{part.name}_{value}" for value in values]
    return names


def write_csv(file: BinaryIO, table: Table) -> None:
    """One line of names, then one line a frame; integers and float32 keep all of their digits.

    Few recordings have the skin's detail; the others get no columns of it.
    """
    has_detail = not np.isnan(table["detail"]).all()
    columns = [values.astype(str) for name, values in table.items() if name != "detail" or has_detail]
    write_rows(
        file, column_names(has_detail), np.hstack([column.reshape(len(column), -1) for column in columns]).tolist()
    )


def write_rows(file: BinaryIO, names: list[str], rows: list[list[str]]) -> None:
    """A CSV file in UTF-8 with plain line feeds."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    text.flush()
    text.detach()  # the file is the caller's to close
