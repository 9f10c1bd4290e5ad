"""Batches straight from a folder of shards (`training.curation.shards`), which may be larger than memory.

Shards are visited in an order of each epoch's own, a few at a time, whose clips are mixed; one clip is read at a time,
from where it lies in its tar file. Which clips are in a batch depends on the seed and its number alone, as in all
datasets of `training.loop`, which deals the numbers out to the processes: a run that is resumed, with any number of
processes and of loader workers, gets the batches that it would have had, and each clip comes once an epoch.
"""

from __future__ import annotations

import tarfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from training.curation.item import Item
from training.curation.shards import check_shard, item_of_members, read_index
from training.recipe import RecipeError

Batch = dict[str, Tensor]
_MOST_OPEN = 64


class ShardBatches(Dataset[Batch]):
    """Item `number` is the batch of that number, the same in every process.

    folder    of the shards                     batch   clips in it
    mixed     shards whose clips are mixed      seed    of the order
    collate   clips to tensors, see `stacked`

    RecipeError when there is no clip; ShardError for a shard that is missing or damaged, found when it is opened.
    """

    def __init__(
        self,
        folder: Path,
        batch: int,
        seed: int = 1,
        mixed: int = 8,
        collate: Callable[[Sequence[Item]], Batch] | None = None,
    ) -> None:
        self.folder, self.batch, self.seed, self.mixed = folder, batch, seed, mixed
        self.collate = collate or stacked
        self.shards = read_index(folder).shards
        self.counts = np.array([shard.samples for shard in self.shards], np.int64)
        self.clips = int(self.counts.sum())
        if not self.clips:
            raise RecipeError(f"{folder} holds no clips; curate videos that have some")
        self._opened: OrderedDict[int, _Opened] = OrderedDict()
        self._order = lru_cache(maxsize=2)(self._order_of)

    def __getitem__(self, number: int) -> Batch:
        return self.collate(self.items(number))

    def items(self, number: int) -> list[Item]:
        """The clips of a batch."""
        return [self._clip(clip) for clip in range(number * self.batch, (number + 1) * self.batch)]

    def __getstate__(self) -> dict[str, object]:
        """For loader workers: each opens files and keeps orders of its own."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_opened", "_order")}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._opened = OrderedDict()
        self._order = lru_cache(maxsize=2)(self._order_of)

    def _clip(self, number: int) -> Item:
        """Clip `number` of all that training will ever see."""
        epoch, place = divmod(number, self.clips)
        shard, row = self._order(epoch)[place]
        return self._open(int(shard)).read(int(row))

    def _order_of(self, epoch: int) -> NDArray[np.int64]:
        """Shard and place in it of each clip of an epoch, int64 [clips, 2]."""
        rng = np.random.default_rng([self.seed, epoch])
        shards = rng.permutation(len(self.shards))
        groups = [shards[begin : begin + self.mixed] for begin in range(0, len(shards), self.mixed)]
        return np.concatenate([rng.permutation(self._rows(group)) for group in groups])

    def _rows(self, shards: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([(shard, row) for shard in shards for row in range(self.counts[shard])], np.int64).reshape(
            -1, 2
        )

    def _open(self, number: int) -> _Opened:
        if number not in self._opened:
            shard = self.shards[number]
            check_shard(self.folder, shard)
            self._opened[number] = _Opened(self.folder / shard.name)
            while len(self._opened) > _MOST_OPEN:
                self._opened.popitem(last=False)
        self._opened.move_to_end(number)
        return self._opened[number]


class _Opened:
    """Where each clip's members lie in a tar file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: list[list[tuple[str, int, int]]] = []
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                name = member.name.partition(".")[2]
                if name == "json":
                    self._members.append([])
                self._members[-1].append((name, member.offset_data, member.size))

    def read(self, row: int) -> Item:
        with self._path.open("rb") as file:
            data: dict[str, bytes] = {}
            for name, offset, size in self._members[row]:
                file.seek(offset)
                data[name] = file.read(size)
        return item_of_members(data)


def stacked(items: Sequence[Item]) -> Batch:
    """A tensor for each array, [batch, ...], with the clips' keys left behind. RecipeError where shapes differ."""
    batch: Batch = {}
    for name in items[0].arrays:
        shapes = {item.arrays[name].shape if name in item.arrays else None for item in items}
        if len(shapes) > 1:
            raise RecipeError(f"{name} is of different shapes, {shapes}, in one batch; collate it in another way")
        batch[name] = torch.from_numpy(np.stack([item.arrays[name] for item in items]))
    return batch
