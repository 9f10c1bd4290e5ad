"""A store of clips (`training.data.clips`) packed in shards, for a disk that many machines share:

    python -m training.data.packed_clips runs/data/curated_talk --out /shared/data/curated_talk

A recipe takes it by its name like the store itself; `data.folder` says where. Its clips then come in the order of a
stream, a few shards at a time, each shard read once an epoch and checked when it is opened, where those of a store are
drawn from anywhere. `index.jsonl` has a line a clip, in the order of the shards; clips are packed in a random order,
always the same, so that every shard holds some of everything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from training.curation.shards import Index, arrays_of_members
from training.data.clips import Clip, ClipInfo, ClipStore, clip_of
from training.data.packing import SHARD_MB, PackedSample, command, pack_lines, packed_lines
from training.data.sharded import ShardedSamples
from training.recipe import RecipeError


class Clips(Protocol):
    """What a store and one that is packed have in common."""

    infos: list[ClipInfo]
    hops: NDArray[np.int64]

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Clip: ...

    def stored(self, number: int) -> dict[str, NDArray[Any]]: ...

    def at_hand(self) -> range: ...

    def some_motion(self, rows: int) -> NDArray[np.float64]: ...


class PackedClips:
    """Reads a packed store, one clip at a time. ShardError when it is not whole, or a shard of it is damaged."""

    def __init__(self, folder: Path) -> None:
        self.samples = ShardedSamples(folder)
        lines = packed_lines(folder, self.samples.manifest_sha256)
        self.hops = np.array([line.pop("hops") for line in lines], np.int64)
        self.infos = [ClipInfo(**line) for line in lines]

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, number: int) -> Clip:
        return clip_of(self.infos[number], self.stored(number))

    def stored(self, number: int) -> dict[str, NDArray[Any]]:
        """A clip's rows, as in `ClipStore.stored`."""
        return arrays_of_members(self.samples[number])

    def at_hand(self) -> range:
        """The clips that may be read in any order: those of the first shard, which holds some of everything."""
        return range(int(self.samples.begins[1]))

    def some_motion(self, rows: int) -> NDArray[np.float64]:
        """[N, 53]: the believed ones of the first rows."""
        motion: list[NDArray[np.float64]] = []
        for number in range(len(self)):
            stored = self.stored(number)
            motion.append(stored["motion"][stored["labels"][:, 4] > 0.5].astype(np.float64))
            rows -= len(stored["motion"])
            if rows <= 0:
                break
        return np.concatenate(motion)


def open_clips(folder: Path) -> Clips:
    """The store in `folder`, packed or not."""
    return ClipStore(folder) if (folder / "audio.i16").exists() else PackedClips(folder)


def pack_store(folder: Path, out: Path, size_mb: float = SHARD_MB) -> Index:
    """All clips of the store in `folder` in shards of about `size_mb` megabytes.

    RecipeError when there is no store, or `out` is one or cannot be written; what is there then is not taken for whole.
    """
    if not (folder / "audio.i16").exists():
        raise RecipeError(
            f"{folder} is no store of clips; build it with training.data.build_* or training.curation.stores"
        )
    if (out / "audio.i16").exists():
        raise RecipeError(f"{out} is a store itself; name another folder for the shards")
    store = ClipStore(folder)
    order: list[int] = np.random.default_rng(0).permutation(len(store)).tolist()
    lines = [{**asdict(store.infos[number]), "hops": int(store.hops[number])} for number in order]
    return pack_lines(out, lines, _samples(store, order), size_mb)


def _samples(store: ClipStore, order: Sequence[int]) -> Iterator[PackedSample]:
    for place, number in enumerate(order):
        yield PackedSample(f"{place:08d}", store.infos[number], store.stored(number))


def main(arguments: list[str] | None = None) -> int:
    """Pack a store. Returns 1 when it cannot be packed."""
    return command("packed_clips", pack_store, arguments)


if __name__ == "__main__":
    sys.exit(main())
