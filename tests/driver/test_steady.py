"""A head or a face at rest is held, one that moves is followed."""

from __future__ import annotations

import numpy as np
import pytest

from driver.steady import HEAD, MOTION, Pose, SteadySettings, motion_apart_m, steadied, steadied_motion
from models.head.arkit import ArkitMap
from models.head.flame import JAW, open_head
from models.head.landmarks import LIPS, LandmarkRig, open_head_landmarks
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from protocol.frame import ARKIT_SHAPES

AWAY_M = np.array([0.02, -0.01, -0.6])


def noisy(count: int, rng: np.random.Generator) -> list[Pose]:
    """A head at rest, as a network sees it."""
    return [
        Pose(matrix_from_axis_angle(rng.normal(0.2, 0.001, 3)), AWAY_M + rng.normal(0.0, 0.0001, 3))
        for _ in range(count)
    ]


def told(seen: list[Pose], step_s: float, settings: SteadySettings = HEAD) -> list[Pose]:
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
        Pose(np.eye(3), AWAY_M + np.array([0.004, 0.0, 0.0])),
        Pose(matrix_from_axis_angle([0.0, 0.06, 0.0]), AWAY_M),
        Pose(matrix_from_axis_angle([0.0, 3.0, 0.0]), AWAY_M),
    ):
        now = steadied(still, moved, 1.0 / 30.0, HEAD)
        np.testing.assert_allclose(now.rotation, moved.rotation, atol=1e-9)
        np.testing.assert_allclose(now.translation, moved.translation, atol=1e-12)


def test_a_slow_head_is_not_left_behind() -> None:
    """10 mm and 5 degrees a second."""
    seen = [
        Pose(matrix_from_axis_angle([0.0, np.radians(5.0) * t, 0.0]), AWAY_M + np.array([0.01 * t, 0.0, 0.0]))
        for t in np.arange(60) / 30.0
    ]
    last = told(seen, 1.0 / 30.0)[-1]
    assert np.abs(last.points_m - seen[-1].points_m).max() < 0.002
    assert np.linalg.norm(axis_angle_from_matrix(last.rotation @ seen[-1].rotation.T)) < np.radians(0.8)


def test_it_comes_to_rest_where_the_head_is_at_any_rate() -> None:
    still, near = Pose(np.eye(3), AWAY_M), Pose(np.eye(3), AWAY_M + np.array([0.0003, 0.0, 0.0]))
    gone_m = [
        told([still, *[near] * round(HEAD.rest_s * rate_hz)], 1.0 / rate_hz)[-1].translation[0] - AWAY_M[0]
        for rate_hz in (15.0, 30.0, 60.0)
    ]
    np.testing.assert_allclose(gone_m, gone_m[-1], rtol=0.15)
    assert 0.00015 < gone_m[-1] < 0.0003


def test_it_can_be_left_out_and_nonsense_is_refused() -> None:
    seen = noisy(5, np.random.default_rng(1))
    assert told(seen, 1.0 / 30.0, SteadySettings(rest_s=0.0, moved_m=0.003))[0] is seen[0]
    with pytest.raises(ValueError, match=r"rest_s is -1; it must be 0\.\.2 seconds"):
        SteadySettings(rest_s=-1.0, moved_m=0.003)
    with pytest.raises(ValueError, match="moved_m is 0; it must be more than 0 metres"):
        SteadySettings(rest_s=0.1, moved_m=0.0)


def made(rng: np.random.Generator, count: int, amount: float) -> np.ndarray:
    """Motions [count, 53] of a resting face, as a network tells them."""
    return (rng.normal(0.0, amount, (count, 53)) * np.repeat([1.0, 0.02], [50, 3])).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [15.0, 30.0, 60.0])
def test_a_still_face_trembles_less(rate_hz: float) -> None:
    seen = made(np.random.default_rng(2), 300, 0.02)
    steady = [seen[0]]
    for motion in seen[1:]:
        steady.append(steadied_motion(steady[-1], motion, 1.0 / rate_hz, MOTION))
    assert np.std(steady[60:], axis=0).mean() < 0.75 * np.std(seen[60:], axis=0).mean()
    assert steady[-1].dtype == np.float32


def test_lips_and_brows_that_move_are_followed_at_once() -> None:
    arkit = ArkitMap(open_head())
    still = np.zeros(53, np.float32)
    for name in ("jawOpen", "mouthFunnel", "browInnerUp", "mouthLeft"):
        weights = np.zeros(len(ARKIT_SHAPES))
        weights[ARKIT_SHAPES.index(name)] = 0.5
        expression, jaw, _, _ = arkit.to_motion(weights)
        moved = np.concatenate([expression, jaw])
        assert motion_apart_m(still, moved) > MOTION.moved_m
        np.testing.assert_allclose(steadied_motion(still, moved, 1.0 / 30.0, MOTION), moved, atol=1e-6)


def test_how_far_a_jaw_moves_the_mouth_is_measured_on_the_head() -> None:
    """Against the head's own landmarks, for a small turn; the largest of the regions is the mouth's."""
    rig = LandmarkRig(open_head(), open_head_landmarks(), LIPS)
    rest, joint = rig.at_rest(()), rig.joint(JAW, (), ())
    places = [
        rig.posed(rest, joint, np.zeros(50, np.float32), jaw, np.zeros(2), np.zeros(4)).points
        for jaw in (np.zeros(3), np.array([0.01, 0.0, 0.0]))
    ]
    moved_m = float(np.sqrt(np.square(places[1] - places[0]).sum(axis=1).mean()))
    motion = np.zeros(53, np.float32)
    motion[50] = 0.01
    assert motion_apart_m(np.zeros(53, np.float32), motion) == pytest.approx(moved_m, rel=0.02)
