from dataclasses import replace

import numpy as np
import pytest

from models.head.arkit import ArkitMap
from models.head.flame import FaceRig, HeadModel, open_head
from models.head.register import register
from models.head.retarget import (
    MotionMap,
    carried_arkit_motion,
    load_motion_map,
    random_faces,
    save_motion_map,
    solve_motion_map,
)
from models.head.rotation import matrix_from_axis_angle
from protocol.frame import ARKIT_SHAPES

SCALE = 1.12
TURN = matrix_from_axis_angle([0.05, 0.02, -0.03])
SHIFT_M = np.array([0.003, -0.02, 0.01])


@pytest.fixture(scope="module")
def other() -> HeadModel:
    """The open head, larger and turned and elsewhere, with its expression components in another order and sign."""
    head = open_head()
    order = np.random.default_rng(0).permutation(head.expression_count)
    signs = np.where(order % 2, -1.0, 1.0)
    expression = head.shapedirs[:, :, head.shape_count :][:, :, order] * signs
    dirs = np.concatenate([head.shapedirs[:, :, : head.shape_count], expression], axis=2)

    def turned(offsets: np.ndarray) -> np.ndarray:
        return np.float32(SCALE) * np.einsum("cd,vd...->vc...", TURN, offsets).astype(np.float32)

    return replace(
        head,
        id="other",
        v_template=turned(head.v_template) + SHIFT_M.astype(np.float32),
        shapedirs=turned(dirs),
        posedirs=turned(_turned_pose_input(head.posedirs)),
        eyeliddirs=None,
        mirror=None,
        shape_signs=None,
        expression_signs=None,
        arkit_motion=None,
    )


def _turned_pose_input(posedirs: np.ndarray) -> np.ndarray:
    """Pose correctives of joints that turn about turned axes: R' - I = T (R - I) T^-1."""
    by_matrix = posedirs.reshape(*posedirs.shape[:2], 4, 3, 3)
    return np.einsum("vcjab,ea,fb->vcjef", by_matrix, TURN, TURN).reshape(posedirs.shape)


@pytest.fixture(scope="module")
def motion_map(other) -> MotionMap:
    return solve_motion_map(open_head(), other)


def test_a_head_is_found_on_its_own_turned_copy(other):
    found = register(open_head(), other)
    assert found.is_believed.mean() > 0.95
    there = np.einsum("nk,nkc->nc", found.barycentric, found.source.points[found.source.faces[found.faces]])
    assert np.median(np.linalg.norm(there - found.source.points, axis=1)) < 1e-4
    movement = np.random.default_rng(0).normal(0.0, 1e-3, 3) * np.ones_like(found.source.points)
    believed = found.carried(movement)[found.is_believed]
    error = np.linalg.norm(believed - SCALE * movement[0] @ TURN.T, axis=1)
    assert np.median(error) < 0.02 * np.linalg.norm(movement[0])


def test_the_map_finds_the_same_components_in_another_order(other, motion_map):
    head = open_head()
    errors, moved = [], []
    for face in random_faces(head, 10, np.random.default_rng(7)):
        face[-2:] = 0.0  # `other` has no lid shapes of its own
        expression, jaw, eyelids = face[:50], face[50:53], face[53:]
        true = FaceRig(head).vertices(expression, jaw, eyelids, np.zeros(4)) @ (SCALE * TURN.T) + SHIFT_M
        mapped = FaceRig(other).vertices(*motion_map.apply(expression, jaw, eyelids, np.zeros(4)))
        errors.append(np.linalg.norm(mapped - true, axis=1))
        moved.append(np.linalg.norm(true - other.v_template, axis=1))
    skin = register(head, other).target.ids
    assert np.sqrt(np.mean(np.square(moved)[:, skin])) > 2e-3
    assert np.sqrt(np.mean(np.square(errors)[:, skin])) < 2e-4


def test_neutral_stays_neutral_and_eyes_keep_their_values(motion_map):
    expression, jaw, eyelids, gaze = motion_map.apply(np.zeros(50), np.zeros(3), np.zeros(2), [0.1, -0.2, 0.3, 0.4])
    assert not expression.any()
    assert not jaw.any()
    np.testing.assert_array_equal(eyelids, np.zeros(2, np.float32))
    np.testing.assert_array_equal(gaze, np.float32([0.1, -0.2, 0.3, 0.4]))
    assert {part.dtype for part in (expression, jaw, eyelids, gaze)} == {np.dtype(np.float32)}


def test_closing_the_lids_reaches_a_head_without_lid_shapes(other, motion_map):
    open_lids = FaceRig(other).vertices(*motion_map.apply(np.zeros(50), np.zeros(3), np.zeros(2), np.zeros(4)))
    closed = FaceRig(other).vertices(*motion_map.apply(np.zeros(50), np.zeros(3), np.ones(2), np.zeros(4)))
    assert np.linalg.norm(closed - open_lids, axis=1).max() > 1e-3


def test_values_stay_in_the_range_of_a_frame(motion_map):
    expression, jaw, _, _ = motion_map.apply(np.full(50, 1e3), np.full(3, 1e3), np.ones(2), np.zeros(4))
    assert np.abs(expression).max() <= 20.0
    assert np.abs(jaw).max() <= 1.0


def test_a_carried_arkit_table_opens_the_jaw(other, motion_map):
    table = carried_arkit_motion(open_head(), motion_map)
    assert table.shape == (52, 59)
    weights = np.zeros(52)
    weights[ARKIT_SHAPES.index("jawOpen")] = 1.0
    _, jaw, _, _ = ArkitMap(replace(other, arkit_motion=table)).to_motion(weights)
    assert jaw[0] > 0.2


def test_a_map_survives_its_file(motion_map, tmp_path):
    save_motion_map(tmp_path / "map.npz", motion_map)
    read = load_motion_map(tmp_path / "map.npz")
    assert (read.source_id, read.target_id) == ("open-head/1", "other")
    assert (read.rms_mm, read.max_mm) == (motion_map.rms_mm, motion_map.max_mm)
    np.testing.assert_array_equal(read.matrix, motion_map.matrix)
