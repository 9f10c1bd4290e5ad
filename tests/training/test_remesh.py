import numpy as np
import pytest

from models.head.flame import GROUPS, open_head
from models.head.surface import vertex_normals
from training.head.flame_like import flame_like
from training.head.remesh import remesh


@pytest.fixture(scope="module")
def skin():
    head = open_head()
    faces = head.f[head.groups == GROUPS.index("skin")].astype(np.int64)
    return head.v_template.astype(np.float64), faces


def test_remeshed_surface_is_the_same_with_other_triangles(skin):
    vertices, faces = skin
    mesh = remesh(vertices, faces, 3000, np.random.default_rng(0))
    points = mesh.carried(vertices, faces)
    assert points.shape == (3000, 3)
    assert mesh.faces.max() == 2999
    edges = np.sort(mesh.faces[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert counts.max() == 2  # still a manifold
    on_old_vertices = np.isclose(mesh.barycentric, 1.0).any(axis=1).mean()
    assert 0.05 < on_old_vertices < 0.95

    def area(at: np.ndarray, of: np.ndarray) -> float:
        corners = at[of]
        return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()

    assert area(points, mesh.faces) == pytest.approx(area(vertices, faces), rel=0.02)
    old = np.einsum("nk,nkc->nc", mesh.barycentric, vertex_normals(vertices, faces)[faces[mesh.source_faces]])
    assert np.quantile(np.sum(old * vertex_normals(points, mesh.faces), axis=1), 0.05) > 0.5


def test_too_few_vertices_are_refused(skin):
    vertices, faces = skin
    with pytest.raises(ValueError, match="too few"):
        remesh(vertices, faces, 10, np.random.default_rng(0))


def test_a_made_up_head_has_flame_s_counts_and_rests_where_it_belongs():
    made_up = flame_like(open_head(), seed=3)
    shapes = {name: array.shape for name, array in made_up.arrays.items()}
    assert shapes["v_template"] == (5023, 3)
    assert shapes["shapedirs"] == (5023, 3, 400)
    assert shapes["posedirs"] == (5023, 3, 36)
    neutral = made_up.true_skin(np.zeros(50), np.zeros(3), np.zeros(2))
    np.testing.assert_allclose(neutral, made_up.arrays["v_template"][: made_up.skin_count], atol=1e-7)
    opened = made_up.true_skin(np.zeros(50), np.array([0.3, 0.0, 0.0]), np.zeros(2))
    assert np.linalg.norm(opened - neutral, axis=1).max() > 0.02
