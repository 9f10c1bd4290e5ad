"""A store of clips (`training.data.clips`) packed in shards, for a disk that many machines share:

    python -m training.data.packed_clips runs/data/curated_talk --out /shared/data/curated_talk

A recipe takes it by its name like the store itself; `data.folder` says where. Its clips then come in the order of a
stream, a few shards at a time, each shard read once an epoch and checked when it is opened, where those of a store are
drawn from anywhere. `index.jsonl` has a line a clip, in the order of the shards; clips are packed in a random order,
always the same, so that every shard holds some of everything.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from training.curation.shards import Index, ShardError, arrays_of_members, pack
from training.data.clips import Clip, ClipInfo, ClipStore, clip_of
from training.data.sharded import ShardedSamples
from training.recipe import RecipeError

INDEX = "index.jsonl"
_SHARD_MB = 256.0


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
        text = (folder / INDEX).read_bytes()
        if hashlib.sha256(text).hexdigest() != self.samples.manifest_sha256:
            raise ShardError(f"{folder / INDEX} is not what these shards were packed with; pack the store again")
        lines = [json.loads(line) for line in text.splitlines()]
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


@dataclass(frozen=True, eq=False)
class _Sample:
    """A clip as `training.curation.shards` writes it."""

    key: str
    info: ClipInfo
    arrays: dict[str, NDArray[Any]]

    def to_line(self) -> dict[str, Any]:
        return {"key": self.key, **asdict(self.info)}


def pack_store(folder: Path, out: Path, size_mb: float = _SHARD_MB) -> Index:
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
    lines = [json.dumps({**asdict(store.infos[number]), "hops": int(store.hops[number])}) + "\n" for number in order]
    text = "".join(lines).encode()
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / INDEX).write_bytes(text)
        return pack(out, _samples(store, order), size_mb, hashlib.sha256(text).hexdigest())
    except OSError as error:
        raise RecipeError(
            f"{out} cannot be written: {error.strerror}; make room, or mend it, and pack again"
        ) from error


def _samples(store: ClipStore, order: Sequence[int]) -> Iterator[_Sample]:
    for place, number in enumerate(order):
        yield _Sample(f"{place:08d}", store.infos[number], store.stored(number))


def main(arguments: list[str] | None = None) -> int:
    """Pack a store. Returns 1 when it cannot be packed."""
    parser = argparse.ArgumentParser(prog="python -m training.data.packed_clips", description="A store in shards.")
    parser.add_argument("store", type=Path, help="a folder below runs/data")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards, of the same name as the store's")
    parser.add_argument("--shard-mb", type=float, default=_SHARD_MB, metavar="MB", help="size of a shard (256)")
    chosen = parser.parse_args(arguments)
    try:
        index = pack_store(chosen.store, chosen.out, chosen.shard_mb)
    except (RecipeError, ShardError, ValueError) as error:
        print(f"training.data.packed_clips: {error}", file=sys.stderr)
        return 1
    print(f"{chosen.out}: {len(index.shards)} shards, {sum(shard.samples for shard in index.shards)} clips")
    return 0


if __name__ == "__main__":
    sys.exit(main())
