"""ARKit weights to motion and back."""

import dataclasses

import numpy as np
import pytest

from models.head.arkit import ArkitMap, mirrored_weights
from models.head.bounded import bounded_quadratic_minimum
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES, PART_BY_NAME
from training.head.plausible import draw_faces

CLOSE, OPEN = ARKIT_SHAPES.index("mouthClose"), ARKIT_SHAPES.index("jawOpen")


@pytest.fixture(scope="module")
def arkit() -> ArkitMap:
    return ArkitMap(open_head())


def mirrored_motion(motion: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    expression, jaw, eyelids, gaze = motion
    return (
        expression * open_head().expression_signs,
        jaw * np.float32([1, -1, -1]),
        eyelids[::-1],
        gaze[[2, 3, 0, 1]] * np.float32([1, -1, 1, -1]),
    )


def test_plausible_faces_come_back(arkit: ArkitMap) -> None:
    faces = draw_faces(np.random.default_rng(7), 200)
    errors = np.array([np.abs(arkit.to_arkit(*arkit.to_motion(weights)) - weights) for weights in faces])
    assert errors.mean() < 0.01
    assert errors.mean(axis=1).max() < 0.05
    assert errors.mean(axis=0).max() < 0.05


@pytest.mark.parametrize("name", ARKIT_SHAPES)
def test_each_shape_alone_comes_back(arkit: ArkitMap, name: str) -> None:
    weights = np.zeros(52)
    weights[ARKIT_SHAPES.index(name)] = 0.8
    weights[OPEN] = max(weights[OPEN], 0.8 * (name == "mouthClose"))
    np.testing.assert_allclose(arkit.to_arkit(*arkit.to_motion(weights)), weights, atol=0.05)


def test_mirrored_weights_give_the_mirrored_motion_exactly(arkit: ArkitMap) -> None:
    for weights in draw_faces(np.random.default_rng(8), 50):
        expected = mirrored_motion(arkit.to_motion(weights))
        for one, other in zip(arkit.to_motion(mirrored_weights(weights)), expected, strict=True):
            assert np.array_equal(one, other)


def test_mirrored_motion_gives_the_mirrored_weights_exactly(arkit: ArkitMap) -> None:
    rng = np.random.default_rng(9)
    for _ in range(100):
        motion = rng.normal(0.0, 2.0, 50), rng.normal(0.0, 0.2, 3), rng.uniform(size=2), rng.normal(0.0, 0.4, 4)
        there = arkit.to_arkit(*motion)
        assert np.array_equal(arkit.to_arkit(*mirrored_motion(motion)), mirrored_weights(there))


def test_a_symmetric_face_has_symmetric_weights(arkit: ArkitMap) -> None:
    expression = np.random.default_rng(10).normal(0.0, 2.0, 50) * (open_head().expression_signs > 0)
    weights = arkit.to_arkit(expression, [0.2, 0.0, 0.0], [0.3, 0.3], [0.1, 0.2, 0.1, -0.2])
    assert np.array_equal(weights, mirrored_weights(weights))


def test_wild_motion_stays_within_bounds(arkit: ArkitMap) -> None:
    rng = np.random.default_rng(11)
    for _ in range(200):
        motion = rng.normal(0.0, 8.0, 50), rng.normal(0.0, 0.6, 3), rng.uniform(size=2), rng.normal(0.0, 1.0, 4)
        weights = arkit.to_arkit(*motion)
        assert weights.dtype == np.float32
        assert weights.min() >= 0.0
        assert weights.max() <= 1.0
        assert weights[CLOSE] <= weights[OPEN]


def test_all_weights_at_once_stay_inside_the_motion_space(arkit: ArkitMap) -> None:
    rng = np.random.default_rng(12)
    for weights in (*rng.uniform(size=(300, 52)), *rng.integers(0, 2, (300, 52))):
        for name, values in zip(("expression", "jaw", "eyelids", "gaze"), arkit.to_motion(weights), strict=True):
            part = PART_BY_NAME[name]
            assert values.dtype == np.float32
            assert values.shape == (part.size,)
            assert values.min() >= part.minimum
            assert values.max() <= part.maximum


def test_mouth_close_beyond_jaw_open_is_clipped(arkit: ArkitMap) -> None:
    weights = np.zeros(52)
    weights[CLOSE] = 1.0
    assert not np.any(np.concatenate(arkit.to_motion(weights)))


def test_a_head_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no ARKit table"):
        ArkitMap(dataclasses.replace(open_head(), arkit_motion=None))


def test_bounded_minimum_meets_the_optimality_conditions() -> None:
    rng = np.random.default_rng(13)
    for size in (1, 2, 5, 39):
        for _ in range(50):
            factor = rng.normal(0.0, 0.1, (size + 3, size))
            curvature = factor.T @ factor + 1e-6 * np.eye(size)
            gradient = rng.normal(0.0, 2.0, size) @ factor.T @ factor
            upper = rng.uniform(0.0, 1.0, size) * rng.integers(0, 2, size)
            x = bounded_quadratic_minimum(curvature, gradient, upper)
            slope = curvature @ x - gradient
            assert np.all((x >= 0.0) & (x <= upper))
            inner, low, high = (x > 0) & (x < upper), (x == 0.0) & (upper > 0), (x == upper) & (upper > 0)
            tolerance = 1e-8
            assert np.all(np.abs(slope[inner]) < tolerance)
            for near in (x, rng.permutation(x), upper, np.zeros(size)):  # wherever it begins, it ends here
                np.testing.assert_allclose(bounded_quadratic_minimum(curvature, gradient, upper, near), x, atol=1e-6)
            assert np.all(slope[low] > -tolerance)
            assert np.all(slope[high] < tolerance)
