"""A store of faces (`training.data.face_store`) packed in shards, for a disk that many machines share:

    python -m training.data.packed_faces runs/data/synthetic_faces --out /shared/data/synthetic_faces

A recipe takes it by its name like the store itself; `data.folder` says where. Its clips have the store's order, and
what lies in a tar file is read from where it lies, a picture at a time: a run draws from shards what it would have
drawn from the store, to the bit. A shard's SHA-256 is checked when its first picture is asked for. What lies beside
the store (labels, phones) is copied.
"""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from training.curation.shards import Index, Shard, ShardError, check_shard, read_index
from training.data.face_store import FaceClipInfo, FaceStore
from training.data.packing import INDEX, SHARD_MB, PackedSample, command, pack_lines, packed_lines
from training.recipe import RecipeError

_FILES = ("pictures.u8", "truths.f32")  # of a store that is not packed
_ARRAYS = ("pictures", "truths")


class PackedFaces(FaceStore):
    """Reads a packed store like any other. ShardError when it is not whole, or a shard of it is damaged."""

    def __init__(self, folder: Path) -> None:
        index = read_index(folder)
        lines = packed_lines(folder, index.manifest_sha256)
        self.first = np.array([line.pop("first") for line in lines])
        self.counts = np.array([line.pop("count") for line in lines])
        self.infos = [FaceClipInfo(**line) for line in lines]
        shards = _Shards(folder, index.shards)
        # Rows where a memory map is expected: both are asked for single pictures, and for those of one clip.
        self.pictures = cast(Any, _Rows("pictures", shards, self.first))
        self.truths = cast(Any, _Rows("truths", shards, self.first))


class _Rows:
    """One array of all clips: a row by its number, some of one clip by a slice, any by an array of numbers."""

    def __init__(self, name: str, shards: _Shards, first: NDArray[np.int64]) -> None:
        self._name, self._shards, self._first = name, shards, first

    def __getitem__(self, where: int | slice | NDArray[np.int64]) -> NDArray[Any]:
        if isinstance(where, np.ndarray):
            return np.stack([self[int(row)] for row in where])
        row = int(where.start) if isinstance(where, slice) else int(where)
        clip = int(np.searchsorted(self._first, row, side="right")) - 1
        begin = int(self._first[clip])
        values = self._shards.array(clip, self._name)
        if not isinstance(where, slice):
            return values[row - begin]
        stop = int(where.stop) - begin
        if where.step is not None or stop > len(values):
            raise IndexError(f"rows {where.start} to {where.stop} are not of one clip; ask for each clip by itself")
        return values[row - begin : stop]


class _Shards:
    """The arrays of clips, mapped from the tar files that they lie in."""

    def __init__(self, folder: Path, shards: tuple[Shard, ...]) -> None:
        self._folder, self._shards = folder, shards
        self._begins = np.cumsum([0, *(shard.samples for shard in shards)])
        self._opened: dict[int, list[dict[str, NDArray[Any]]]] = {}

    def __getstate__(self) -> dict[str, object]:
        """For loader workers: each maps the files itself."""
        return {**self.__dict__, "_opened": {}}

    def array(self, clip: int, name: str) -> NDArray[Any]:
        number = int(np.searchsorted(self._begins, clip, side="right")) - 1
        if number not in self._opened:
            check_shard(self._folder, self._shards[number])
            self._opened[number] = _arrays_in(self._folder / self._shards[number].name)
        return self._opened[number][clip - int(self._begins[number])][name]


def _arrays_in(path: Path) -> list[dict[str, NDArray[Any]]]:
    """Of each sample of a tar file, in its order: its arrays by name, views of one memory map of the file."""
    found: dict[str, dict[str, NDArray[Any]]] = {}
    mapped = np.memmap(path, np.uint8, "r")
    with path.open("rb") as file, tarfile.open(path, "r:") as tar:
        for member in tar:
            key, _, name = member.name.partition(".")
            if not name.endswith(".npy"):
                continue
            file.seek(member.offset_data)
            if (version := np.lib.format.read_magic(file)) != (1, 0):
                raise ShardError(f"{path}: {member.name} is of version {version}, not (1, 0); pack the store again")
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            flat = mapped[file.tell() : member.offset_data + member.size].view(dtype)
            found.setdefault(key, {})[name.removesuffix(".npy")] = flat.reshape(shape)
    return list(found.values())


def open_faces(folder: Path) -> FaceStore:
    """The store in `folder`, packed or not."""
    return FaceStore(folder) if (folder / _FILES[0]).exists() else PackedFaces(folder)


def pack_faces(folder: Path, out: Path, size_mb: float = SHARD_MB) -> Index:
    """All clips of the store in `folder` in shards of about `size_mb` megabytes.

    RecipeError when there is no store, or `out` is one or cannot be written; what is there then is not taken for whole.
    """
    if not (folder / _FILES[0]).exists():
        raise RecipeError(f"{folder} is no store of faces; build it with training.data.build_*_faces")
    if (out / _FILES[0]).exists():
        raise RecipeError(f"{out} is a store itself; name another folder for the shards")
    store = FaceStore(folder)
    lines = [
        {**asdict(info), "first": int(first), "count": int(count)}
        for info, first, count in zip(store.infos, store.first, store.counts, strict=True)
    ]
    beside = [file for file in sorted(folder.iterdir()) if file.is_file() and file.name not in (INDEX, *_FILES)]
    return pack_lines(out, lines, _samples(store), size_mb, beside)


def _samples(store: FaceStore) -> Iterator[PackedSample]:
    for number, info in enumerate(store.infos):
        where = slice(int(store.first[number]), int(store.first[number] + store.counts[number]))
        yield PackedSample(f"{number:08d}", info, {name: np.asarray(getattr(store, name)[where]) for name in _ARRAYS})


def main(arguments: list[str] | None = None) -> int:
    """Pack a store. Returns 1 when it cannot be packed."""
    return command("packed_faces", pack_faces, arguments)


if __name__ == "__main__":
    sys.exit(main())
