"""How sure a mean is: 95 % of the means of resampled units (Efron's percentile bootstrap)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

_DRAWS = 4000
_OUTSIDE = 2.5  # per cent, on each side


class Interval(NamedTuple):
    mean: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        """Of one sign."""
        return self.low > 0.0 or self.high < 0.0

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


def resampled(values: ArrayLike, units: Sequence[object] | None = None, seed: int = 0) -> Interval:
    """The mean of values [N], and between what it lies in 95 % of samples of the units that they are of.

    `units` [N] says whose each value is: what two pictures of one person tell is no two things. Default: each its own.
    For a difference of two subjects, give the differences, unit by unit. ValueError for no values.
    """
    values = np.asarray(values, np.float64)
    if values.size == 0:
        raise ValueError("there are no values to take a mean of")
    names = list(range(len(values))) if units is None else list(units)
    _, owner = np.unique(np.array([str(name) for name in names]), return_inverse=True)
    sums, counts = np.bincount(owner, values), np.bincount(owner)
    chosen = np.random.default_rng(seed).integers(0, len(sums), (_DRAWS, len(sums)))
    means = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    low, high = np.percentile(means, [_OUTSIDE, 100.0 - _OUTSIDE])
    return Interval(float(values.mean()), float(low), float(high))
