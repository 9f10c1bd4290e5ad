"""python -m training.run RECIPE [section.key=value ...] [--folder RUN] [--export PATH] [--smoke]

Rebuilds a model from its recipe. A run goes on where it stopped; torchrun starts it on several GPUs or processors
(docs/training.md), which share the `optim.accumulate` batches of a step:

    torchrun --standalone --nproc-per-node 2 -m training.run talk optim.accumulate=2 optim.batch=12
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from training.loop import Trainer
from training.processes import Place, find_place, leave, told_by_first, wait
from training.recipe import RecipeError, read_table, recipe_path
from training.run_files import RunError
from training.smoke import smoke_table


def main(arguments: list[str] | None = None) -> int:
    """Train, validate, export. Returns the exit code: 2 for a recipe that cannot be used, 1 for a run cut short."""
    parser = argparse.ArgumentParser(prog="python -m training.run", description="Rebuild a model from its recipe.")
    parser.add_argument("recipe", help="a name of training/recipes, or the path of a .toml file")
    parser.add_argument("settings", nargs="*", help="section.key=value over the recipe's")
    parser.add_argument("--folder", type=Path, help="of the run; default runs/NAME")
    parser.add_argument("--export", type=Path, help="where the model goes; default in the run's folder")
    parser.add_argument("--smoke", action="store_true", help="a tiny run on made-up data, in under a minute")
    parser.add_argument("--threads", type=int, default=0, help="of torch; default all")
    chosen = parser.parse_intermixed_args(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    try:
        place = find_place()
        if chosen.smoke:
            with tempfile.TemporaryDirectory() as made:
                table = told_by_first(place, lambda: smoke_table(chosen.recipe, chosen.settings, Path(made)))
                train(table, place, chosen.folder or Path(table["data"]["folder"]) / "run", chosen.export)
        else:
            table = read_table(recipe_path(chosen.recipe), chosen.settings)
            train(table, place, chosen.folder or Path("runs") / table["name"], chosen.export)
        leave(place)
    except (RecipeError, RunError) as error:
        print(f"training.run: {error}", file=sys.stderr)
        return 2 if isinstance(error, RecipeError) else 1
    return 0


def train(table: dict[str, Any], place: Place, folder: Path, export: Path | None = None) -> Path | None:
    """Train what `table` says in `folder` and export it; the exported file (None in processes but the first)."""
    try:
        task_of = importlib.import_module(f"training.tasks.{table.get('task')}")
    except ModuleNotFoundError as error:
        raise RecipeError(f"the recipe's task {table.get('task')!r} is no module of training.tasks") from error
    if export is not None:
        export.parent.mkdir(parents=True, exist_ok=True)
    # The same task in every process: the loop deals out its batches.
    task = task_of.prepare(table, place.alone())
    folder.mkdir(parents=True, exist_ok=True)
    if place.is_first and hasattr(task.student, "style_names"):
        (folder / "styles.txt").write_text("\n".join(task.student.style_names), encoding="utf-8")
    Trainer(task, task.recipe.optim, folder, place).run()
    path = task.finish(folder, export) if place.is_first else None
    wait(place)
    return path


if __name__ == "__main__":
    sys.exit(main())
