"""What a run keeps in its folder: its last checkpoint, and a line of figures for every validation.

A checkpoint is written beside the last one and takes its place when it is whole and on the disk: a run that is killed,
or whose disk is full, goes on from the one before.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.recipe import RecipeError

CHECKPOINT = "last.safetensors"
_FIGURES = "figures.jsonl"


class RunError(RuntimeError):
    """A run that cannot go on; says why, what is left of it, and what to do."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """RunError when what is written to a run's folder meanwhile finds no room; it says which checkpoint there is."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        path = folder / CHECKPOINT
        kept = f"its checkpoint of step {saved_step(path)} is whole" if path.exists() else "it has no checkpoint yet"
        raise RunError(
            f"the run {folder} cannot be written to ({error}); {kept}: make room and start the same command again"
        ) from error


def save_checkpoint(folder: Path, tensors: dict[str, Tensor], step: int) -> None:
    """Replace the run's checkpoint. RunError when there is no room for it; the last one then stays."""
    half = folder / f"{CHECKPOINT}.part"
    # A copy each: safetensors refuses tensors that share their memory.
    copies = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
    with writing(folder):
        try:
            save_file(copies, half, metadata={"step": str(step)})
            with half.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(half, folder / CHECKPOINT)
        finally:
            half.unlink(missing_ok=True)


def load_checkpoint(folder: Path, device: torch.device) -> tuple[dict[str, Tensor], int] | None:
    """The run's tensors and the step that they are from; None when it has not begun. RecipeError for a broken file."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        return load_file(path, device=str(device)), saved_step(path)
    except SafetensorError as error:
        raise RecipeError(f"{path} is no checkpoint ({error}); begin anew in another folder") from error


def saved_step(path: Path) -> int:
    """The step that a checkpoint is from."""
    with safe_open(path, "pt") as file:
        return int((file.metadata() or {})["step"])


def note_figures(folder: Path, line: dict[str, float]) -> None:
    """Add a line, which has its `step`, to the run's figures."""
    with writing(folder), (folder / _FIGURES).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def forget_figures_after(folder: Path, step: int) -> None:
    """Leave out the lines of steps that a resumed run will take again."""
    path = folder / _FIGURES
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if _step_of(line) <= step]
    if len(kept) < len(lines):
        half = path.with_suffix(".part")
        half.write_text("".join(kept), encoding="utf-8")
        os.replace(half, path)


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except ValueError:  # cut off in the middle
        return math.inf
