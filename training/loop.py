"""One loop for every model: steps, averaging, validation, checkpoints, metrics; on one processor, one GPU or several.

A task brings a *student*: a module whose forward takes a batch and the step and returns named losses, so that it runs
under DistributedDataParallel as it is. What happened at a step depends on (seed, step, rank) alone; a resumed run goes
on as if it had not stopped.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from training.recipe import Optim, RecipeError

Batch = dict[str, Tensor]
Losses = dict[str, Tensor]


class Task(Protocol):
    """What the loop needs to know of a model.

    student    forward(batch, step) -> losses; `total` is what is minimised
    batches    item `step` is the batch of that step
    """

    student: nn.Module
    batches: Dataset[Batch]

    def validate(self, student: nn.Module) -> dict[str, float]:
        """Figures of the averaged weights; `score` is the one that must fall."""
        ...


@dataclass(frozen=True)
class Place:
    """Where this process computes: alone, or one of several that torchrun started."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0


def find_place() -> Place:
    """The device of this process; joins the others when torchrun started it (gloo, or nccl on GPUs)."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    has_gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if has_gpu else torch.device("cpu")
    if world > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if has_gpu else "gloo")
    return Place(device, rank, world)


def leave(place: Place) -> None:
    """Part from the other processes, all at once: one that ends while another still talks to it takes it along."""
    if place.world > 1 and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


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
        self.step = 0
        self._load()
        self.replica: nn.Module = self.student
        if place.world > 1:
            self.replica = DistributedDataParallel(self.student, find_unused_parameters=True)

    def run(self) -> dict[str, float]:
        """Train to the last step; the last validation's figures."""
        figures: dict[str, float] = {}
        loader = DataLoader(
            self.task.batches,
            batch_size=None,
            sampler=range(self.step * self.optim.accumulate, self.optim.steps * self.optim.accumulate),
            num_workers=self.optim.workers,
            prefetch_factor=4 if self.optim.workers else None,
        )
        with self._metrics() as writer, self._progress() as progress:
            bar = progress.add_task(self.folder.name, total=self.optim.steps, completed=self.step, loss="")
            batches = iter(loader)
            while self.step < self.optim.steps:
                began = time.perf_counter()
                losses = self._step(batches)
                self.step += 1
                progress.update(bar, completed=self.step, loss=f"loss {losses['total']:.4f}")
                if writer is not None and (self.step % 10 == 0 or self.step == self.optim.steps):
                    for name, value in losses.items():
                        writer.add_scalar(f"train/{name}", value, self.step)
                    writer.add_scalar("train/seconds_a_step", time.perf_counter() - began, self.step)
                is_last = self.step == self.optim.steps
                if self.place.is_first and (is_last or self.step % self.optim.validate_every == 0):
                    figures = self.task.validate(self.average.module.eval())
                    self._note(losses, figures)
                    if writer is not None:
                        for name, value in figures.items():
                            writer.add_scalar(f"val/{name}", value, self.step)
                if self.place.is_first and (is_last or self.step % self.optim.checkpoint_every == 0):
                    self._save()
        return figures

    def _step(self, batches: Iterator[Batch]) -> dict[str, float]:
        self.replica.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, self.optim)
        totals: dict[str, float] = {}
        for turn in range(self.optim.accumulate):
            batch = {name: tensor.to(self.place.device) for name, tensor in next(batches).items()}
            torch.manual_seed(_seed_of(self.optim.seed, self.step, self.place.rank, turn))
            is_last = turn == self.optim.accumulate - 1
            with self._synchronised(is_last), self._precision():
                losses = cast(Losses, self.replica(batch, self.step))
                (losses["total"] / self.optim.accumulate).backward()
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + float(value.detach()) / self.optim.accumulate
        nn.utils.clip_grad_norm_(self.student.parameters(), self.optim.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update_parameters(self.student)
        return totals

    def _synchronised(self, is_last: bool) -> AbstractContextManager[None]:
        """Gradients are exchanged once a step, with the last of its batches."""
        if isinstance(self.replica, DistributedDataParallel) and not is_last:
            return self.replica.no_sync()
        return nullcontext()

    def _precision(self) -> AbstractContextManager[Any]:
        wanted = self.optim.precision
        if wanted == "float32" or (wanted == "auto" and self.place.device.type == "cpu"):
            return nullcontext()
        return torch.autocast(self.place.device.type, torch.bfloat16)

    def _progress(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        return Progress(
            *columns,
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
            disable=not self.place.is_first or not os.isatty(2),
        )

    def _metrics(self) -> Any:
        """A TensorBoard writer in the run's folder, for the first process."""
        if not self.place.is_first:
            return nullcontext()
        from tensorboardX import SummaryWriter  # pyright: ignore[reportMissingTypeStubs]

        return SummaryWriter(str(self.folder), purge_step=self.step, flush_secs=10)

    def _note(self, losses: dict[str, float], figures: dict[str, float]) -> None:
        """One line a validation in `figures.jsonl`, and the same on the screen."""
        line = {"step": self.step, **{name: round(value, 5) for name, value in (losses | figures).items()}}
        with (self.folder / "figures.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(" ".join(f"{name}={value:g}" for name, value in line.items()), flush=True)

    def _save(self) -> None:
        tensors = {f"student/{name}": value for name, value in self.student.state_dict().items()}
        tensors |= {f"average/{name}": value for name, value in self.average.state_dict().items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{name}": value for name, value in values.items()}
        half = self.folder / "last.safetensors.part"
        # A copy each: safetensors refuses tensors that share their memory.
        save_file(
            {name: value.detach().clone().contiguous() for name, value in tensors.items()},
            half,
            metadata={"step": str(self.step)},
        )
        os.replace(half, self.folder / "last.safetensors")

    def _load(self) -> None:
        path = self.folder / "last.safetensors"
        if not path.exists():
            return
        tensors = load_file(path, device=str(self.place.device))
        self._check_frozen(path, part_of(tensors, "student"))
        self.student.load_state_dict(part_of(tensors, "student"))
        self.average.load_state_dict(part_of(tensors, "average"))
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in part_of(tensors, "optimizer").items():
            number, _, key = name.partition("/")
            # The optimiser counts its steps on the processor.
            state.setdefault(int(number), {})[key] = value.cpu() if key == "step" else value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step = int(next(iter(state.values()))["step"]) if state else 0

    def _check_frozen(self, path: Path, saved: dict[str, Tensor]) -> None:
        """RecipeError when the run was learnt on top of other frozen weights than those it is to go on with."""
        for name, parameter in self.student.named_parameters():
            if not parameter.requires_grad and name in saved and not torch.equal(parameter, saved[name]):
                raise RecipeError(
                    f"{path} was learnt on top of another {name.partition('.')[0]} than it is given now; "
                    "take the run that it began with, or begin anew in another folder"
                )


def averaged_weights(folder: Path) -> dict[str, Tensor]:
    """The averaged weights of a run's checkpoint, under the student's own names."""
    path = folder / "last.safetensors"
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; train it first")
    return part_of(part_of(load_file(path), "average"), "module")


def part_of(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """Those whose names begin with `part/` or `part.`, without it."""
    cut = len(part) + 1
    return {name[cut:]: value for name, value in tensors.items() if name[:cut] in (f"{part}/", f"{part}.")}


def rate_at(step: int, optim: Optim) -> float:
    """Learning rate: a straight rise over `warm_up` steps, then half a cosine down to `last_rate`."""
    if step < optim.warm_up:
        return optim.peak_rate * (step + 1) / optim.warm_up
    share = (step - optim.warm_up) / max(1, optim.steps - optim.warm_up)
    return optim.last_rate + 0.5 * (optim.peak_rate - optim.last_rate) * (
        1.0 + float(torch.cos(torch.tensor(share * torch.pi)))
    )


def _seed_of(seed: int, step: int, rank: int, turn: int) -> int:
    return ((seed * 1_000_003 + step) * 1_003 + rank) * 101 + turn
