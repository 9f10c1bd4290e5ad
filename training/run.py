"""python -m training.run RECIPE [section.key=value ...] [--folder RUN] [--export PATH] [--smoke]

Rebuilds a model from its recipe. A run goes on where it stopped; torchrun starts it on several GPUs or processors:

    torchrun --nproc-per-node 2 -m training.run talk
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from training.loop import Trainer, find_place, leave
from training.recipe import RecipeError, read_table, recipe_path
from training.smoke import smoke_table


def main(arguments: list[str] | None = None) -> int:
    """Train, validate, export. Returns the exit code: 2 for a recipe that cannot be used."""
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
        if chosen.smoke:
            with tempfile.TemporaryDirectory() as folder:
                table = smoke_table(chosen.recipe, chosen.settings, Path(folder))
                train(table, chosen.folder or Path(folder) / "run", chosen.export)
        else:
            table = read_table(recipe_path(chosen.recipe), chosen.settings)
            train(table, chosen.folder or Path("runs") / table["name"], chosen.export)
    except RecipeError as error:
        print(f"training.run: {error}", file=sys.stderr)
        return 2
    return 0


def train(table: dict[str, Any], folder: Path, export: Path | None = None) -> Path | None:
    """Train what `table` says in `folder` and export it; the exported file (None in processes but the first)."""
    place = find_place()
    try:
        task_of = importlib.import_module(f"training.tasks.{table.get('task')}")
    except ModuleNotFoundError as error:
        raise RecipeError(f"the recipe's task {table.get('task')!r} is no module of training.tasks") from error
    task = task_of.prepare(table, place)
    folder.mkdir(parents=True, exist_ok=True)
    if place.is_first and hasattr(task.student, "style_names"):
        (folder / "styles.txt").write_text("\n".join(task.student.style_names), encoding="utf-8")
    Trainer(task, task.recipe.optim, folder, place).run()
    leave(place)
    return task.finish(folder, export) if place.is_first else None


if __name__ == "__main__":
    sys.exit(main())
