"""What packing a store in shards is, whatever it holds: an index of lines beside the shards, and the command."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from training.curation.shards import Index, ShardError, pack
from training.data.clips import ClipInfo
from training.data.face_store import FaceClipInfo
from training.recipe import RecipeError

INDEX = "index.jsonl"
SHARD_MB = 256.0


@dataclass(frozen=True, eq=False)
class PackedSample:
    """A clip of a store as `training.curation.shards` writes it."""

    key: str
    info: ClipInfo | FaceClipInfo
    arrays: dict[str, NDArray[Any]]

    def to_line(self) -> dict[str, Any]:
        return {"key": self.key, **asdict(self.info)}


def pack_lines(
    out: Path,
    lines: Sequence[dict[str, Any]],
    samples: Iterable[PackedSample],
    size_mb: float,
    beside: Iterable[Path] = (),
) -> Index:
    """`samples` in shards of about `size_mb` megabytes, OUT/index.jsonl of `lines`, one for each of them, and copies of
    the files `beside` them.

    RecipeError when `out` cannot be written; what is there then is not taken for whole.
    """
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file in beside:
            shutil.copyfile(file, out / file.name)
        (out / INDEX).write_bytes(text)
        return pack(out, samples, size_mb, hashlib.sha256(text).hexdigest())
    except OSError as error:
        raise RecipeError(
            f"{out} cannot be written: {error.strerror}; make room, or mend it, and pack again"
        ) from error


def packed_lines(folder: Path, manifest_sha256: str) -> list[dict[str, Any]]:
    """The lines that the shards of `folder` were packed with. ShardError when they are others."""
    text = (folder / INDEX).read_bytes()
    if hashlib.sha256(text).hexdigest() != manifest_sha256:
        raise ShardError(f"{folder / INDEX} is not what these shards were packed with; pack the store again")
    return [json.loads(line) for line in text.splitlines()]


def command(name: str, pack_store: Callable[[Path, Path, float], Index], arguments: list[str] | None) -> int:
    """`python -m training.data.NAME STORE --out DIR`. Returns 1 when the store cannot be packed."""
    parser = argparse.ArgumentParser(prog=f"python -m training.data.{name}", description="A store in shards.")
    parser.add_argument("store", type=Path, help="a folder below runs/data")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards, of the same name as the store's")
    parser.add_argument("--shard-mb", type=float, default=SHARD_MB, metavar="MB", help=f"of a shard ({SHARD_MB:g})")
    chosen = parser.parse_args(arguments)
    try:
        index = pack_store(chosen.store, chosen.out, chosen.shard_mb)
    except (ShardError, ValueError) as error:
        print(f"training.data.{name}: {error}", file=sys.stderr)
        return 1
    print(f"{chosen.out}: {len(index.shards)} shards, {sum(shard.samples for shard in index.shards)} clips")
    return 0
