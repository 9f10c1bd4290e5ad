"""The curation as a whole on made-up files: cut off anywhere, on any engine, the same bytes come out."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driver.errors import RunError
from training.curation import journal as journal_module
from training.curation import shards as shards_module
from training.curation import work as work_module
from training.curation.curate import MANIFEST, SHARDS, Engine, curate
from training.curation.item import Item
from training.curation.journal import JOURNAL, Journal, Outcome
from training.curation.made_up import MADE_UP_STAGES, made_up_video, made_up_videos
from training.curation.process_engine import ProcessEngine
from training.curation.ray_engine import RayEngine
from training.curation.settings import CurationSettings
from training.curation.shards import read_items
from training.curation.stage import Stage
from training.curation.work import Failure, Job, Work, crashed, curate_source
from training.recipe import RecipeError

SIZE_MB = 0.02
SETTINGS = CurationSettings()


class Here:
    """An engine without processes. What is in `deadly` dies of it, as often as it says."""

    def __init__(self, deadly: dict[str, int] | None = None) -> None:
        self.deadly, self.seen = dict(deadly or {}), list[str]()

    def run(self, items: Sequence[Item], job: Job) -> Iterator[Outcome]:
        for item in items:
            name = Path(item.source).name
            self.seen.append(name)
            if self.deadly.get(name, 0):
                self.deadly[name] -= 1
                continue
            outcome = curate_source(item, job)
            if isinstance(outcome, Failure):
                raise RunError(outcome.sentence)
            yield outcome


def job_in(out: Path, stages: tuple[Stage, ...] = MADE_UP_STAGES) -> Job:
    return Job(out, SETTINGS, stages)


def result(out: Path) -> dict[str, bytes]:
    """All that must be the same: manifest, shards, index."""
    return {
        str(path.relative_to(out)): path.read_bytes() for path in [out / MANIFEST, *sorted((out / SHARDS).iterdir())]
    }


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    made_up_videos(folder)
    return folder


@pytest.fixture(scope="module")
def wanted(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("wanted")
    curate([videos], job_in(out), Here(), SIZE_MB)
    return result(out)


def test_the_manifest_tells_of_every_piece_and_the_shards_hold_the_kept(videos: Path, tmp_path: Path) -> None:
    curated = curate([videos], job_in(tmp_path), Here(), SIZE_MB)
    lines = [json.loads(line) for line in (tmp_path / MANIFEST).read_text().splitlines()]
    assert [line["key"] for line in lines] == sorted(line["key"] for line in lines)
    assert {Path(line["source"]).name for line in lines} == {f"video{number:03d}.mp4" for number in range(12)}
    reasons = {Path(line["source"]).name: line["reason"] for line in lines if line.get("rejected_by")}
    assert reasons["video001.mp4"] == "RuntimeError: this file was made to be broken"
    assert reasons["video005.mp4"] == "nobody is there"
    assert reasons["video011.mp4"] == f"the same file as {videos / 'video002.mp4'}"
    kept = [line["key"] for line in lines if not line.get("rejected_by")]
    assert [item.key for item in read_items(tmp_path / SHARDS)] == kept
    assert (curated.sources, curated.kept, curated.kept + curated.rejected) == (12, len(kept), len(lines))
    assert len(list((tmp_path / SHARDS).glob("*.tar"))) > 1


def test_nothing_is_done_twice(videos: Path, tmp_path: Path, wanted: dict[str, bytes]) -> None:
    assert curate([videos], job_in(tmp_path), Here(), SIZE_MB).done_now == 11
    engine = Here()
    assert curate([videos], job_in(tmp_path), engine, SIZE_MB).done_now == 0
    assert engine.seen == []
    assert result(tmp_path) == wanted


def test_other_settings_and_other_networks_do_not_mix(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, weights = tmp_path / "out", tmp_path / "weights"
    curate([videos], job_in(out), Here(), SIZE_MB)
    with pytest.raises(RecipeError, match="was begun with other settings or networks"):
        curate([videos], replace(job_in(out), settings=CurationSettings(clip_s=3.0)), Here(), SIZE_MB)
    weights.mkdir()
    (weights / "SHA256SUMS").write_text("another voice")
    monkeypatch.setattr(work_module, "WEIGHTS", weights)
    with pytest.raises(RecipeError, match="was begun with other settings or networks"):
        curate([videos], job_in(out), Here(), SIZE_MB)


def test_videos_that_are_added_later_are_all_that_is_done(tmp_path: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    made_up_video(videos / "a.mp4")
    curate([videos], job_in(out), Here(), SIZE_MB)
    made_up_video(videos / "b.mp4")
    engine = Here()
    curate([videos], job_in(out), engine, SIZE_MB)
    assert engine.seen == ["b.mp4"]
    at_once = tmp_path / "at once"
    curate([videos], job_in(at_once), Here(), SIZE_MB)
    assert result(out) == result(at_once)


def test_a_renamed_file_is_known_again_by_its_bytes(tmp_path: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    made_up_video(videos / "a.mp4")
    curate([videos], job_in(out), Here(), SIZE_MB)
    os.rename(videos / "a.mp4", videos / "z.mp4")
    engine = Here()
    curate([videos], job_in(out), engine, SIZE_MB)
    assert engine.seen == []
    assert {Path(item.source).name for item in read_items(out / SHARDS)} == {"z.mp4"}


class Killed(BaseException):
    """As if the power had gone."""


def test_killed_at_any_step_it_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after each thing that it does to its folder, one after the other, until there are no more."""
    videos = tmp_path / "videos"
    made_up_videos(videos, 4)
    monkeypatch.setattr(os, "fsync", lambda number: None)  # it is slow, and only the power's loss would tell
    curate([videos], job_in(tmp_path / "wanted"), Here(), SIZE_MB)
    wanted, steps, kill_at = result(tmp_path / "wanted"), 0, 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == kill_at:
            raise Killed

    def dangerous(call: Callable[..., Any]) -> Callable[..., Any]:
        def around(*arguments: Any, **named: Any) -> Any:
            step()
            made = call(*arguments, **named)
            step()
            return made

        return around

    monkeypatch.setattr(work_module, "through", dangerous(work_module.through))
    monkeypatch.setattr(work_module, "write_shard", dangerous(work_module.write_shard))
    monkeypatch.setattr(shards_module, "write_shard", dangerous(shards_module.write_shard))
    monkeypatch.setattr(journal_module.Journal, "_write", dangerous(journal_module.Journal._write))
    monkeypatch.setattr(shards_module.os, "replace", dangerous(os.replace))
    for kill_at in range(1, 1000):
        steps, out = 0, tmp_path / f"out{kill_at}"
        try:
            curate([videos], job_in(out), Here(), SIZE_MB)
        except Killed:
            steps = kill_at  # the rest of this round is not killed
            curate([videos], job_in(out), Here(), SIZE_MB)
            assert result(out) == wanted, f"killed at step {kill_at}"
            assert not list(out.rglob("*.part"))
        else:
            break
    assert kill_at > 40


def test_who_dies_every_time_is_turned_down_and_who_dies_twice_is_not(
    videos: Path, tmp_path: Path, wanted: dict[str, bytes]
) -> None:
    engine = Here({"video002.mp4": 2, "video006.mp4": 99})
    curate([videos], job_in(tmp_path), engine, SIZE_MB)
    assert (engine.seen.count("video002.mp4"), engine.seen.count("video006.mp4"), len(engine.seen)) == (3, 3, 15)
    lines = [json.loads(line) for line in (tmp_path / MANIFEST).read_text().splitlines()]
    dead = [line for line in lines if line.get("rejected_by") == "crashed"]
    assert [Path(line["source"]).name for line in dead] == ["video006.mp4"]
    assert dead[0]["reason"].startswith("its process died in each of 3 attempts: ")
    curate([videos], job_in(tmp_path), Here(), SIZE_MB, retry_crashed=True)
    assert result(tmp_path) == wanted


def test_a_dead_source_is_told_with_the_stage_that_it_died_in(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job.trail_path("abc").parent.mkdir(parents=True)
    job.trail_path("abc").write_text("cuts")
    outcome = crashed(Item("a.mp4", "abc"), job, 3)
    assert outcome.lines[0]["reason"].startswith("its process died in the stage 'cuts' in each of 3 attempts")


@pytest.mark.parametrize("damaged", ["part", "shard", "manifest", "journal"])
def test_what_is_damaged_is_told_and_done_anew(
    videos: Path, tmp_path: Path, wanted: dict[str, bytes], damaged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    curate([videos], job_in(tmp_path), Here(), SIZE_MB)
    paths = {
        "part": sorted((tmp_path / "parts").rglob("*.tar"))[0],
        "shard": tmp_path / SHARDS / "clips-000001.tar",
        "manifest": tmp_path / MANIFEST,
        "journal": tmp_path / JOURNAL,
    }
    data = bytearray(paths[damaged].read_bytes())
    data[len(data) // 2] ^= 1
    paths[damaged].write_bytes(data)
    if damaged == "part":  # which matters once shards are packed anew
        (tmp_path / SHARDS / "index.json").unlink()
    engine = Here()
    curate([videos], job_in(tmp_path), engine, SIZE_MB)
    assert result(tmp_path) == wanted
    words = {"part": "has the SHA-256", "shard": "has the SHA-256", "manifest": "", "journal": "journal are damaged"}
    assert words[damaged] in capsys.readouterr().out
    assert len(engine.seen) == (1 if damaged in ("part", "journal") else 0)


@pytest.mark.parametrize(("room", "done"), [(0, 2), (50_000, 6), (150_000, 11)])
def test_a_full_disk_is_one_sentence_and_keeps_what_is_finished(
    videos: Path, tmp_path: Path, wanted: dict[str, bytes], room: int, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full at once, amid the sources, and amid the packing."""
    write = shards_module._Hashed.write

    def limited(hashed: Any, data: bytes) -> int:
        nonlocal room
        room -= len(data)
        if room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(hashed, data)

    with monkeypatch.context() as patch:
        patch.setattr(shards_module._Hashed, "write", limited)
        with pytest.raises(RunError, match=r"cannot be written: No space left on device; make room and run the same"):
            curate([videos], job_in(tmp_path), Here(), SIZE_MB)
    with Journal(tmp_path, job_in(tmp_path).digest) as journal:
        assert len(journal.outcomes) == done
    engine = Here()
    curate([videos], job_in(tmp_path), engine, SIZE_MB)
    assert result(tmp_path) == wanted
    assert len(engine.seen) == 11 - done


def test_an_output_that_cannot_be_written_is_one_sentence(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "parts").write_text("in the way")
    with pytest.raises(RunError, match=f"{tmp_path} cannot be written: .*; make room and run the same command again"):
        curate([videos], job_in(tmp_path), Here(), SIZE_MB)


def test_a_folder_that_another_machine_does_not_share_is_told(videos: Path, tmp_path: Path) -> None:
    answer = curate_source(Item.of_file(videos / "video002.mp4"), job_in(tmp_path / "not here"))
    assert isinstance(answer, Failure)
    assert "must be a folder that all machines share" in answer.sentence


def _lacks_a_package(item: Item, settings: CurationSettings) -> Iterator[Item]:
    raise RecipeError("PySceneDetect is not installed; install it")


def test_what_is_no_files_fault_stops_the_run(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="PySceneDetect is not installed"):
        curate([videos], job_in(tmp_path, (Stage("cuts", _lacks_a_package),)), Here(), SIZE_MB)


def test_work_keeps_its_pieces_between_machines(videos: Path, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).touch()
    item = Item.of_file(videos / "video003.mp4")
    work = Work((item,))
    for stage in MADE_UP_STAGES:
        after = work_module.through(stage, Work.from_bytes(work.to_bytes()), job_in(tmp_path))
        assert isinstance(after, Work)
        work = after
    assert [piece.key for piece in work.pieces] == [
        f"{item.content}-{100 * n:08d}-{100 * (n + 1):08d}" for n in range(3)
    ]
    again = Work.from_bytes(work.to_bytes())
    assert again.processor_s == work.processor_s
    assert (again.pieces[0].arrays["jaw"] == work.pieces[0].arrays["jaw"]).all()


def deadly(folder: Path) -> Path:
    """Videos, one of which kills its process each time, and one once."""
    made_up_videos(folder, 4)
    made_up_video(folder / "crash.mp4", at="judge", does="crash")
    made_up_video(folder / "once.mp4", at="look", does="crash once")
    return folder


def with_engine(engine: Engine, videos: Path, out: Path) -> dict[str, bytes]:
    for mark in videos.glob("*.crashed"):
        mark.unlink()
    curate([videos], replace(job_in(out), limit_s=20.0), engine, SIZE_MB)
    return result(out)


def expected_of_deadly(videos: Path, out: Path) -> dict[str, bytes]:
    """The same without processes that could die."""
    for mark in videos.glob("*.crashed"):
        mark.unlink()
    (videos / "once.crashed").touch()
    engine = Here({"crash.mp4": 99})
    job = job_in(out)
    job.trail_path("").mkdir(parents=True)
    crashing = Item.of_file(videos / "crash.mp4").content
    job.trail_path(crashing).write_text("judge")
    curate([videos], job, engine, SIZE_MB)
    return result(out)


def test_a_file_that_kills_its_process_costs_itself_only(tmp_path: Path) -> None:
    videos = deadly(tmp_path / "videos")
    one = with_engine(ProcessEngine(2), videos, tmp_path / "processes")
    assert one == expected_of_deadly(videos, tmp_path / "expected")
    assert b"'judge' in each of 3 attempts" in one[MANIFEST]


def test_a_file_that_hangs_is_given_up(tmp_path: Path) -> None:
    hangs = made_up_video(tmp_path / "hangs.mp4", at="look", does="hang")
    (tmp_path / JOURNAL).touch()
    job = replace(job_in(tmp_path), limit_s=0.2)
    assert list(ProcessEngine().run([Item.of_file(hangs)], job)) == []
    assert job.trail_path(Item.of_file(hangs).content).read_text() == "look"


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (the extra `scale`)")
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_two_ray_workers_give_the_same_bytes_whoever_dies(tmp_path: Path) -> None:
    videos = deadly(tmp_path / "videos")
    engine = RayEngine(2)
    try:
        assert with_engine(engine, videos, tmp_path / "ray") == expected_of_deadly(videos, tmp_path / "expected")
    finally:
        engine.close()


def test_without_ray_one_sentence_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RecipeError, match=r"Ray Data is not installed .*pip install 'avatar-driver\[scale\]'"):
        RayEngine()
