"""The forward pass: at rest it is the template, joints turn what they should, torch agrees."""

import numpy as np
import pytest
import torch

from models.flame_torch import FlameTorch
from models.head.flame import JAW, LEFT_EYE, FaceRig, HeadModel, load_head, open_head, save_head
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle, matrix_from_gaze

REST = (np.zeros(50), np.zeros(3), np.zeros(2), np.zeros(4))


def random_motion(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return (
        rng.normal(size=50),
        rng.normal(0.0, 0.15, 3),
        rng.uniform(size=2),
        rng.normal(0.0, 0.3, 4),
    )


def test_zero_motion_gives_the_template() -> None:
    assert np.array_equal(FaceRig(open_head()).vertices(*REST), open_head().v_template)


def test_result_is_float32_and_does_not_share_memory() -> None:
    rig = FaceRig(open_head())
    first = rig.vertices(*REST)
    first[:] = 0.0
    assert first.dtype == np.float32
    assert np.array_equal(rig.vertices(*REST), open_head().v_template)


def test_some_vertices_are_those_of_the_whole_head() -> None:
    rng = np.random.default_rng(1)
    motion = random_motion(rng)
    ids = rng.choice(open_head().vertex_count, 300, replace=False)
    some = FaceRig(open_head(), vertex_ids=ids).vertices(*motion, [0.1, 0.2, 0.3], [0.0, 0.1, -0.6])
    whole = FaceRig(open_head()).vertices(*motion, [0.1, 0.2, 0.3], [0.0, 0.1, -0.6])
    np.testing.assert_allclose(some, whole[ids], atol=1e-6)


def test_head_pose_is_rigid_about_the_origin() -> None:
    motion = random_motion(np.random.default_rng(2))
    rig = FaceRig(open_head())
    rotation, translation = np.array([0.2, -0.4, 0.1]), np.array([0.05, -0.02, -0.7])
    expected = rig.vertices(*motion) @ matrix_from_axis_angle(rotation).T + translation
    np.testing.assert_allclose(rig.vertices(*motion, rotation, translation), expected, atol=1e-6)


def test_jaw_opens_down_and_leaves_skull_and_upper_teeth_alone() -> None:
    head = open_head()
    opened = FaceRig(head).vertices(np.zeros(50), [0.4, 0.0, 0.0], np.zeros(2), np.zeros(4)) - head.v_template
    chin = np.argmin(np.where(head.v_template[:, 2] > 0.05, head.v_template[:, 1], np.inf))
    assert opened[chin, 1] < -0.02
    assert np.abs(opened[head.v_template[:, 1] > 0.08]).max() < 1e-6
    # 68 vertices of upper teeth are the ones of the group that rest.
    teeth = np.unique(head.f[head.groups == 2])
    assert np.count_nonzero(~np.any(opened[teeth], axis=1)) == 68


def test_lower_teeth_turn_rigidly_with_the_jaw() -> None:
    head = open_head()
    teeth = np.unique(head.f[head.groups == 2])
    lower = teeth[head.weights[teeth, JAW] > 0.5]
    opening = head.arkit_motion[17, 50:53]
    posed = FaceRig(head).vertices(np.zeros(50), opening, np.zeros(2), np.zeros(4))[lower].astype(float)
    rest = head.v_template[lower].astype(float)
    one, other = rest - rest.mean(axis=0), posed - posed.mean(axis=0)
    left, _, right = np.linalg.svd(one.T @ other)
    turn = (left @ right).T
    assert np.abs(one @ turn.T - other).max() < 0.001
    np.testing.assert_allclose(axis_angle_from_matrix(turn), opening, atol=np.radians(0.5))


def test_gaze_turns_the_pupil_as_the_motion_space_says() -> None:
    head = open_head()
    left_eye = np.flatnonzero(head.weights[:, LEFT_EYE] == 1.0)
    pupil = left_eye[np.argmax(head.v_template[left_eye, 2])]
    looked = FaceRig(head).vertices(np.zeros(50), np.zeros(3), np.zeros(2), [0.3, 0.4, 0.0, 0.0])
    move = looked[pupil] - head.v_template[pupil]
    assert move[1] < -0.003  # positive pitch looks down
    assert move[0] > 0.004  # positive yaw looks to the subject's left


def test_eyeballs_turn_about_their_centres_for_every_identity() -> None:
    head = open_head()
    rng = np.random.default_rng(3)
    left_eye = np.flatnonzero(head.weights[:, LEFT_EYE] == 1.0)
    for _ in range(5):
        shape = rng.normal(size=100)
        rig = FaceRig(head, shape=shape)
        centre = (head.J_regressor @ head.shaped(shape))[LEFT_EYE]
        for gaze in (0.0, 0.5):
            eye = rig.vertices(np.zeros(50), np.zeros(3), np.zeros(2), [gaze, -gaze, 0.0, 0.0])[left_eye]
            radius = np.linalg.norm(eye - centre, axis=1)
            assert np.ptp(radius) < 1e-4


def test_torch_equals_numpy() -> None:
    head = open_head()
    rng = np.random.default_rng(4)
    motions = [random_motion(rng) for _ in range(4)]
    shapes = rng.normal(size=(4, 100))
    poses = rng.normal(0.0, 0.3, (4, 3)), rng.normal(0.0, 0.5, (4, 3))
    expected = [
        FaceRig(head, shape=shape).vertices(*motion, rotation, translation)
        for motion, shape, rotation, translation in zip(motions, shapes, *poses, strict=True)
    ]
    batched = [torch.tensor(np.stack(values), dtype=torch.float32) for values in zip(*motions, strict=True)]
    others = [torch.tensor(values, dtype=torch.float32) for values in (shapes, *poses)]
    vertices = FlameTorch(head)(*batched, *others)
    np.testing.assert_allclose(vertices.numpy(), np.stack(expected), atol=1e-5)


def test_torch_has_finite_gradients_at_rest() -> None:
    at_rest = [torch.zeros(2, size, requires_grad=True) for size in (50, 3, 2, 4, 100, 3, 3)]
    vertices = FlameTorch(open_head())(*at_rest)
    (vertices * torch.randn(vertices.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    for values in at_rest:
        assert values.grad is not None
        assert torch.isfinite(values.grad).all()
        assert values.grad.abs().max() > 0.0


def test_torch_gradient_of_the_jaw_is_the_difference_quotient() -> None:
    head = open_head()
    jaw = torch.tensor([[0.2, 0.05, -0.03]], requires_grad=True)
    still = torch.zeros(1, 50), torch.zeros(1, 2), torch.zeros(1, 4)
    FlameTorch(head)(still[0], jaw, *still[1:])[0, :, 1].mean().backward()
    rig, step = FaceRig(head), 0.01
    for axis in range(3):
        values = []
        for sign in (1.0, -1.0):
            turned = jaw.detach().numpy()[0].copy()
            turned[axis] += sign * step
            values.append(rig.vertices(np.zeros(50), turned, np.zeros(2), np.zeros(4))[:, 1].astype(float).mean())
        assert jaw.grad is not None
        assert float(jaw.grad[0, axis]) == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-5)


@pytest.mark.parametrize("vector", [(0, 0, 0), (1e-6, 0, 0), (0.3, -0.2, 0.1), (0, np.pi, 0), (2.0, 1.0, -2.0)])
def test_axis_angle_survives_the_way_through_a_matrix(vector: tuple[float, float, float]) -> None:
    matrix = matrix_from_axis_angle(vector)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix_from_axis_angle(axis_angle_from_matrix(matrix)), matrix, atol=1e-7)


def test_gaze_is_pitch_then_yaw() -> None:
    expected = matrix_from_axis_angle([0.0, 0.7, 0.0]) @ matrix_from_axis_angle([0.4, 0.0, 0.0])
    np.testing.assert_allclose(matrix_from_gaze(0.4, 0.7), expected, atol=1e-12)


def small_head() -> HeadModel:
    rng = np.random.default_rng(0)
    weights = np.tile(np.array([0.2, 0.2, 0.2, 0.2, 0.2], np.float32), (7, 1))
    return HeadModel(
        id="small/1",
        v_template=rng.normal(size=(7, 3)).astype(np.float32),
        shapedirs=rng.normal(size=(7, 3, 5)).astype(np.float32),
        shape_count=2,
        posedirs=rng.normal(size=(7, 3, 36)).astype(np.float32),
        J_regressor=rng.normal(size=(5, 7)).astype(np.float32),
        weights=weights,
        kintree_table=np.array([[-1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.int32),
        f=np.array([[0, 1, 2], [3, 4, 5]], np.int32),
    )


def test_a_head_without_eyelids_or_texture_is_a_head(tmp_path) -> None:
    save_head(tmp_path / "small.npz", small_head())
    head = load_head(tmp_path / "small.npz")
    assert (head.id, head.shape_count, head.expression_count) == ("small/1", 2, 3)
    assert head.eyeliddirs is None
    assert np.array_equal(head.v_template, small_head().v_template)
    motion = np.ones(3), [0.1, 0.2, 0.3], [1.0, 1.0], [0.1, 0.2, 0.3, 0.4]
    tensors = [torch.tensor([values], dtype=torch.float32) for values in map(list, motion)]
    np.testing.assert_allclose(FaceRig(head).vertices(*motion), FlameTorch(head)(*tensors).numpy()[0], atol=1e-5)


def test_too_many_shape_values_are_refused() -> None:
    with pytest.raises(ValueError, match="takes up to 100"):
        FaceRig(open_head(), shape=np.zeros(101))
