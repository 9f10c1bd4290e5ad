"""Recipes: what is written is what is used, and what is not known is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.recipe import RECIPES, Recipe, RecipeError, build, read_table, recipe_path
from training.tasks.laugh import LaughRecipe
from training.tasks.talk import TalkRecipe


def test_the_shipped_recipes_are_valid() -> None:
    assert build(TalkRecipe, read_table(RECIPES / "talk.toml", [])).name == "talk"
    assert build(LaughRecipe, read_table(RECIPES / "laugh.toml", [])).talk_run == "runs/talk"


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
