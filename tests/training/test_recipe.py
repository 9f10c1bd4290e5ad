"""Recipes: what is written is what is used, and what is not known is refused in a sentence."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from training.recipe import RECIPES, Recipe, RecipeError, build, read_table, recipe_path
from training.tasks.talk import TalkRecipe

ROOT = Path(__file__).resolve().parents[2]
TRAINED = sorted(path.stem for path in RECIPES.glob("*.toml") if path.stem != "laughtalk_data")


def kind_of(task: str) -> type[Recipe]:
    """The recipe of a task: its module has one."""
    module = importlib.import_module(f"training.tasks.{task}")
    (kind,) = (
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Recipe) and one.__module__ == module.__name__
    )
    return kind


@pytest.mark.parametrize("name", TRAINED)
def test_the_shipped_recipes_are_valid(name: str) -> None:
    table = read_table(RECIPES / f"{name}.toml", [])
    assert build(kind_of(table["task"]), table).name == name


def commands() -> list[list[str]]:
    """What follows `-m training.run` on the pages, taken apart as a shell does."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").rglob("*.md")]
    joined = (re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8")) for page in pages)
    lines = (line for text in joined for line in re.findall(r"-m training\.run ([a-z][^`#\n|]*)", text))
    return [shlex.split(line) for line in lines]


def test_recipes_know_the_settings_that_the_pages_give_them() -> None:
    wrong: list[str] = []
    for name, *words in commands():
        settings = [word for word in words if re.match(r"[a-z_.]+=", word)]
        try:
            table = read_table(recipe_path(name), settings)
            build(kind_of(table["task"]), table)
        except RecipeError as error:
            wrong.append(f"{name} {' '.join(settings)}: {error}")
    assert not wrong


def test_overrides_reach_their_section() -> None:
    table = read_table(RECIPES / "talk.toml", ["optim.steps=7", "data.hops=90", "name=mine", "objective.motion.gap=2"])
    recipe = build(TalkRecipe, table)
    assert (recipe.optim.steps, recipe.data.hops, recipe.name) == (7, 90, "mine")
    assert recipe.objective.motion.gap == 2.0


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("optim.stops=7", "optim.stops is no setting"),
        ("optim.steps=1.5", "must be int"),
        ("optim.steps=many", "must be int"),
        ("optim.accumulate=0", "optim.accumulate is 0; it must be 1 or more"),
        ("optim.precision=float16", "optim.precision is 'float16'; it must be one of auto, bfloat16, float32"),
        ("steps", "is no setting; write section.key=value"),
    ],
)
def test_what_cannot_be_meant_is_refused(setting: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        build(TalkRecipe, read_table(RECIPES / "talk.toml", [setting]))


def test_a_missing_setting_and_a_missing_recipe_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="task"):
        build(Recipe, {"name": "x"})
    with pytest.raises(RecipeError, match=r"laugh, .*talk, temporal"):
        recipe_path("sing")
    with pytest.raises(RecipeError, match="no recipe"):
        recipe_path(str(tmp_path / "none.toml"))
