"""Part of the way from one rotation to another, judged by the angles that are left and gone."""

import numpy as np
import pytest

from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle, turned_towards


def angle_rad(start, goal):
    return np.linalg.norm(axis_angle_from_matrix(goal @ start.T))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_the_way_is_that_share_of_the_angle_and_no_detour(share):
    start, goal = matrix_from_axis_angle([0.4, -1.0, 0.2]), matrix_from_axis_angle([-0.9, 0.8, 1.1])
    between = turned_towards(start, goal, share)
    whole = angle_rad(start, goal)
    assert whole > 1
    assert angle_rad(start, between) == pytest.approx(share * whole, abs=1e-7)
    assert angle_rad(between, goal) == pytest.approx((1 - share) * whole, abs=1e-7)
    np.testing.assert_allclose(between @ between.T, np.eye(3), atol=1e-12)


def test_it_goes_the_short_way_round():
    start, goal = matrix_from_axis_angle([0, 3.0, 0]), matrix_from_axis_angle([0, -3.0, 0])
    between = turned_towards(start, goal, 0.5)
    np.testing.assert_allclose(between, matrix_from_axis_angle([0, np.pi, 0]), atol=1e-12)
