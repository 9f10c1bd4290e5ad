"""The shipped head: its file, its mirror, and the shapes that must look right, measured."""

import itertools

import numpy as np
import pytest

from models.head.arkit import mirrored_name
from models.head.flame import GROUPS, OPEN_HEAD_PATH, FaceRig, open_head
from protocol.frame import ARKIT_SHAPES, OPEN_HEAD_ID
from training.head.raster import rasterize
from training.head.seal import mouth_gap

PIXEL_M = 0.0002


def face(**weights: float) -> np.ndarray:
    """Vertices of ARKit shapes, a name without a side standing for both."""
    motion = np.zeros(59)
    for name, value in weights.items():
        for full_name in (name,) if name in ARKIT_SHAPES else (name + "Left", name + "Right"):
            motion += value * open_head().arkit_motion[ARKIT_SHAPES.index(full_name)]
    return FaceRig(open_head()).vertices(motion[:50], motion[50:53], motion[53:55], motion[55:])


def outside_triangles() -> np.ndarray:
    """Skin that is seen when the mouth is closed: all but the mouth's inside, which has a patch of its own."""
    head = open_head()
    in_patch = head.uv[head.f_uv][:, :, 1].mean(axis=1) > 0.8
    return np.flatnonzero((head.groups == GROUPS.index("skin")) & ~in_patch)


def widest_mouth_gap_mm(vertices: np.ndarray) -> float:
    height, _ = mouth_gap(vertices.astype(float), open_head().f, outside_triangles(), centre_y_m=-0.046)
    return 1e3 * float(height.max())


def visible_eye_mm2(vertices: np.ndarray, yaw_rad: float) -> float:
    """Area of both eyeballs that shows between the lids, seen from `yaw_rad` to the left."""
    cosine, sine = np.cos(yaw_rad), np.sin(yaw_rad)
    seen = vertices.astype(float) @ np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    corners = seen[open_head().f]
    pixels = np.stack([corners[:, :, 0] + 0.08, 0.06 - corners[:, :, 1]], axis=2) / PIXEL_M
    nearest, _ = rasterize(pixels, corners[:, :, 2], (300, 800))
    return 1e6 * PIXEL_M**2 * np.count_nonzero(open_head().groups[nearest[nearest >= 0]] == GROUPS.index("eyes"))


def test_file_is_small_and_holds_plain_arrays() -> None:
    assert OPEN_HEAD_PATH.stat().st_size < 5e6
    with np.load(OPEN_HEAD_PATH, allow_pickle=False) as archive:
        assert all(archive[name].dtype.kind in "fiuU" for name in archive.files)


def test_arrays_have_the_motion_space_s_sizes() -> None:
    head = open_head()
    assert head.id == OPEN_HEAD_ID
    assert (head.shape_count, head.expression_count) == (100, 50)
    assert head.arkit_motion.shape == (52, 59)
    assert head.posedirs.shape == (head.vertex_count, 3, 36)
    np.testing.assert_allclose(head.weights.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(head.J_regressor.sum(axis=1), 1.0, atol=1e-5)


def test_the_eyes_midpoint_is_where_the_readme_says_for_every_identity() -> None:
    head = open_head()
    rng = np.random.default_rng(0)
    for shape in (np.zeros(100), *rng.normal(size=(5, 100))):
        joints = head.J_regressor @ head.shaped(shape)
        np.testing.assert_allclose(joints[3:].mean(axis=0), [0.0, 0.030, 0.025], atol=2e-4)


def test_only_the_neck_s_cut_is_open_and_it_is_one_ring() -> None:
    head = open_head()
    skin = head.f[head.groups == GROUPS.index("skin")]
    edges = np.sort(np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]]), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    border = unique[counts == 1]
    assert counts.max() == 2
    assert len(border) == len(np.unique(border)) == 42
    assert head.v_template[border, 1].max() < -0.07


def test_the_mesh_is_its_own_mirror_image() -> None:
    head = open_head()
    assert np.array_equal(head.v_template[head.mirror] * np.float32([-1, 1, 1]), head.v_template)
    mirrored = {tuple(sorted(triangle)) for triangle in head.mirror[head.f].tolist()}
    assert mirrored == {tuple(sorted(triangle)) for triangle in head.f.tolist()}


@pytest.mark.parametrize("part", ["shape", "expression"])
def test_mirroring_a_component_is_its_sign_to_the_last_bit(part: str) -> None:
    head = open_head()
    chosen = slice(0, 100) if part == "shape" else slice(100, 150)
    signs = head.shape_signs if part == "shape" else head.expression_signs
    dirs = head.shapedirs[:, :, chosen]
    assert set(signs.tolist()) == {1.0, -1.0}
    assert np.array_equal(dirs[head.mirror] * np.float32([-1, 1, 1])[:, None], dirs * signs)


def test_each_side_of_arkit_moves_its_own_side() -> None:
    head = open_head()
    for name in ARKIT_SHAPES:
        if not name.endswith("Left") or name in ("jawLeft", "mouthLeft"):
            continue
        moved = np.linalg.norm(face(**{name: 1.0}) - head.v_template, axis=1)
        left, right = moved[head.v_template[:, 0] > 0.01], moved[head.v_template[:, 0] < -0.01]
        assert np.sum(left**2) > 3.0 * np.sum(right**2), name


def test_mirrored_shapes_are_mirror_images() -> None:
    head = open_head()
    for name in ARKIT_SHAPES:
        there, back = face(**{name: 1.0}), face(**{mirrored_name(name): 1.0})
        np.testing.assert_allclose(there[head.mirror] * [-1, 1, 1], back, atol=2e-5, err_msg=name)


def test_every_arkit_shape_moves_the_face() -> None:
    for name in ARKIT_SHAPES:
        moved_mm = 1e3 * np.linalg.norm(face(**{name: 1.0}) - open_head().v_template, axis=1).max()
        assert moved_mm > 2.0, name


def test_jaw_left_goes_to_the_subject_s_left() -> None:
    head = open_head()
    chin = np.argmin(np.where(head.v_template[:, 2] > 0.05, head.v_template[:, 1], np.inf))
    assert face(jawLeft=1.0)[chin, 0] > 0.003
    assert face(mouthRight=1.0)[chin, 0] <= 0.0


def test_lips_are_sealed_at_rest_and_with_mouth_close() -> None:
    assert widest_mouth_gap_mm(face()) <= 0.1
    assert widest_mouth_gap_mm(face(jawOpen=1.0, mouthClose=1.0)) <= 0.2
    assert widest_mouth_gap_mm(face(jawOpen=0.5, mouthClose=0.5)) <= 1.0
    assert widest_mouth_gap_mm(face(jawOpen=0.3)) > 3.0


@pytest.mark.parametrize("yaw_rad", [-0.6, 0.0, 0.6])
def test_closed_lids_leave_no_gap(yaw_rad: float) -> None:
    assert visible_eye_mm2(face(eyeBlink=1.0), yaw_rad) == 0.0
    assert visible_eye_mm2(face(), yaw_rad) > 100.0


def test_half_closed_lids_let_the_eye_show_only_between_them() -> None:
    shares = [visible_eye_mm2(face(eyeBlink=amount), 0.0) for amount in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert all(later < earlier for earlier, later in itertools.pairwise(shares))
