"""What a run keeps: a full disk, a cut line, another folder, a diverged loss lose nothing that was finished."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.lines import HERE, OPTIM, LineTask
from torch import Tensor

from training.loop import Trainer
from training.metrics import Metrics
from training.recipe import RecipeError
from training.run import main
from training.run_files import (
    CHECKPOINT,
    RunError,
    forget_figures_after,
    load_checkpoint,
    note_figures,
    save_checkpoint,
)


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """As if the disk ended there: no file may grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def step_of(folder: Path) -> int:
    saved = load_checkpoint(folder, HERE.device)
    assert saved is not None
    return saved[1]


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"a": torch.zeros(10)}, 5)
    with longest_file(20_000), pytest.raises(RunError, match=r"cannot be written .*checkpoint of step 5 is whole"):
        save_checkpoint(tmp_path, {"a": torch.zeros(10_000)}, 10)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    assert step_of(tmp_path) == 5
    new = tmp_path / "new"
    new.mkdir()
    with longest_file(10), pytest.raises(RunError, match="has no checkpoint yet"):
        note_figures(new, {"step": 1.0, "score": 0.123456})


def test_a_full_disk_does_not_hold_up_a_run_that_tells_its_metrics(tmp_path: Path) -> None:
    with Metrics(tmp_path, 0) as metrics:
        metrics.add({"score": 1.0}, 1)
        with longest_file(200), pytest.raises(RunError, match="make room"):
            metrics.add({f"score{number}": 1.0 for number in range(100)}, 2)


def test_a_resumed_run_takes_back_the_figures_of_steps_it_takes_again(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        note_figures(tmp_path, {"step": step})
    path = tmp_path / "figures.jsonl"
    path.write_text(path.read_text() + '{"step": 4')
    forget_figures_after(tmp_path, 20)
    assert path.read_text() == '{"step": 10}\n{"step": 20}\n'


def test_a_file_that_is_no_checkpoint_is_told(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"not a checkpoint")
    with pytest.raises(RecipeError, match="is no checkpoint"):
        Trainer(LineTask(), OPTIM, tmp_path, HERE)


def test_all_processes_must_see_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Trainer(LineTask(), OPTIM, tmp_path, HERE).run()
    monkeypatch.setattr("training.loop.told_by_first", lambda place, make: 0)
    with pytest.raises(RecipeError, match=r"finds step 20 .* where the first one finds 0"):
        Trainer(LineTask(), OPTIM, tmp_path, HERE)


def test_a_run_cut_short_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def cut_short(*_: object) -> None:
        raise RunError("there is no room")

    monkeypatch.setattr("training.run.train", cut_short)
    assert main(["talk"]) == 1
    assert capsys.readouterr().err == "training.run: there is no room\n"


def test_a_diverged_run_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    class Diverging(LineTask):
        def __init__(self) -> None:
            super().__init__()
            forward = self.student.forward

            def diverging(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
                losses = forward(batch, step)
                return {"total": losses["total"] * torch.inf} if step > 8 else losses

            self.student.forward = diverging  # type: ignore[method-assign]

    with pytest.raises(RunError, match="diverged"):
        Trainer(Diverging(), replace(OPTIM, validate_every=7), tmp_path, HERE).run()
    assert step_of(tmp_path) == 7
    saved, _ = load_checkpoint(tmp_path, HERE.device) or ({}, 0)
    assert all(torch.isfinite(value).all() for value in saved.values())
