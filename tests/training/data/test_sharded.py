"""Batches from shards: each clip once an epoch over all processes, and the same ones after a resume."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from training.curation.item import Item
from training.curation.shards import ShardError, pack
from training.data.sharded import ShardBatches, ShardedSamples, StreamOrder, stacked
from training.loop import share_of
from training.processes import Place
from training.recipe import RecipeError

CLIPS = 23


def clip(number: int) -> Item:
    arrays = {"jaw": np.full((5, 3), number, np.float32), "audio": np.zeros(1600, np.float32)}
    return Item("video.mp4", f"{number:016x}", 0.0, 0.1, "talk", arrays=arrays)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    index = pack(folder, (clip(number) for number in range(CLIPS)), 0.02, "abc")
    assert len(index.shards) > 4
    return folder


def batches(folder: Path, batch: int = 2, mixed: int = 3) -> ShardBatches:
    return ShardBatches(folder, batch, seed=7, mixed=mixed)


def numbers(batch: dict[str, torch.Tensor]) -> list[int]:
    return [int(number) for number in batch["jaw"][:, 0, 0]]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_each_clip_comes_once_an_epoch_over_all_processes(folder: Path, world: int) -> None:
    steps = range(-(-3 * CLIPS // (2 * world)))
    dealt = [share_of(Place(torch.device("cpu"), rank, world), 1, steps) for rank in range(world)]
    ranks = [batches(folder) for _ in range(world)]
    order = [
        number
        for turn in zip(*dealt, strict=True)
        for each, batch in zip(ranks, turn, strict=True)
        for number in numbers(each[batch])
    ]
    for epoch in range(3):
        assert Counter(order[epoch * CLIPS : (epoch + 1) * CLIPS]) == Counter(range(CLIPS))
    assert order[:CLIPS] != order[CLIPS : 2 * CLIPS]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_at_a_step_the_batches_are_the_same(folder: Path, workers: int) -> None:
    whole = [numbers(batches(folder)[step]) for step in range(30)]
    resumed = DataLoader(batches(folder), batch_size=None, sampler=range(13, 30), num_workers=workers)
    assert [numbers(batch) for batch in resumed] == whole[13:]


def test_neighbours_in_a_shard_are_not_neighbours_in_training(folder: Path) -> None:
    order = [number for step in range(CLIPS // 2) for number in numbers(batches(folder)[step])]
    assert sum(abs(one - other) == 1 for one, other in pairwise(order)) < CLIPS // 2


def test_only_a_few_shards_are_read_at_a_time(folder: Path) -> None:
    """Clips of one epoch come from no more shards than are mixed, until those are used up."""
    order = batches(folder, mixed=2).order
    shards = (np.searchsorted(order.begins, order.epoch(0), side="right") - 1).tolist()
    first = list(dict.fromkeys(shards))
    for group in (first[begin : begin + 2] for begin in range(0, len(first), 2)):
        clips = [place for place, shard in enumerate(shards) if shard in group]
        assert clips == list(range(clips[0], clips[-1] + 1))


def test_a_sample_comes_as_often_in_an_epoch_as_it_is_told(folder: Path) -> None:
    times = np.arange(CLIPS) % 3
    order = StreamOrder(ShardedSamples(folder).begins, times, seed=7, mixed=3)
    for epoch in range(2):
        seen = Counter(order(epoch * int(times.sum()) + place) for place in range(int(times.sum())))
        assert seen == Counter({number: int(count) for number, count in enumerate(times) if count})


def test_a_damaged_shard_is_told_when_it_is_opened(tmp_path: Path) -> None:
    pack(tmp_path, [clip(number) for number in range(4)], 1.0, "abc")
    path = tmp_path / "clips-000000.tar"
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(ShardError, match=r"clips-000000\.tar has the SHA-256"):
        batches(tmp_path)[0]


def test_no_clips_and_no_shards_are_told(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"has no index\.json"):
        batches(tmp_path)
    pack(tmp_path, [], 1.0, "abc")
    with pytest.raises(RecipeError, match="holds no clips"):
        batches(tmp_path)


def test_clips_of_different_lengths_are_not_stacked() -> None:
    longer = clip(1).with_arrays({"jaw": np.zeros((6, 3), np.float32)})
    with pytest.raises(RecipeError, match="jaw is of different shapes"):
        stacked([clip(0), longer])
