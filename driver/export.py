"""Turns a recording into a file that other programs read. The formats are the table `FORMATS`."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from driver.errors import RunError, UsageError
from driver.exports.bvh import write_bvh
from driver.exports.csv_table import write_csv
from driver.exports.glb import write_glb
from driver.exports.livelink_csv import write_livelink_csv
from driver.exports.table import Table, read_table, write_npz
from driver.sinks.sink import Notice


class Format(NamedTuple):
    """A kind of file: how it is written, what it is for, and what its name ends with beside the recording."""

    write: Callable[[BinaryIO, Table], None]
    purpose: str
    ending: str


FORMATS: dict[str, Format] = {
    "npz": Format(write_npz, "arrays for NumPy", ".npz"),
    "csv": Format(write_csv, "a table of text, every value of the motion space a column", ".csv"),
    "livelink-csv": Format(write_livelink_csv, "what the Live Link Face app records, for Unreal", "_livelink.csv"),
    "glb": Format(write_glb, "the head with its shapes moving, for three.js, Blender, game engines", ".glb"),
    "bvh": Format(write_bvh, "neck, head, jaw and eyes as a skeleton", ".bvh"),
}


def export(source: Path, target: Path, to: str, notice: Notice) -> int:
    """Write the recording `source` as a file of the format `to`, whole or not at all; returns the number of frames."""
    if target.exists() and target.samefile(source):
        raise UsageError(f"{target} is the recording itself; name another file for the export")
    table = read_table(source, notice)
    with _replaced(target) as file:
        FORMATS[to].write(file, table)
    return len(table["seq"])


def default_target(source: Path, to: str) -> Path:
    """The file beside the recording that `export` writes when none is named."""
    return source.with_name(source.stem + FORMATS[to].ending)


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
