"""Shards: the same bytes always, damage found and told, nothing half-written."""

from __future__ import annotations

import errno
import io
import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.curation import shards
from training.curation.item import Item
from training.curation.shards import (
    ShardError,
    check_shard,
    main,
    pack,
    read_index,
    read_items,
    read_shard,
    write_shard,
)


def clip(number: int, hops: int = 5) -> Item:
    rng = np.random.default_rng(number)
    arrays = {
        "audio": rng.normal(size=320 * hops).astype(np.float32),
        "points": rng.normal(size=(3, 140, 2)).astype(np.float32),
        "times_s": np.arange(3) / 25,
    }
    return Item(f"video{number}.mp4", f"{number:016x}", 1.0, 1.1, "talk", figures={"r": number / 7}, arrays=arrays)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    pack(folder, (clip(number) for number in range(7)), size_mb=0.025, manifest_sha256="abc")
    return folder


def same(one: Item, other: Item) -> bool:
    assert one.to_line() == other.to_line()
    assert one.arrays.keys() == other.arrays.keys()
    return all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)


def test_what_was_packed_is_read_in_its_order(folder: Path) -> None:
    read = list(read_items(folder))
    assert len(read) == 7
    assert all(same(item, clip(number)) for number, item in enumerate(read))


def test_shards_are_filled_to_their_size_and_no_clip_is_cut(folder: Path) -> None:
    index = read_index(folder)
    assert [shard.samples for shard in index.shards] == [3, 3, 1]
    assert [len(list(read_shard(folder / shard.name))) for shard in index.shards] == [3, 3, 1]


def test_the_bytes_depend_on_the_clips_alone(folder: Path, tmp_path: Path) -> None:
    again = pack(tmp_path / "elsewhere", (clip(number) for number in range(7)), 0.025, "abc")
    assert again == read_index(folder)
    with tarfile.open(folder / "clips-000000.tar") as tar:
        assert {(member.mtime, member.uid, member.uname, member.mode) for member in tar} == {(0, 0, "", 0o644)}


def test_members_are_grouped_and_named_as_webdataset_wants(folder: Path) -> None:
    with tarfile.open(folder / "clips-000000.tar") as tar:
        names = tar.getnames()
        arrays = tar.extractfile(names[1])
        assert arrays is not None
        assert np.array_equal(np.load(io.BytesIO(arrays.read())), clip(0).arrays["audio"])
    assert names[:4] == [f"{clip(0).key}.{end}" for end in ("json", "audio.npy", "points.npy", "times_s.npy")]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves its files open
def test_webdataset_itself_reads_them(folder: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="the package webdataset is not installed")
    samples = list(webdataset.WebDataset([str(folder / "clips-000000.tar")], shardshuffle=False).decode())
    assert [sample["__key__"] for sample in samples] == [clip(number).key for number in range(3)]
    assert np.array_equal(samples[2]["points.npy"], clip(2).arrays["points"])
    assert samples[1]["json"]["figures"] == {"r": 1 / 7}


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_flipped_byte_is_found_and_told_in_one_sentence(folder: Path, place: float, change: int) -> None:
    shard = read_index(folder).shards[1]
    path = folder / shard.name
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[int(place * len(whole))] ^= change
    path.write_bytes(damaged)
    try:
        with pytest.raises(ShardError, match=r"^\S+clips-000001.tar has the SHA-256 \w+ and was written with .*again"):
            check_shard(folder, shard)
    finally:
        path.write_bytes(whole)
    check_shard(folder, shard)


def test_a_missing_a_short_and_a_foreign_file_are_told(tmp_path: Path) -> None:
    pack(tmp_path, [clip(0)], 1.0, "abc")
    shard, path = read_index(tmp_path).shards[0], tmp_path / "clips-000000.tar"
    path.write_bytes(path.read_bytes()[:-512])
    with pytest.raises(
        ShardError, match=f"has {shard.size_bytes - 512} bytes and was written with {shard.size_bytes};"
    ):
        check_shard(tmp_path, shard)
    path.write_bytes(b"no tar at all")
    with pytest.raises(ShardError, match="cannot be read as a shard"):
        list(read_shard(path))
    path.unlink()
    with pytest.raises(ShardError, match="is missing"):
        check_shard(tmp_path, shard)


def test_objects_in_arrays_are_not_unpickled(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    line = json.dumps(clip(0).to_line()).encode()
    with tarfile.open(tmp_path / "clips.tar", "w") as tar:
        for name, data in (("k.json", line), ("k.audio.npy", buffer.getvalue())):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    with pytest.raises(ShardError, match="allow_pickle"):
        list(read_shard(tmp_path / "clips.tar"))


def test_a_full_disk_leaves_no_half_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_shard(tmp_path / "one.tar", [clip(0)])

    def full(self: object, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shards._Hashed, "write", full)
    with pytest.raises(OSError, match="No space left"):
        write_shard(tmp_path / "one.tar", [clip(1)])
    assert [path.name for path in tmp_path.iterdir()] == ["one.tar"]
    check_shard(tmp_path, whole)


def test_packing_fewer_clips_removes_the_shards_that_are_too_many(tmp_path: Path) -> None:
    pack(tmp_path, (clip(number) for number in range(7)), 0.025, "abc")
    pack(tmp_path, [clip(0)], 0.03, "def")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips-000000.tar", "index.json"]


def test_the_command_names_every_damaged_shard(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder)]) == 0
    pack(tmp_path, (clip(number) for number in range(7)), 0.025, "abc")
    for name in ("clips-000000.tar", "clips-000002.tar"):
        (tmp_path / name).write_bytes(b"x" * (tmp_path / name).stat().st_size)
    capsys.readouterr()
    assert main([str(tmp_path)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert ["clips-000000" in told[0], "clips-000002" in told[1], len(told)] == [True, True, 2]
    assert main([str(tmp_path / "nothing")]) == 1
    with pytest.raises(SystemExit):
        main([])


def test_the_table_says_of_each_clip_where_it_lies_and_what_is_known(folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    other = tmp_path / "other"
    pack(other, [replace(clip(9), subset="", figures={"jerk_mm": 0.5})], 1.0, "abc")
    path = tmp_path / "below" / "clips.parquet"
    assert main([str(folder), str(other), "--parquet", str(path)]) == 0
    rows = parquet.read_table(path).to_pylist()
    clips = [*(clip(number) for number in range(7)), clip(9)]
    assert [row["key"] for row in rows] == [each.key for each in clips]
    for row in rows[:-1]:
        there = list(read_shard(folder / row["shard"]))[row["place"]]
        assert (there.key, there.figures["r"]) == (row["key"], row["figures.r"])
        assert row["shard_sha256"] in {shard.sha256 for shard in read_index(folder).shards}
    assert (rows[0]["subset"], rows[-1]["subset"], rows[-1]["figures.r"]) == ("talk", None, None)
    assert rows[-1]["figures.jerk_mm"] == 0.5
    first = path.read_bytes()
    assert main([str(folder), str(other), "--parquet", str(path)]) == 0
    assert path.read_bytes() == first
    (other / "clips-000000.tar").unlink()
    assert main([str(folder), str(other), "--parquet", str(tmp_path / "none.parquet")]) == 1
    assert not (tmp_path / "none.parquet").exists()
    assert main([str(folder), "--parquet", str(path / "below")]) == 1


def test_without_pyarrow_the_table_is_refused_in_a_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main([str(folder), "--parquet", str(tmp_path / "clips.parquet")]) == 1
    assert "install it with pip install 'avatar-driver[parquet]'" in capsys.readouterr().err
