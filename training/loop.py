"""One loop for every model: steps, averaging, validation, checkpoints, metrics; on one processor, one GPU or several.

A task brings a *student*: a module whose forward takes a batch and the step and returns named losses, so that it runs
under DistributedDataParallel as it is. A step learns from some batches, and every batch and what is drawn at random
while learning from it depend on (seed, number of the batch) alone. So it makes no difference which process took which:
two learn what one does, and a resumed run goes on as if it had not stopped, be it with fewer processes or more.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from training.metrics import Metrics
from training.processes import BatchStatistics, Place, mean_of_all, told_by_first
from training.recipe import Optim, RecipeError
from training.run_files import (
    CHECKPOINT,
    RunError,
    forget_figures_after,
    load_checkpoint,
    note_figures,
    save_checkpoint,
)

Batch = dict[str, Tensor]
Losses = dict[str, Tensor]

# How often losses are noted: they have to be asked of all processes, and fetched from the GPU.
_NOTED_EVERY = 10


class Task(Protocol):
    """What the loop needs to know of a model.

    student    forward(batch, step) -> losses; `total` is what is minimised
    batches    item `number` is the batch of that number, the same in every process
    """

    student: nn.Module
    batches: Dataset[Batch]

    def validate(self, student: nn.Module) -> dict[str, float]:
        """Figures of the averaged weights; `score` is the one that must fall."""
        ...


class Trainer:
    """Runs a task in `folder`: `run()` to the end; a folder with a checkpoint is gone on with."""

    def __init__(self, task: Task, optim: Optim, folder: Path, place: Place) -> None:
        self.task, self.optim, self.folder, self.place = task, optim, folder, place
        folder.mkdir(parents=True, exist_ok=True)
        self.student = task.student.to(place.device)
        learnt = [parameter for parameter in self.student.parameters() if parameter.requires_grad]
        decayed = [parameter for parameter in learnt if parameter.ndim > 1]
        plain = [parameter for parameter in learnt if parameter.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": optim.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=optim.peak_rate, betas=(0.9, 0.98))
        # With the statistics of BatchNorm: averaged weights under those of the newest ones say nothing that was learnt.
        self.average = AveragedModel(self.student, multi_avg_fn=get_ema_multi_avg_fn(optim.ema), use_buffers=True)
        # Of a step's batches, how many this process takes: all processes as many.
        self.turns = math.ceil(optim.accumulate / place.world)
        if place.is_first and self.turns * place.world > optim.accumulate:
            print(f"a step is {self.turns * place.world} batches, not {optim.accumulate}: one or more for each process")
        self.statistics = BatchStatistics(self.student, place, self.turns)
        self.step = 0
        self._load()
        self.replica: nn.Module = self.student
        if place.world > 1:
            self.replica = together = DistributedDataParallel(self.student, find_unused_parameters=True)
            # They are the same everywhere already (see BatchStatistics), and need not be sent at every step.
            together.broadcast_buffers = False

    def run(self) -> dict[str, float]:
        """Train to the last step; the last validation's figures. RunError when it cannot go on."""
        figures: dict[str, float] = {}
        with self._metrics() as metrics, self._progress() as progress:
            bar = progress.add_task(self.folder.name, total=self.optim.steps, completed=self.step, loss="")
            batches, noted, began = iter(self._loader()), self.step, time.perf_counter()
            while self.step < self.optim.steps:
                losses = self._step(batches)
                self.step += 1
                progress.update(bar, completed=self.step)
                is_last = self.step == self.optim.steps
                is_judged = is_last or self.step % self.optim.validate_every == 0
                is_saved = is_last or self.step % self.optim.checkpoint_every == 0
                if not (is_judged or is_saved or self.step % _NOTED_EVERY == 0):
                    continue
                told = self._told(losses)
                seconds = (time.perf_counter() - began) / (self.step - noted)
                if metrics is not None:  # in the first process
                    progress.update(bar, loss=f"loss {told['total']:.4f}")
                    train = {f"train/{name}": value for name, value in told.items()}
                    metrics.add({**train, "train/seconds_a_step": seconds}, self.step)
                    if is_judged:
                        figures = self.task.validate(self.average.module.eval())
                        self._note(told | figures)
                        metrics.add({f"val/{name}": value for name, value in figures.items()}, self.step)
                    if is_saved:
                        self._save()
                noted, began = self.step, time.perf_counter()
        return figures

    def _loader(self) -> DataLoader[Batch]:
        """This process's share of the batches that are left."""
        return DataLoader(
            self.task.batches,
            batch_size=None,
            sampler=share_of(self.place, self.turns, range(self.step, self.optim.steps)),
            num_workers=self.optim.workers,
            prefetch_factor=4 if self.optim.workers else None,
            pin_memory=self.place.device.type == "cuda",
        )

    def _step(self, batches: Iterator[Batch]) -> Losses:
        """One step of the optimiser; the losses, averaged over this process's batches."""
        self.replica.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, self.optim)
        means: Losses = {}
        self.statistics.begin()
        for turn, number in enumerate(share_of(self.place, self.turns, range(self.step, self.step + 1))):
            batch = {name: tensor.to(self.place.device, non_blocking=True) for name, tensor in next(batches).items()}
            torch.manual_seed(self.optim.seed * 1_000_003 + number)
            with self._synchronised(turn == self.turns - 1), self._precision():
                losses = cast(Losses, self.replica(batch, self.step))
                (losses["total"] / self.turns).backward()
            self.statistics.took()
            for name, value in losses.items():
                part = value.detach() / self.turns
                means[name] = means[name] + part if name in means else part
        self.statistics.end()
        nn.utils.clip_grad_norm_(self.student.parameters(), self.optim.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update_parameters(self.student)
        return means

    def _told(self, losses: Losses) -> dict[str, float]:
        """The losses, averaged over all processes' batches. RunError when they are no numbers any more."""
        values = mean_of_all(self.place, torch.stack([value.double() for value in losses.values()])).tolist()
        told = dict(zip(losses, values, strict=True))
        if not math.isfinite(told["total"]):
            raise RunError(
                f"the loss of step {self.step} is {told['total']}: the run diverged, and its last checkpoint is from "
                "before; lower optim.peak_rate or optim.clip and start it again"
            )
        return told

    def _synchronised(self, is_last: bool) -> AbstractContextManager[None]:
        """Gradients are exchanged once a step, with the last of its batches."""
        if isinstance(self.replica, DistributedDataParallel) and not is_last:
            return self.replica.no_sync()
        return nullcontext()

    def _precision(self) -> AbstractContextManager[Any]:
        kind, wanted = self.place.device.type, self.optim.precision
        is_half = kind == "cuda" and torch.cuda.is_bf16_supported() if wanted == "auto" else wanted == "bfloat16"
        return torch.autocast(kind, torch.bfloat16) if is_half else nullcontext()

    def _progress(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        return Progress(
            *columns,
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
            disable=not self.place.is_first or not os.isatty(2),
        )

    def _metrics(self) -> AbstractContextManager[Metrics | None]:
        """The run's metrics, for the first process."""
        return Metrics(self.folder, self.step) if self.place.is_first else nullcontext()

    def _note(self, figures: dict[str, float]) -> None:
        """One line a validation in `figures.jsonl`, and the same on the screen."""
        line = {"step": self.step, **{name: round(value, 5) for name, value in figures.items()}}
        note_figures(self.folder, line)
        print(" ".join(f"{name}={value:g}" for name, value in line.items()), flush=True)

    def _save(self) -> None:
        tensors = {f"student/{name}": value for name, value in self.student.state_dict().items()}
        tensors |= {f"average/{name}": value for name, value in self.average.state_dict().items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{name}": value for name, value in values.items()}
        save_checkpoint(self.folder, tensors, self.step)

    def _load(self) -> None:
        saved = load_checkpoint(self.folder, self.place.device)
        if saved is not None:
            tensors, self.step = saved
            self._check_frozen(part_of(tensors, "student"))
            self.student.load_state_dict(part_of(tensors, "student"))
            self.average.load_state_dict(part_of(tensors, "average"))
            state: dict[int, dict[str, Tensor]] = {}
            for name, value in part_of(tensors, "optimizer").items():
                number, _, key = name.partition("/")
                # The optimiser counts its steps on the processor.
                state.setdefault(int(number), {})[key] = value.cpu() if key == "step" else value
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        first_step = told_by_first(self.place, lambda: self.step)
        if self.step != first_step:
            raise RecipeError(
                f"process {self.place.rank} finds step {self.step} in {self.folder} where the first one finds "
                f"{first_step}: all processes must see the same folder; put --folder on a disk that all machines share"
            )
        if self.place.is_first:
            forget_figures_after(self.folder, self.step)

    def _check_frozen(self, saved: dict[str, Tensor]) -> None:
        """RecipeError when the run was learnt on top of other frozen weights than those it is to go on with."""
        for name, parameter in self.student.named_parameters():
            if not parameter.requires_grad and name in saved and not torch.equal(parameter, saved[name]):
                raise RecipeError(
                    f"{self.folder} was learnt on top of another {name.partition('.')[0]} than it is given now; "
                    "take the run that it began with, or begin anew in another folder"
                )


def averaged_weights(folder: Path) -> dict[str, Tensor]:
    """The averaged weights of a run's checkpoint, under the student's own names."""
    path = folder / CHECKPOINT
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; train it first")
    return part_of(part_of(load_file(path), "average"), "module")


def part_of(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """Those whose names begin with `part/` or `part.`, without it."""
    cut = len(part) + 1
    return {name[cut:]: value for name, value in tensors.items() if name[:cut] in (f"{part}/", f"{part}.")}


def share_of(place: Place, turns: int, steps: range) -> range:
    """The numbers of the batches that a process takes in `steps`, `turns` a step: every `world`-th."""
    a_step = turns * place.world
    return range(steps.start * a_step + place.rank, steps.stop * a_step, place.world)


def rate_at(step: int, optim: Optim) -> float:
    """Learning rate: a straight rise over `warm_up` steps, then half a cosine down to `last_rate`."""
    if step < optim.warm_up:
        return optim.peak_rate * (step + 1) / optim.warm_up
    share = (step - optim.warm_up) / max(1, optim.steps - optim.warm_up)
    return optim.last_rate + 0.5 * (optim.peak_rate - optim.last_rate) * (
        1.0 + float(torch.cos(torch.tensor(share * torch.pi)))
    )
