"""The training loop: it learns, it goes on exactly where it stopped, two processes learn what one does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.lines import HERE, OPTIM, LineTask, Student
from torch import Tensor, nn

from training.loop import Trainer, averaged_weights, rate_at
from training.recipe import RecipeError


def weights_of(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "last.safetensors")


def test_it_learns_and_notes_its_figures(tmp_path: Path) -> None:
    figures = Trainer(LineTask(), replace(OPTIM, steps=200), tmp_path, HERE).run()
    assert figures["score"] < 0.05
    lines = [json.loads(line) for line in (tmp_path / "figures.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(10, 201, 10))
    assert any(path.name.startswith("events.out.tfevents") for path in tmp_path.iterdir())
    assert abs(float(averaged_weights(tmp_path)["line.weight"].detach()) - 3.0) < 0.05


def test_averaged_weights_have_averaged_statistics(tmp_path: Path) -> None:
    """A network that changes quickly makes nothing of other weights' statistics."""

    class Normed(Student):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(1)

        def forward(self, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
            return {"total": (self.norm(self.line(batch["x"])) - batch["y"]).square().mean()}

    task = LineTask()
    task.student = Normed()
    trainer = Trainer(task, replace(OPTIM, steps=12, ema=0.9), tmp_path, HERE)
    seen: list[float] = []
    trainer.student.register_forward_hook(lambda *_: seen.append(float(task.student.norm.running_var)))
    trainer.run()
    expected = seen[0]
    for value in seen[1:]:
        expected = 0.9 * expected + 0.1 * value
    assert float(averaged_weights(tmp_path)["norm.running_var"]) == pytest.approx(expected, rel=1e-4)
    assert seen[-1] != pytest.approx(expected, rel=0.05)


def test_a_run_does_not_go_on_upon_other_frozen_weights(tmp_path: Path) -> None:
    """The laugh branch is learnt on top of one talk branch, and taken for another's it would be wrong."""

    def upon(bias: float) -> LineTask:
        task = LineTask()
        task.student.line.bias.requires_grad_(False).fill_(bias)
        return task

    Trainer(upon(0.5), OPTIM, tmp_path, HERE).run()
    Trainer(upon(0.5), replace(OPTIM, steps=22), tmp_path, HERE).run()
    with pytest.raises(RecipeError, match="on top of another line"):
        Trainer(upon(0.25), OPTIM, tmp_path, HERE)


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    Trainer(LineTask(), OPTIM, tmp_path / "whole", HERE).run()

    class Stopped(Exception):
        pass

    class StopsAtFifteen(LineTask):
        def __init__(self) -> None:
            super().__init__()
            forward = self.student.forward

            def stopping(batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
                if step == 15:
                    raise Stopped
                return forward(batch, step)

            self.student.forward = stopping  # type: ignore[method-assign]

    with pytest.raises(Stopped):
        Trainer(StopsAtFifteen(), OPTIM, tmp_path / "halves", HERE).run()
    second = Trainer(LineTask(), OPTIM, tmp_path / "halves", HERE)
    assert second.step == 14  # the last checkpoint
    second.run()
    whole, halves = weights_of(tmp_path / "whole"), weights_of(tmp_path / "halves")
    assert whole.keys() == halves.keys()
    assert all(torch.equal(whole[name], halves[name]) for name in whole)


def test_gradients_accumulate_to_those_of_a_larger_batch(tmp_path: Path) -> None:
    Trainer(LineTask(2), replace(OPTIM, accumulate=2), tmp_path / "halves", HERE).run()
    Trainer(LineTask(), OPTIM, tmp_path / "whole", HERE).run()
    whole, halves = averaged_weights(tmp_path / "whole"), averaged_weights(tmp_path / "halves")
    assert torch.allclose(whole["line.weight"], halves["line.weight"], atol=1e-5)


def test_the_rate_rises_and_falls() -> None:
    rates = [rate_at(step, OPTIM) for step in range(21)]
    assert rates[:3] == pytest.approx([OPTIM.peak_rate / 3, OPTIM.peak_rate * 2 / 3, OPTIM.peak_rate])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[20] == pytest.approx(OPTIM.last_rate)


def test_a_run_that_never_was_has_no_weights(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train it first"):
        averaged_weights(tmp_path)
