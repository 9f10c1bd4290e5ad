"""Class-balanced sampling: every class as often as every other, however rare its pictures are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.recipe import RecipeError


class Balanced:
    """Draws rows so that over any stretch of batches each class that occurs comes equally often, to within one row.

    classes   of each row, int64 [N]
    """

    def __init__(self, classes: Sequence[int] | NDArray[np.int64]) -> None:
        of_row = np.asarray(classes, np.int64)
        if not len(of_row):
            raise RecipeError("there is nothing to draw from: no row has a class")
        self._rows = [np.flatnonzero(of_row == number) for number in np.unique(of_row)]

    def draw(self, rng: np.random.Generator, step: int, batch: int) -> NDArray[np.int64]:
        """The rows int64 [batch] of batch number `step`, in random order."""
        turns = (step * batch + np.arange(batch)) % len(self._rows)
        return rng.permutation(np.array([rng.choice(self._rows[turn]) for turn in turns]))
