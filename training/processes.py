"""The processes that learn one model together: each on its GPU or processor, started by torchrun, on one machine or
several.

Alone, everything here does nothing. Together, every process must come to each of these calls, in the same order.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from training.recipe import RecipeError

# The others wait while the first validates and exports. (One that dies is noticed by torchrun, at once.)
_PATIENCE = timedelta(hours=1)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Where this process computes: alone, or one of several that torchrun started."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def alone(self) -> Place:
        """The same device, and nobody else."""
        return Place(self.device)


def find_place() -> Place:
    """The device of this process; joins the others when torchrun started it (gloo, or nccl on GPUs).

    RecipeError when there are more processes than GPUs, or the others cannot be joined.
    """
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    has_gpu = torch.cuda.is_available()
    device = _gpu(int(os.environ.get("LOCAL_RANK", "0"))) if has_gpu else torch.device("cpu")
    if world > 1 and not distributed.is_initialized():
        # Its functions have the group that is there at their import for a default, and DistributedDataParallel imports
        # them: the group would outlive `leave`, and its threads the interpreter, which then aborts now and then.
        importlib.import_module("torch.distributed.nn.functional")
        try:
            distributed.init_process_group("nccl" if has_gpu else "gloo", timeout=_PATIENCE)
        except (RuntimeError, ValueError) as error:
            where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
            raise RecipeError(
                f"process {rank} of {world} cannot join the others at {where} ({_first_line(error)}); start them with "
                "torchrun --standalone on one machine, or give --rdzv-endpoint another port, and for restarts set "
                "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"
            ) from error
    return Place(device, rank, world)


def _gpu(number: int) -> torch.device:
    count = torch.cuda.device_count()
    if number >= count:
        raise RecipeError(
            f"process {number} of this machine has no GPU, there are {count}: start torchrun with --nproc-per-node "
            f'{count}, or with CUDA_VISIBLE_DEVICES="" to learn on processors'
        )
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


def wait(place: Place) -> None:
    """Until all processes have come here: so that none reads what another still writes."""
    if place.world > 1:
        distributed.barrier()


def leave(place: Place) -> None:
    """Part from the other processes, all at once: one that ends while another still talks to it takes it along."""
    if place.world > 1 and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def mean_of_all(place: Place, values: Tensor) -> Tensor:
    """The mean of all processes' `values`, on each of them."""
    if place.world > 1:
        distributed.all_reduce(values)
        values = values / place.world
    return values


def told_by_first(place: Place, make: Callable[[], T]) -> T:
    """What the first process makes; all get it, nobody else makes anything."""
    told = [make() if place.is_first else None]
    if place.world > 1:
        distributed.broadcast_object_list(told, src=0, device=place.device)
    return cast(T, told[0])


class BatchStatistics:
    """What batch normalisation remembers, as it is after a step of several batches: the mean of what each of them would
    have left, whoever took it. In what order one process took them, or that several did at once, makes no difference.

    Each batch is still normalised by itself, so `optim.batch` says over how many rows, on however many GPUs.
    """

    def __init__(self, module: nn.Module, place: Place, turns: int) -> None:
        self._place, self._turns = place, turns
        norms = [part for part in module.modules() if isinstance(part, _NORMS)]
        self._buffers = [buffer for norm in norms for buffer in norm.buffers(recurse=False)]
        self._is_needed = bool(self._buffers) and turns * place.world > 1
        self._before = self._change = torch.zeros(0)

    def begin(self) -> None:
        """Before a step's first batch."""
        if self._is_needed:
            self._before = self._read()
            self._change = torch.zeros_like(self._before)

    def took(self) -> None:
        """After each of this process's batches."""
        if self._is_needed:
            self._change += self._read() - self._before
            self._write(self._before)

    def end(self) -> None:
        """After its last one; all processes meet here."""
        if self._is_needed:
            # What did not change stays exactly as it is: frozen layers do.
            self._write(self._before + mean_of_all(self._place, self._change / self._turns))

    def _read(self) -> Tensor:
        return torch.cat([buffer.reshape(-1).double() for buffer in self._buffers])

    def _write(self, values: Tensor) -> None:
        for buffer, part in zip(self._buffers, values.split([buffer.numel() for buffer in self._buffers]), strict=True):
            buffer.copy_(part.reshape(buffer.shape))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
