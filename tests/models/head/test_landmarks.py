"""The landmarks on the open head: where they lie, and that they move as the surface does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.head.flame import GROUPS, JAW, FaceRig, open_head
from models.head.landmarks import (
    EYE_CORNERS,
    INNER_LIPS,
    LANDMARK_COUNT,
    LIPS,
    SKIN_COUNT,
    LandmarkRig,
    fingerprint,
    load_embedding,
    open_head_landmarks,
    save_embedding,
    spaced,
)


@pytest.fixture(scope="module")
def rig() -> LandmarkRig:
    return LandmarkRig(open_head(), open_head_landmarks())


def on_surface(vertices: np.ndarray) -> np.ndarray:
    embedding = open_head_landmarks()
    return np.einsum("lk,lki->li", embedding.barycentric, vertices[open_head().f[embedding.triangles]])


def test_every_landmark_lies_in_a_triangle_of_its_tissue() -> None:
    head, embedding = open_head(), open_head_landmarks()
    assert embedding.head == head.id
    assert embedding.triangles.shape == (LANDMARK_COUNT,)
    assert embedding.barycentric.min() > -1e-4
    np.testing.assert_allclose(embedding.barycentric.sum(axis=1), 1.0, atol=1e-4)
    assert head.groups is not None
    tissue = np.array(GROUPS)[head.groups[embedding.triangles]]
    assert set(tissue[:SKIN_COUNT]) == {"skin"}
    assert set(tissue[SKIN_COUNT:]) == {"eyes"}


def test_the_landmarks_were_placed_on_this_very_head() -> None:
    assert open_head_landmarks().fingerprint == fingerprint(open_head()), (
        "the head has changed: run  python -m training.head.landmark_embedding"
    )


def test_the_face_is_symmetric() -> None:
    embedding = open_head_landmarks()
    points = on_surface(open_head().v_template)
    np.testing.assert_array_equal(embedding.mirror[embedding.mirror], np.arange(LANDMARK_COUNT))
    np.testing.assert_allclose(points[embedding.mirror] * [-1, 1, 1], points, atol=1e-3)


def test_landmarks_are_where_anatomy_has_them(rig: LandmarkRig) -> None:
    points = rig.at_rest(())
    right_eye, left_eye, nose, chin, forehead = points[[33, 263, 1, 152, 10]]
    assert right_eye[0] < -0.03 < 0.03 < left_eye[0]
    assert forehead[1] > left_eye[1] > nose[1] > chin[1]
    assert nose[2] == pytest.approx(points[:SKIN_COUNT, 2].max(), abs=0.004)
    left_iris, right_iris = points[473], points[468]
    assert left_iris[0] > 0.02 > -0.02 > right_iris[0]


def test_lips_touch_at_rest_and_part_with_the_jaw(rig: LandmarkRig) -> None:
    rest = rig.at_rest(())
    joint = rig.joint(JAW, (), ())
    opened = rig.posed(rest, joint, np.zeros(50, np.float32), [0.3, 0, 0], np.zeros(2), np.zeros(4)).points
    upper, lower = INNER_LIPS
    gap_closed = np.linalg.norm(rest[list(upper)] - rest[list(lower)], axis=1)
    gap_open = np.linalg.norm(opened[list(upper)] - opened[list(lower)], axis=1)
    assert gap_closed.max() < 0.006
    assert gap_open[4] > 0.015
    np.testing.assert_allclose(opened[list(upper[2:-2])], rest[list(upper[2:-2])], atol=0.004)


def test_landmarks_move_with_the_surface(rig: LandmarkRig) -> None:
    random = np.random.default_rng(1)
    embedding, head = open_head_landmarks(), open_head()
    shape = random.normal(0, 0.7, 100)
    expression = random.normal(0, 0.7, 50).astype(np.float32)
    jaw, eyelids, gaze = [0.2, 0.03, 0.02], [0.3, 0.6], [0.1, 0.2, 0.1, 0.15]
    surface = on_surface(FaceRig(head, shape).vertices(expression, jaw, eyelids, gaze))
    person = rig.at_rest(shape), rig.joint(JAW, shape, expression)
    posed = rig.posed(*person, expression, jaw, eyelids, gaze).points
    habit = np.zeros((LANDMARK_COUNT, 3))
    habit[:, :2] = embedding.habits @ expression
    # The jaw turns the habits with it; what is left is skinning within a triangle.
    np.testing.assert_allclose(posed[:SKIN_COUNT] - surface[:SKIN_COUNT], habit[:SKIN_COUNT], atol=1.5e-3)
    still = rig.posed(*person, 0 * expression, jaw, eyelids, gaze).points
    surface = on_surface(FaceRig(head, shape).vertices(0 * expression, jaw, eyelids, gaze))
    np.testing.assert_allclose(still[:SKIN_COUNT], surface[:SKIN_COUNT], atol=6e-4)


def test_the_derivative_by_the_jaw_is_that_of_the_points(rig: LandmarkRig) -> None:
    rest, joint = rig.at_rest(()), rig.joint(JAW, (), ())
    expression = np.random.default_rng(2).normal(0, 0.5, 50).astype(np.float32)

    def points(jaw: np.ndarray):
        return rig.posed(rest, joint, expression, jaw, np.zeros(2), np.zeros(4))

    for jaw in (np.zeros(3), np.array([0.25, 0.04, -0.02])):
        derivative = rig.by_jaw(points(jaw), jaw)
        for axis, step in enumerate(1e-3 * np.eye(3)):
            numeric = (points(jaw + step).points - points(jaw - step).points) / 2e-3
            np.testing.assert_allclose(derivative[:, axis].T, numeric, atol=2e-4)


def test_spaced_landmarks_are_symmetric_and_keep_lips_and_corners() -> None:
    embedding = open_head_landmarks()
    ids = spaced(open_head(), embedding, 0.006)
    assert 200 < len(ids) < 320
    assert set(LIPS) | set(EYE_CORNERS) <= set(ids.tolist())
    assert set(embedding.mirror[ids].tolist()) == set(ids.tolist())
    assert ids.max() < SKIN_COUNT


def test_the_embedding_survives_its_file(tmp_path: Path) -> None:
    save_embedding(tmp_path / "landmarks.npz", open_head_landmarks())
    read = load_embedding(tmp_path / "landmarks.npz")
    for name, value in vars(open_head_landmarks()).items():
        np.testing.assert_array_equal(getattr(read, name), value)


def test_another_heads_landmarks_are_refused() -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match="the head is 'other/1'"):
        LandmarkRig(replace(open_head(), id="other/1"), open_head_landmarks())
