import numpy as np
import pytest

from models.head.rotation import matrix_from_axis_angle
from models.head.surface import local_maps, nearest, nearest_on_triangles, spread_out, vertex_normals

TRIANGLE = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def grid(size: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """A gently curved sheet, one unit wide."""
    x, y = np.meshgrid(np.linspace(0.0, 1.0, size), np.linspace(0.0, 1.0, size))
    points = np.stack([x.ravel(), y.ravel(), 0.1 * np.sin(3.0 * x.ravel())], axis=1)
    corner = (np.arange(size - 1)[:, None] * size + np.arange(size - 1)).ravel()
    one = np.stack([corner, corner + 1, corner + size], axis=1)
    other = np.stack([corner + 1, corner + size + 1, corner + size], axis=1)
    return points, np.concatenate([one, other])


def test_normals_of_a_flat_triangle():
    np.testing.assert_allclose(vertex_normals(TRIANGLE, np.array([[0, 1, 2]])), [[0.0, 0.0, 1.0]] * 3)


def test_nearest_agrees_with_every_distance_looked_at():
    random = np.random.default_rng(0)
    queries, points = random.normal(size=(2500, 5)), random.normal(size=(300, 5))
    expected = np.argmin(np.linalg.norm(queries[:, None] - points, axis=2), axis=1)
    np.testing.assert_array_equal(nearest(queries, points), expected)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ([0.2, 0.2, 0.5], [0.2, 0.2, 0.0]),
        ([0.5, -1.0, 0.0], [0.5, 0.0, 0.0]),
        ([-1.0, 0.25, 0.3], [0.0, 0.25, 0.0]),
        ([1.0, 1.0, 0.0], [0.5, 0.5, 0.0]),
        ([-1.0, -1.0, 1.0], [0.0, 0.0, 0.0]),
        ([3.0, -1.0, 0.0], [1.0, 0.0, 0.0]),
    ],
)
def test_closest_point_of_a_triangle(query, expected):
    faces = np.array([[0, 1, 2]])
    near = np.array([0])
    triangle, barycentric, distance = nearest_on_triangles(np.array([query]), near, TRIANGLE, faces)
    np.testing.assert_allclose(barycentric[0] @ TRIANGLE[faces[triangle[0]]], expected, atol=1e-12)
    np.testing.assert_allclose(distance[0], np.linalg.norm(np.subtract(query, expected)))


def test_points_of_a_surface_are_found_on_it():
    points, faces = grid()
    random = np.random.default_rng(1)
    triangles = random.integers(0, len(faces), 200)
    barycentric = random.dirichlet(np.ones(3), 200)
    queries = np.einsum("nk,nkc->nc", barycentric, points[faces[triangles]])
    _, _, distances = nearest_on_triangles(queries, nearest(queries, points), points, faces)
    # The triangle may touch none of the nearest vertex's, so a few are missed by a little.
    assert np.median(distances) < 1e-12
    assert distances.max() < 0.01


@pytest.mark.parametrize("scale", [1.0, 0.7, 1.4])
def test_local_maps_of_a_turned_and_scaled_surface_are_that_turn(scale):
    points, faces = grid()
    turn = scale * matrix_from_axis_angle([0.4, -0.9, 0.3])
    maps = local_maps(points, points @ turn.T + 1.0, faces)
    np.testing.assert_allclose(maps, np.broadcast_to(turn, maps.shape), atol=1e-9)


def test_local_maps_follow_a_stretch_along_the_surface():
    points, faces = grid()
    maps = local_maps(points, points * [2.0, 1.0, 1.0], faces)
    inner = np.all((points[:, :2] > 0.2) & (points[:, :2] < 0.8), axis=1)
    along_y = maps[inner] @ np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(along_y, np.broadcast_to([0.0, 1.0, 0.0], along_y.shape), atol=0.02)


def test_spread_out_points_are_distinct_and_far_apart():
    points, _ = grid()
    chosen = spread_out(points, 9)
    assert len(set(chosen.tolist())) == 9
    gaps = np.linalg.norm(points[chosen][:, None] - points[chosen], axis=2) + 10.0 * np.eye(9)
    assert gaps.min() > 0.3
    assert len(spread_out(points, 10_000)) == len(points)
