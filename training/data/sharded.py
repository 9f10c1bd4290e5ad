"""Samples straight from a folder of shards (`training.curation.shards`), which may be larger than memory.

Training visits shards in an order of each epoch's own, a few at a time, whose samples are mixed; one sample is read at
a time, from where it lies in its tar file. Which sample comes when depends on the seed and its number alone, as in all
datasets of `training.loop`, which deals the numbers out to the processes: a run that is resumed, with any number of
processes and of loader workers, gets the samples that it would have had, and each comes once an epoch.
"""

from __future__ import annotations

import tarfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
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


class ShardedSamples:
    """The members of a sample, by what follows the key in their names, in the order in which they were packed.

    ShardError for a shard that is missing or damaged, found when its first sample is asked for.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, index = folder, read_index(folder)
        self.shards, self.manifest_sha256 = index.shards, index.manifest_sha256
        self.begins = np.cumsum([0, *(shard.samples for shard in self.shards)])
        self._opened: OrderedDict[int, _Opened] = OrderedDict()

    def __len__(self) -> int:
        return int(self.begins[-1])

    def __getitem__(self, number: int) -> dict[str, bytes]:
        shard = int(np.searchsorted(self.begins, number, side="right")) - 1
        return self._open(shard).read(number - int(self.begins[shard]))

    def __getstate__(self) -> dict[str, object]:
        """For loader workers: each opens files of its own."""
        return {**self.__dict__, "_opened": OrderedDict()}

    def _open(self, number: int) -> _Opened:
        if number not in self._opened:
            shard = self.shards[number]
            check_shard(self.folder, shard)
            self._opened[number] = _Opened(self.folder / shard.name)
            while len(self._opened) > _MOST_OPEN:
                self._opened.popitem(last=False)
        self._opened.move_to_end(number)
        return self._opened[number]


class StreamOrder:
    """`order(number)` is which sample comes as that number of all that training will ever see.

    begins   number of the first sample of each shard, and of all samples, int64 [shards + 1]
    times    how often each comes in an epoch, int64 [samples]; one that must not be seen never does
    seed     of the order                mixed    shards whose samples are mixed
    """

    def __init__(self, begins: NDArray[np.int64], times: NDArray[np.int64], seed: int, mixed: int = 8) -> None:
        self.begins, self.times, self.seed, self.mixed = begins, times, seed, mixed
        self.epoch_size = int(times.sum())
        self._last: tuple[int, NDArray[np.int64]] = -1, times

    def __call__(self, number: int) -> int:
        epoch, place = divmod(number, self.epoch_size)
        if self._last[0] != epoch:
            self._last = epoch, self.epoch(epoch)
        return int(self._last[1][place])

    def epoch(self, epoch: int) -> NDArray[np.int64]:
        """All samples of an epoch, in their order."""
        rng = np.random.default_rng([self.seed, epoch])
        shards = rng.permutation(len(self.begins) - 1)
        groups = [shards[begin : begin + self.mixed] for begin in range(0, len(shards), self.mixed)]
        return np.concatenate([rng.permutation(self._samples(group)) for group in groups])

    def _samples(self, shards: NDArray[np.int64]) -> NDArray[np.int64]:
        ranges = [range(self.begins[shard], self.begins[shard + 1]) for shard in shards.tolist()]
        numbers = np.concatenate([np.array(each, np.int64) for each in ranges])
        return np.repeat(numbers, self.times[numbers])


class ShardBatches(Dataset[Batch]):
    """Clips of a curation: item `number` is the batch of that number, the same in every process.

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
        self.batch, self.collate = batch, collate or stacked
        self.samples = ShardedSamples(folder)
        if not len(self.samples):
            raise RecipeError(f"{folder} holds no clips; curate videos that have some")
        self.order = StreamOrder(self.samples.begins, np.ones(len(self.samples), np.int64), seed, mixed)

    def __getitem__(self, number: int) -> Batch:
        return self.collate(self.items(number))

    def items(self, number: int) -> list[Item]:
        """The clips of a batch."""
        numbers = range(number * self.batch, (number + 1) * self.batch)
        return [item_of_members(self.samples[self.order(number)]) for number in numbers]


class _Opened:
    """Where each sample's members lie in a tar file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: list[list[tuple[str, int, int]]] = []
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                name = member.name.partition(".")[2]
                if name == "json":
                    self._members.append([])
                self._members[-1].append((name, member.offset_data, member.size))

    def read(self, row: int) -> dict[str, bytes]:
        with self._path.open("rb") as file:
            data: dict[str, bytes] = {}
            for name, offset, size in self._members[row]:
                file.seek(offset)
                data[name] = file.read(size)
        return data


def stacked(items: Sequence[Item]) -> Batch:
    """A tensor for each array, [batch, ...], with the clips' keys left behind. RecipeError where shapes differ."""
    batch: Batch = {}
    for name in items[0].arrays:
        shapes = {item.arrays[name].shape if name in item.arrays else None for item in items}
        if len(shapes) > 1:
            raise RecipeError(f"{name} is of different shapes, {shapes}, in one batch; collate it in another way")
        batch[name] = torch.from_numpy(np.stack([item.arrays[name] for item in items]))
    return batch
