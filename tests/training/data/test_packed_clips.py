"""Stores packed in shards: the same clips, streamed by number, and the same training after a stop."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.lines import HERE
from torch.utils.data import DataLoader

from training.curation.shards import ShardError, read_index
from training.data.augment import Augmenter
from training.data.clips import ClipStore, ClipWriter
from training.data.excerpts import ExcerptBatches, Excerpts
from training.data.packed_clips import PackedClips, main, open_clips, pack_store
from training.loop import Trainer, averaged_weights
from training.smoke import made_up_store, smoke_table
from training.tasks.voice_data import spread_of

LONG = 20  # as many copies as it takes for several shards


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`small`, a store of eight clips; `stores/a`, more of them, of which some are held out or may not be used; and
    `shards/a`, the same packed."""
    folder = tmp_path_factory.mktemp("packed")
    made_up_store(folder / "small")
    small = ClipStore(folder / "small")
    with ClipWriter(folder / "stores" / "a") as writer:
        for copy in range(LONG):
            for clip in small:
                use = "research" if copy == 3 else "free"
                info = replace(clip.info, name=f"{clip.info.name}.{copy}", use=use, style=f"style{copy % 2}")
                writer.add(replace(clip, info=info, motion=clip.motion + np.float32(copy)))
    pack_store(folder / "stores" / "a", folder / "shards" / "a", size_mb=0.5)
    assert len(read_index(folder / "shards" / "a").shards) > 16
    return folder


def batches(folder: Path, seed: int = 3, **settings: Any) -> ExcerptBatches:
    return ExcerptBatches(folder / "shards", Excerpts(100, {"a": 1.0}, **settings), 4, seed)


def test_a_packed_clip_is_the_store_s_to_the_bit(folder: Path) -> None:
    store, shards = ClipStore(folder / "stores" / "a"), open_clips(folder / "shards" / "a")
    assert isinstance(shards, PackedClips)
    place = {info.name: number for number, info in enumerate(store.infos)}
    assert {info.name for info in shards.infos} == place.keys()
    assert [place[info.name] for info in shards.infos] != list(range(len(store)))
    for number, info in enumerate(shards.infos):
        one, other = store[place[info.name]], shards[number]
        assert one.info == other.info == info
        assert one.hops == shards.hops[number]
        for name in ("audio", "motion", "motion_weight", "phones", "speech", "laughter", "valence", "arousal"):
            assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name


def test_packing_again_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    assert pack_store(folder / "stores" / "a", tmp_path, size_mb=0.5) == read_index(folder / "shards" / "a")


def test_what_may_be_learnt_from_comes_once_an_epoch_and_nothing_else_does(folder: Path) -> None:
    source = batches(folder)._sources[0]
    infos, rng = source.clips.infos, np.random.default_rng(0)
    allowed = {n for n, info in enumerate(infos) if info.split == "train" and info.use == "free"}
    assert 0 < len(allowed) < len(infos)
    order = [source.next(number, rng) for number in range(2 * len(allowed))]
    assert Counter(order[: len(allowed)]) == Counter(order[len(allowed) :]) == Counter(allowed)
    # Of a clip of 100 hops, two excerpts of 50 in an epoch.
    halves = ExcerptBatches(folder / "shards", Excerpts(50, {"a": 1.0}), 4, seed=3)._sources[0]
    twice = Counter(halves.next(number, rng) for number in range(2 * len(allowed)))
    assert twice == Counter(dict.fromkeys(allowed, 2))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_depends_on_its_number_alone(folder: Path, workers: int) -> None:
    first, second = batches(folder), batches(folder)
    whole = [first[number] for number in range(9, 14)]
    loaded = DataLoader(second, batch_size=None, sampler=range(9, 14), num_workers=workers)
    for batch, again in zip(whole, loaded, strict=True):
        for name, tensor in batch.items():
            torch.testing.assert_close(tensor, again[name], equal_nan=True, rtol=0.0, atol=0.0)
    assert not torch.equal(whole[0]["motion"], whole[1]["motion"])
    assert not torch.equal(whole[0]["motion"], batches(folder, seed=4)[9]["motion"])


def test_a_batch_mixes_stores_and_shards_by_their_shares(folder: Path) -> None:
    made_up_store(folder / "shards" / "b")
    mixed = ExcerptBatches(folder / "shards", Excerpts(100, {"a": 0.25, "b": 0.75}, muted=0.0, styled=1.0), 40, seed=1)
    assert mixed.styles == ["", "plain", "style0", "style1"]
    of_shards = np.mean([float((mixed[number]["style"] > 1).float().mean()) for number in range(5)])
    assert of_shards == pytest.approx(0.25, abs=0.1)


def test_noises_and_the_spread_come_from_shards_as_well(folder: Path, tmp_path: Path) -> None:
    pack_store(folder / "stores" / "a", tmp_path / "negatives", size_mb=0.5)
    noise = Augmenter(tmp_path)._negatives
    assert noise is not None
    allowed = {n for n in noise[0].at_hand() if noise[0].infos[n].use == "free" and noise[0].infos[n].split == "train"}
    assert set(noise[1].tolist()) == allowed
    assert len(allowed) <= read_index(tmp_path / "negatives").shards[0].samples
    sound = np.full(32_000, 0.1, np.float32)
    assert np.isfinite(Augmenter(tmp_path)(sound, np.random.default_rng(0))).all()
    spreads = [spread_of(open_clips(folder / kind / "a")) for kind in ("stores", "shards")]
    torch.testing.assert_close(*spreads, rtol=0.15, atol=0.01)


def test_stopped_and_gone_on_with_it_learns_what_it_would_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["optim.steps=2", "optim.checkpoint_every=1", "optim.validate_every=2", "optim.batch=2", "data.hops=20"]
    table = smoke_table("talk", settings, tmp_path / "stores")
    for store in (tmp_path / "stores").iterdir():
        pack_store(store, tmp_path / "shards" / store.name, size_mb=0.2)
    table["data"]["folder"] = str(tmp_path / "shards")

    def learn(folder: Path, steps: int) -> None:
        task = importlib.import_module("training.tasks.talk").prepare(table, HERE)
        optim = task.recipe.optim
        trainer = Trainer(task, optim, folder, HERE)
        saved, trainer._save = trainer._save, lambda: None

        def stop_at() -> None:
            saved()
            if trainer.step == steps:
                raise KeyboardInterrupt

        trainer._save = stop_at
        trainer.run()

    learn(tmp_path / "one", 99)
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "two", 1)
    learn(tmp_path / "two", 99)
    one, two = averaged_weights(tmp_path / "one"), averaged_weights(tmp_path / "two")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_what_is_damaged_or_half_packed_is_told(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    pack_store(folder / "small", out)
    index = out / "index.jsonl"
    lines = index.read_text().splitlines(keepends=True)
    index.write_text("".join(lines[1:]))
    with pytest.raises(ShardError, match="is not what these shards were packed with; pack the store again"):
        open_clips(out)
    index.write_text("".join(lines))
    path = out / "clips-000000.tar"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ShardError, match=r"clips-000000\.tar has the SHA-256"):
        open_clips(out)[0]
    (out / "index.json").unlink()
    with pytest.raises(ShardError, match=r"has no index\.json"):
        open_clips(out)


def test_the_command_packs_and_refuses_in_a_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder / "small"), "--out", str(tmp_path / "small")]) == 0
    assert capsys.readouterr().out.endswith("small: 1 shards, 8 clips\n")
    assert json.loads((tmp_path / "small" / "index.jsonl").read_text().splitlines()[0])["hops"] == 100
    assert main([str(tmp_path), "--out", str(tmp_path / "other")]) == 1
    assert "is no store of clips; build it" in capsys.readouterr().err
    assert main([str(folder / "small"), "--out", str(folder / "small")]) == 1
    assert "is a store itself; name another folder" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main([str(folder / "small"), "--out", str(tmp_path / "file" / "below")]) == 1
    assert "cannot be written: Not a directory; make room" in capsys.readouterr().err
