"""Intervals of means: what they are of normal values, and that values of one person are not many."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluate.resampled import resampled


def test_the_interval_is_that_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(1.0, 2.0, 400)
    found = resampled(values)
    assert found.mean == pytest.approx(float(values.mean()))
    assert (found.low, found.high) == pytest.approx((found.mean - 0.196, found.mean + 0.196), abs=0.03)
    assert found.is_sure
    assert not resampled(values - values.mean()).is_sure
    assert str(resampled([0.5, 0.5])) == "+0.500 (+0.500 to +0.500)"


def test_pictures_of_one_person_are_not_so_many_people() -> None:
    of_people = np.random.default_rng(1).normal(0.0, 1.0, 25)
    values, people = np.repeat(of_people, 16), np.repeat(np.arange(25), 16)
    alone, together = resampled(values), resampled(values, people.tolist())
    assert together.high - together.low == pytest.approx(4.0 * (alone.high - alone.low), rel=0.15)


def test_nothing_has_no_mean() -> None:
    with pytest.raises(ValueError, match="no values"):
        resampled([])
