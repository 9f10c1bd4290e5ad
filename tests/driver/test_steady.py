"""A head at rest is held, one that moves is followed."""

from __future__ import annotations

import numpy as np
import pytest

from driver.steady import Pose, SteadySettings, steadied
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle

AWAY_M = np.array([0.02, -0.01, -0.6])
USUAL = SteadySettings()


def noisy(count: int, rng: np.random.Generator) -> list[Pose]:
    """A head at rest, as a network sees it."""
    return [
        Pose(matrix_from_axis_angle(rng.normal(0.2, 0.001, 3)), AWAY_M + rng.normal(0.0, 0.0001, 3))
        for _ in range(count)
    ]


def told(seen: list[Pose], step_s: float, settings: SteadySettings = USUAL) -> list[Pose]:
    poses: list[Pose] = []
    for pose in seen:
        poses.append(steadied(poses[-1] if poses else None, pose, step_s, settings))
    return poses


def trembling_m(poses: list[Pose]) -> float:
    points = np.stack([pose.points_m for pose in poses])
    return float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=2).mean()))


@pytest.mark.parametrize("rate_hz", [15.0, 30.0, 60.0])
def test_a_still_head_trembles_less(rate_hz: float) -> None:
    seen = noisy(300, np.random.default_rng(0))
    steady = told(seen, 1.0 / rate_hz)
    assert trembling_m(steady[60:]) < 0.6 * trembling_m(seen[60:])
    mean = np.mean([pose.points_m for pose in seen], axis=0)
    assert np.abs(np.mean([pose.points_m for pose in steady[60:]], axis=0) - mean).max() < 2e-5
    for pose in steady:
        np.testing.assert_allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=1e-9)


def test_what_moves_is_followed_at_once() -> None:
    still = Pose(np.eye(3), AWAY_M)
    for moved in (
        Pose(np.eye(3), AWAY_M + np.array([0.002, 0.0, 0.0])),
        Pose(matrix_from_axis_angle([0.0, 0.03, 0.0]), AWAY_M),
        Pose(matrix_from_axis_angle([0.0, 3.0, 0.0]), AWAY_M),
    ):
        now = steadied(still, moved, 1.0 / 30.0, USUAL)
        np.testing.assert_allclose(now.rotation, moved.rotation, atol=1e-9)
        np.testing.assert_allclose(now.translation, moved.translation, atol=1e-12)


def test_a_slow_head_is_not_left_behind() -> None:
    """10 mm and 5 degrees a second."""
    seen = [
        Pose(matrix_from_axis_angle([0.0, np.radians(5.0) * t, 0.0]), AWAY_M + np.array([0.01 * t, 0.0, 0.0]))
        for t in np.arange(60) / 30.0
    ]
    last = told(seen, 1.0 / 30.0)[-1]
    assert np.abs(last.points_m - seen[-1].points_m).max() < 0.001
    assert np.linalg.norm(axis_angle_from_matrix(last.rotation @ seen[-1].rotation.T)) < np.radians(0.5)


def test_it_comes_to_rest_where_the_head_is_at_any_rate() -> None:
    still, near = Pose(np.eye(3), AWAY_M), Pose(np.eye(3), AWAY_M + np.array([0.0003, 0.0, 0.0]))
    gone_m = [
        told([still, *[near] * round(0.2 * rate_hz)], 1.0 / rate_hz)[-1].translation[0] - AWAY_M[0]
        for rate_hz in (15.0, 30.0, 60.0)
    ]
    np.testing.assert_allclose(gone_m, gone_m[-1], rtol=0.15)
    assert 0.00015 < gone_m[-1] < 0.0003


def test_it_can_be_left_out_and_nonsense_is_refused() -> None:
    seen = noisy(5, np.random.default_rng(1))
    assert told(seen, 1.0 / 30.0, SteadySettings(rest_s=0.0)) == seen
    with pytest.raises(ValueError, match=r"rest_s is -1; it must be 0\.\.2 seconds"):
        SteadySettings(rest_s=-1.0)
    with pytest.raises(ValueError, match="moved_m is 0; it must be more than 0 metres"):
        SteadySettings(moved_m=0.0)
