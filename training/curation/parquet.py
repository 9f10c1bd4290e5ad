"""The clips of folders of shards as one Parquet table, for those who choose among many without opening a tar file.

    python -m training.curation.shards runs/curated/shards --parquet clips.parquet

A row a clip, in the order of the shards: shard, place (within the shard), shard_sha256, and what the clip's line says
(key, source, begin_s, end_s, subset, ...), its figures as figures.NAME. The same shards give the same table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from driver.errors import RunError
from training.curation.shards import read_index, read_members


def write_table(folders: Sequence[Path], path: Path) -> int:
    """Write the table of all clips in `folders` to `path`, whole or not at all; how many there are.

    RunError without pyarrow, or when the file cannot be written; ShardError for a shard that cannot be read.
    """
    try:
        import pyarrow  # pyright: ignore[reportMissingImports]
        from pyarrow import parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise RunError(
            f"pyarrow is not installed ({error}); install it with pip install 'avatar-driver[parquet]'"
        ) from error
    rows = [row for folder in folders for row in _rows(folder)]
    # Columns by name: of rows alone, pyarrow takes the names of the first one.
    names = dict.fromkeys(name for row in rows for name in row)
    table = pyarrow.table({name: [row.get(name) for row in rows] for name in names})
    half = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            parquet.write_table(table, half)
            os.replace(half, path)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error}); make room, or name another file") from error
    return len(rows)


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    for shard in read_index(folder).shards:
        for place, members in enumerate(read_members(folder / shard.name)):
            line = json.loads(members["json"])
            figures = {f"figures.{name}": value for name, value in sorted(line.pop("figures", {}).items())}
            yield {"shard": shard.name, "place": place, "shard_sha256": shard.sha256, **line, **figures}
