"""Clips in WebDataset's layout: tar files whose members are grouped by key, and an index with the SHA-256 of each.

A clip is KEY.json (`Item.to_line`) and one KEY.NAME.npy for each of its arrays. The bytes depend on the clips alone:
no times, users or machine names are in a tar file. Any WebDataset reader takes them; ours is `training.data.sharded`.

    python -m training.curation.shards FOLDER                           # are they as they were written?
    python -m training.curation.shards FOLDER --parquet clips.parquet   # and a table (`training.curation.parquet`)
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np

from driver.errors import RunError
from training.curation.item import Array, Item

INDEX = "index.json"
_VERSION = 1
_READ_BYTES = 1 << 20


class ShardError(RunError):
    """A shard, or the index of a folder of shards, that is missing or damaged."""


class Sample(Protocol):
    """What a shard holds: an `Item`, or another thing with a key of its own, without dots, a line and arrays."""

    @property
    def key(self) -> str: ...

    @property
    def arrays(self) -> Mapping[str, Array]: ...

    def to_line(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Shard:
    """A tar file: name within its folder, number of clips, size in bytes, SHA-256 of all of it (hexadecimal)."""

    name: str
    samples: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Index:
    """What is in a folder of shards. `manifest_sha256` is that of the manifest that they were packed from."""

    manifest_sha256: str
    shards: tuple[Shard, ...]


class _Hashed:
    """A file that remembers the digest and the number of the bytes written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest, self.size_bytes = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.size_bytes += len(data)
        return self._file.write(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def write_shard(path: Path, items: Iterable[Sample]) -> Shard:
    """The tar file of `items` at `path`; it appears there whole or not at all. OSError when it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may write the same shard, when one that was given up for dead is not: each to a file of its own.
    half = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with half.open("wb") as file:
            hashed, samples = _Hashed(file), 0
            with tarfile.open(fileobj=cast(Any, hashed), mode="w|", format=tarfile.USTAR_FORMAT) as tar:
                for item in items:
                    for name, data in _members(item):
                        member = tarfile.TarInfo(name)
                        member.size = len(data)
                        tar.addfile(member, io.BytesIO(data))
                    samples += 1
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
    return Shard(path.name, samples, hashed.size_bytes, hashed.sha256)


def read_members(path: Path) -> Iterator[dict[str, bytes]]:
    """Of each sample of a tar file, in its order, the members by what follows the key in their names. ShardError for a
    file that is none."""
    try:
        with tarfile.open(path, "r:") as tar:
            members: dict[str, bytes] = {}
            for member in tar:
                name = member.name.partition(".")[2]
                if name == "json" and members:
                    yield members
                    members = {}
                members[name] = cast(BinaryIO, tar.extractfile(member)).read()
            if members:
                yield members
    except (OSError, tarfile.TarError, EOFError) as error:
        raise _unreadable(path, error) from error


def read_shard(path: Path) -> Iterator[Item]:
    """The clips of a tar file, in its order. ShardError for a file that is none."""
    for members in read_members(path):
        try:
            item = item_of_members(members)
        except (ValueError, KeyError) as error:
            raise _unreadable(path, error) from error
        yield item


def _unreadable(path: Path, error: Exception) -> ShardError:
    return ShardError(f"{path} cannot be read as a shard ({error}); run the curation again")


def item_of_members(members: dict[str, bytes]) -> Item:
    """A clip from its members, by what follows the key in their names. ValueError when they are none."""
    line = json.loads(members["json"])
    line.pop("key")
    return Item.from_record(line).with_arrays(arrays_of_members(members))


def arrays_of_members(members: Mapping[str, bytes]) -> dict[str, Array]:
    """Name -> array, of a sample's members. ValueError when one is none."""
    return {
        name.removesuffix(".npy"): np.load(io.BytesIO(data), allow_pickle=False)
        for name, data in members.items()
        if name != "json"
    }


def check_shard(folder: Path, shard: Shard) -> None:
    """ShardError unless the file is there with the size and the SHA-256 that were written down."""
    path = folder / shard.name
    remedy = "run the curation again with the same --out, which writes it anew"
    if not path.is_file():
        raise ShardError(f"{path} is missing; {remedy}")
    size_bytes = path.stat().st_size
    if size_bytes != shard.size_bytes:
        raise ShardError(f"{path} has {size_bytes} bytes and was written with {shard.size_bytes}; {remedy}")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != shard.sha256:
        raise ShardError(f"{path} has the SHA-256 {sha256[:12]} and was written with {shard.sha256[:12]}; {remedy}")


def pack(folder: Path, items: Iterable[Sample], size_mb: float, manifest_sha256: str) -> Index:
    """`items` in shards of about `size_mb` megabytes, clips-000000.tar and on, and their index, which comes last.

    Shards of an earlier packing are replaced. OSError when they cannot be written; what was finished then stays, but
    without an index nobody takes it for whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX).unlink(missing_ok=True)
    rest = iter(items)
    shards: list[Shard] = []
    for first in rest:
        group = _until_full(first, rest, size_mb * 1e6)
        shards.append(write_shard(folder / f"clips-{len(shards):06d}.tar", group))
    kept = {shard.name for shard in shards}
    for old in folder.glob("clips-*.tar"):
        if old.name not in kept:
            old.unlink()
    index = Index(manifest_sha256, tuple(shards))
    half = folder / f"{INDEX}.part"
    half.write_text(json.dumps({"version": _VERSION, **asdict(index)}, indent=1) + "\n", encoding="utf-8")
    os.replace(half, folder / INDEX)
    return index


def read_index(folder: Path) -> Index:
    """The index of a folder of shards. ShardError when there is none."""
    path = folder / INDEX
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table.pop("version") != _VERSION:
            raise ValueError("it is of another version")
        return Index(table["manifest_sha256"], tuple(Shard(**shard) for shard in table["shards"]))
    except FileNotFoundError as error:
        raise ShardError(
            f"{folder} has no {INDEX}; it is no folder of shards, or the curation has not ended"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ShardError(f"{path} cannot be read ({error}); run the curation again") from error


def read_items(folder: Path) -> Iterator[Item]:
    """All clips of a folder of shards, each shard checked first. ShardError names the one that is damaged."""
    for shard in read_index(folder).shards:
        check_shard(folder, shard)
        yield from read_shard(folder / shard.name)


def _until_full(first: Sample, rest: Iterator[Sample], limit_bytes: float) -> Iterator[Sample]:
    """`first` and as many of the rest as it takes to fill a shard; the last one is not cut."""
    yield first
    size_bytes = _size_bytes(first)
    while size_bytes < limit_bytes and (item := next(rest, None)) is not None:
        yield item
        size_bytes += _size_bytes(item)


def _size_bytes(item: Sample) -> int:
    return sum(array.nbytes for array in item.arrays.values())


def _members(item: Sample) -> Iterator[tuple[str, bytes]]:
    yield f"{item.key}.json", json.dumps(item.to_line(), sort_keys=True).encode()
    for name in sorted(item.arrays):
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(item.arrays[name]), allow_pickle=False)
        yield f"{item.key}.{name}.npy", buffer.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """Check every shard of the folders that are named. Returns 1 when one is damaged, and says which."""
    parser = argparse.ArgumentParser(prog="python -m training.curation.shards", description="Checks folders of shards.")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="of shards")
    parser.add_argument("--parquet", type=Path, metavar="FILE", help="write a table of all clips, a row each")
    chosen = parser.parse_args(arguments)
    damaged = 0
    for folder in chosen.folders:
        try:
            index = read_index(folder)
        except ShardError as error:
            print(error, file=sys.stderr)
            damaged += 1
            continue
        for shard in index.shards:
            try:
                check_shard(folder, shard)
            except ShardError as error:
                print(error, file=sys.stderr)
                damaged += 1
        samples = sum(shard.samples for shard in index.shards)
        print(f"{folder}: {len(index.shards)} shards, {samples} clips checked")
    if chosen.parquet is not None and not damaged:
        from training.curation.parquet import write_table

        try:
            print(f"{chosen.parquet}: {write_table(chosen.folders, chosen.parquet)} clips")
        except RunError as error:
            print(error, file=sys.stderr)
            return 1
    return 1 if damaged else 0


if __name__ == "__main__":
    sys.exit(main())
