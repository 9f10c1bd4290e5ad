"""The pieces that bake the head, without the wheel."""

import numpy as np

from protocol.frame import ARKIT_SHAPES
from training.head.basis import mirror_basis
from training.head.plausible import draw_faces
from training.head.raster import NOTHING, rasterize
from training.head.topology import Topology, fit_sphere


def four_vertices() -> Topology:
    nothing = np.zeros(0, int)
    return Topology(
        source_ids=np.arange(4),
        source_eyes=(nothing, nothing),
        triangles=np.zeros((0, 3), int),
        groups=np.zeros(0, np.uint8),
        mirror=np.array([1, 0, 2, 3]),
        parts={},
        neck_loop=nothing,
    )


def test_basis_spans_the_samples_and_their_mirror_images_with_unit_spread() -> None:
    topology = four_vertices()
    samples = np.random.default_rng(0).normal(size=(200, 4, 3))
    basis = mirror_basis(samples, topology, np.ones(4), count=12)
    assert basis.dirs.shape == (4, 3, 12)
    mirrored = topology.mirrored(np.moveaxis(basis.dirs, 2, 0))
    assert np.array_equal(mirrored, np.moveaxis(basis.dirs * basis.signs, 2, 0))
    coefficients = np.linalg.lstsq(basis.dirs.reshape(12, 12), samples.reshape(200, 12).T, rcond=None)
    np.testing.assert_allclose(basis.dirs.reshape(12, 12) @ coefficients[0], samples.reshape(200, 12).T, atol=1e-9)
    np.testing.assert_allclose(np.sqrt(np.mean(coefficients[0] ** 2, axis=1)), 1.0, atol=1e-9)


def test_basis_keeps_the_strongest_directions() -> None:
    topology = four_vertices()
    spread = np.array([9.0, 1.0, 0.1])
    samples = np.zeros((500, 4, 3))
    samples[:, 2] = np.random.default_rng(0).normal(size=(500, 3)) * spread
    basis = mirror_basis(samples, topology, np.ones(4), count=2)
    assert basis.signs.tolist() == [-1.0, 1.0]  # x of a mid-plane vertex is one-sided, y is symmetric
    np.testing.assert_allclose(np.linalg.norm(basis.dirs, axis=(0, 1)), spread[:2], rtol=0.1)


def test_sphere_is_found_from_a_part_of_it() -> None:
    directions = np.random.default_rng(0).normal(size=(50, 3))
    directions[:, 2] = np.abs(directions[:, 2])
    points = [0.1, -0.2, 0.3] + 0.015 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    centre, radius = fit_sphere(points)
    np.testing.assert_allclose([*centre, radius], [0.1, -0.2, 0.3, 0.015], atol=1e-9)


def test_rasteriser_shows_the_nearer_triangle_and_its_shares() -> None:
    far = [[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]]
    near = [[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]]
    nearest, shares = rasterize(np.array([far, near]), np.array([[0.0] * 3, [1.0] * 3]), (10, 10))
    assert nearest[1, 1] == 1
    assert nearest[4, 4] == 0
    assert nearest[9, 9] == NOTHING
    np.testing.assert_allclose(shares[3, 6], [0.0, 6 / 9, 3 / 9], atol=1e-12)


def test_rasteriser_goes_on_at_the_other_edge_when_told_to() -> None:
    across = np.array([[[8.0, 0.0], [12.0, 0.0], [8.0, 4.0]]])
    wrapped, _ = rasterize(across, np.zeros((1, 3)), (5, 10), wraps=True)
    cut, _ = rasterize(across, np.zeros((1, 3)), (5, 10))
    assert wrapped[0, 1] == 0
    assert cut[0, 1] == NOTHING
    assert cut[0, 9] == wrapped[0, 9] == 0


def test_plausible_faces_keep_the_rules_of_faces() -> None:
    faces = draw_faces(np.random.default_rng(0), 500)
    assert faces.shape == (500, 52)
    assert faces.min() >= 0.0
    assert faces.max() <= 1.0
    column = {name: faces[:, index] for index, name in enumerate(ARKIT_SHAPES)}
    assert np.all(column["mouthClose"] <= column["jawOpen"])
    assert np.all(np.minimum(column["jawLeft"], column["jawRight"]) == 0.0)
    assert np.all(np.minimum(column["eyeLookInLeft"], column["eyeLookOutLeft"]) == 0.0)
    assert all(values.max() > 0.1 for values in column.values())
