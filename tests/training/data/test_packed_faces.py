"""Faces packed in shards: the same clips, the same batches as from the store, and damage that is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from training.curation.shards import ShardError, read_index
from training.data.face_batches import FacePairs
from training.data.face_people import FacePeople, PeopleData
from training.data.face_source import FaceData
from training.data.face_store import FaceStore
from training.data.made_up_faces import made_up_faces
from training.data.packed_faces import PackedFaces, main, open_faces, pack_faces
from training.recipe import RecipeError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`stores/a`, a store of faces with a file beside it, and `shards/a`, the same packed."""
    folder = tmp_path_factory.mktemp("faces")
    made_up_faces(folder / "stores" / "a")
    (folder / "stores" / "a" / "labels.jsonl").write_text("beside\n")
    pack_faces(folder / "stores" / "a", folder / "shards" / "a", size_mb=1.0)
    assert len(read_index(folder / "shards" / "a").shards) > 2
    return folder


def test_a_packed_clip_is_the_store_s_to_the_bit(folder: Path) -> None:
    store, shards = FaceStore(folder / "stores" / "a"), open_faces(folder / "shards" / "a")
    assert isinstance(shards, PackedFaces)
    assert not isinstance(open_faces(folder / "stores" / "a"), PackedFaces)
    assert shards.infos == store.infos
    for one, other in zip(store, shards, strict=True):
        assert np.array_equal(one.pictures, other.pictures)
        assert one.truths.keys() == other.truths.keys()
        for name in one.truths:
            assert np.array_equal(one.truths[name], other.truths[name], equal_nan=True), name
    rows = np.array([0, len(store.pictures) - 1, 3])
    assert np.array_equal(store.pictures[rows], shards.pictures[rows])
    assert (folder / "shards" / "a" / "labels.jsonl").read_text() == "beside\n"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_draws_from_shards_what_it_draws_from_the_store(folder: Path, workers: int) -> None:
    def drawn(place: str) -> list[dict[str, torch.Tensor]]:
        pairs = FacePairs(FaceData(folder=str(folder / place), stores={"a": 1.0}), 4, 5)
        loader = DataLoader(pairs, batch_size=None, sampler=range(3), num_workers=workers)
        return list(loader)

    for one, other in zip(drawn("stores"), drawn("shards"), strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert torch.equal(torch.nan_to_num(one[name].float()), torch.nan_to_num(other[name].float())), name


def test_people_come_from_shards_as_from_the_store(folder: Path) -> None:
    one, other = (
        FacePeople(PeopleData(folder=str(folder / place), stores={"a": 1.0}, each=2), 4, 5)[0]
        for place in ("stores", "shards")
    )
    for name in one:
        assert torch.equal(torch.nan_to_num(one[name].float()), torch.nan_to_num(other[name].float())), name


def test_rows_of_two_clips_are_not_one_slice(folder: Path) -> None:
    shards = open_faces(folder / "shards" / "a")
    first, count = int(shards.first[1]), int(shards.counts[1])
    assert len(shards.truths[first : first + count]) == count
    with pytest.raises(IndexError, match="not of one clip"):
        shards.truths[first : first + count + 1]


def test_damage_is_told_and_nothing_else_is_taken_for_a_store(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "a"
    pack_faces(folder / "stores" / "a", damaged, size_mb=1.0)
    shard = damaged / read_index(damaged).shards[-1].name
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(bytes(data))
    faces = open_faces(damaged)
    faces.pictures[0]
    with pytest.raises(ShardError, match="SHA-256"):
        faces.pictures[int(faces.first[-1])]
    lines = (damaged / "index.jsonl").read_text().splitlines()
    (damaged / "index.jsonl").write_text("\n".join([*lines[1:], json.dumps({"name": "other"})]) + "\n")
    with pytest.raises(ShardError, match="packed with"):
        open_faces(damaged)
    with pytest.raises(RecipeError, match="does not exist"):
        FacePairs(FaceData(folder=str(folder), stores={"nowhere": 1.0}), 4, 5)
    assert main([str(folder), "--out", str(tmp_path / "b")]) == 1
    assert "no store of faces" in capsys.readouterr().err
    assert main([str(folder / "stores" / "a"), "--out", str(folder / "stores" / "a")]) == 1
    assert "is a store itself" in capsys.readouterr().err
    assert main([str(folder / "stores" / "a"), "--out", str(tmp_path / "c")]) == 0
    assert "clips" in capsys.readouterr().out
