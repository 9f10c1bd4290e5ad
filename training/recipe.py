"""Recipes: one TOML file a model, read into frozen dataclasses. Unknown keys and wrong types are refused.

    python -m training.run talk optim.steps=2000 optim.batch=16

A recipe's `task` names the module under `training.tasks` that knows what to do with it.
"""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

RECIPES = Path(__file__).with_name("recipes")
PRECISIONS = ("auto", "bfloat16", "float32")


class RecipeError(ValueError):
    """A recipe, or a setting of one, that cannot be used; says which and what would do."""


@dataclass(frozen=True)
class Optim:
    """How a model is learnt, whatever it is.

    steps, batch     optimiser steps, and excerpts (pictures, ...) in a batch
    accumulate       batches that a step learns from, in all processes together: each takes its share, at least one
    peak_rate        learning rate after `warm_up` steps; it then falls to `last_rate` along a cosine
    clip             largest norm of the gradient
    ema              decay of the averaged weights, which are what is validated and exported
    precision        "float32", "bfloat16", or "auto": bfloat16 on a GPU that has it and float32 elsewhere
    workers          processes that prepare batches, for each that learns
    validate_every, checkpoint_every   steps
    """

    steps: int = 4000
    batch: int = 32
    accumulate: int = 1
    peak_rate: float = 2e-3
    last_rate: float = 2e-5
    warm_up: int = 200
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.998
    precision: str = "auto"
    seed: int = 1
    workers: int = 1
    validate_every: int = 500
    checkpoint_every: int = 250

    def __post_init__(self) -> None:
        for name in ("batch", "accumulate", "validate_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise RecipeError(f"optim.{name} is {getattr(self, name)}; it must be 1 or more")
        if self.precision not in PRECISIONS:
            raise RecipeError(f"optim.precision is {self.precision!r}; it must be one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class Recipe:
    """The part that every recipe has; a task adds its own sections in a subclass.

    name     of the model and of its folder under `runs`
    task     module of training.tasks
    """

    name: str
    task: str
    optim: Optim = field(default_factory=Optim)


R = TypeVar("R")


def recipe_path(name: str) -> Path:
    """The file of a recipe: a name of training/recipes or a path."""
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in RECIPES.glob("*.toml")))
        raise RecipeError(f"there is no recipe {name!r}; take one of {known}, or the path of a .toml file")
    return path


def read_table(path: Path, overrides: list[str]) -> dict[str, Any]:
    """The TOML table at `path` with `section.key=value` overrides, whose values are TOML too (or plain words)."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    for override in overrides:
        dotted, sign, text = override.partition("=")
        if not sign:
            raise RecipeError(f"{override!r} is no setting; write section.key=value")
        section = table
        *above, key = dotted.split(".")
        for name in above:
            section = section.setdefault(name, {})
        section[key] = _value(text)
    return table


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def build(kind: type[R], table: dict[str, Any], where: str = "") -> R:
    """A dataclass of `kind` from a table, section by section. RecipeError for unknown keys and wrong types."""
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in hints:
            raise RecipeError(f"{where}{key} is no setting; known are {', '.join(hints)}")
        hint = hints[key]
        if dataclasses.is_dataclass(hint):
            values[key] = build(cast(Any, hint), value, f"{where}{key}.")
        elif hint is float and type(value) in (int, float):
            values[key] = float(value)
        elif type(value) is getattr(hint, "__origin__", hint):
            values[key] = value
        else:
            raise RecipeError(f"{where}{key} is {value!r}; it must be {getattr(hint, '__name__', hint)}")
    try:
        return kind(**values)
    except TypeError as error:
        raise RecipeError(f"{where or 'the recipe'} lacks a setting: {error}") from error
