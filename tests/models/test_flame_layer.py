"""The forward pass against FLAME's own definition, written down once more as plainly as it goes: seed-systems 10.1."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.head.flame import JOINT_COUNT, FaceRig, HeadModel, open_head

STILL = (np.zeros(3), np.zeros(2), np.zeros(4))


def rodrigues(axis_angle: np.ndarray) -> np.ndarray:
    """I + sin(a) K + (1 - cos(a)) K K, by hand."""
    angle = math.sqrt(sum(float(value) ** 2 for value in axis_angle))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = (float(value) / angle for value in axis_angle)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross


def vertex_by_definition(
    head: HeadModel, row: int, shape: np.ndarray, expression: np.ndarray, turns: list[np.ndarray]
) -> np.ndarray:
    """Steps 1-5 of seed-systems 7.2 for one vertex, in float64, along the kinematic tree with 4 x 4 matrices."""
    betas = np.concatenate([shape, expression]).astype(np.float64)
    joints = np.array(
        [head.J_regressor[joint].astype(np.float64) @ (head.v_template + head.shapedirs @ betas) for joint in range(5)]
    )
    shaped = head.v_template[row] + head.shapedirs[row].astype(np.float64) @ betas
    feature = np.concatenate([(turn - np.eye(3)).reshape(9) for turn in turns[1:]])
    posed = shaped + head.posedirs[row].astype(np.float64) @ feature
    worlds: list[np.ndarray] = []
    for joint in range(JOINT_COUNT):
        parent = int(head.kintree_table[0, joint])
        local = np.eye(4)
        local[:3, :3] = turns[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if joint else 0.0)
        worlds.append(worlds[parent] @ local if joint else local)
    moved = np.zeros(3)
    for joint, world in enumerate(worlds):
        from_rest = world[:3, :3] @ (posed - joints[joint]) + world[:3, 3]
        moved += float(head.weights[row, joint]) * from_rest
    return moved


@pytest.mark.parametrize("seed", range(3))
def test_skinning_is_that_of_the_definition(seed: int) -> None:
    """10.1.3. Eyeballs pitch only: a pure pitch is an axis-angle, whatever the order of pitch and yaw."""
    head, rng = open_head(), np.random.default_rng(seed)
    shape, expression = rng.normal(0.0, 0.7, 100), rng.normal(0.0, 0.7, 50)
    jaw, pitch = rng.normal(0.0, 0.2, 3), rng.normal(0.0, 0.2, 2)
    moved = FaceRig(head, shape).vertices(expression, jaw, np.zeros(2), [pitch[0], 0.0, pitch[1], 0.0])
    eyes = [rodrigues(np.array([angle, 0.0, 0.0])) for angle in pitch]
    turns = [np.eye(3), np.eye(3), rodrigues(jaw), *eyes]
    for row in rng.choice(head.vertex_count, 12, replace=False):
        np.testing.assert_allclose(moved[row], vertex_by_definition(head, row, shape, expression, turns), atol=1e-5)


def test_identity_and_expression_are_linear_and_apart() -> None:
    """10.1.1: at rest both are linear, and the first expression is the column after all of the identity's."""
    head, rng = open_head(), np.random.default_rng(4)
    one, other = rng.normal(size=(2, 50))
    rest = head.v_template

    def of_expression(expression: np.ndarray) -> np.ndarray:
        return FaceRig(head).vertices(expression, *STILL) - rest

    both = of_expression(one) + 2.0 * of_expression(other)
    np.testing.assert_allclose(of_expression(one + 2.0 * other), both, atol=2e-6)
    shapes = rng.normal(size=(2, 100))
    of_shapes = [FaceRig(head, shape).vertices(np.zeros(50), *STILL) - rest for shape in (*shapes, shapes.sum(axis=0))]
    np.testing.assert_allclose(of_shapes[2], of_shapes[0] + of_shapes[1], atol=2e-6)
    first = np.eye(50)[0]
    np.testing.assert_allclose(of_expression(first), head.shapedirs[:, :, head.shape_count], atol=1e-6)
    assert head.shape_count == 100
