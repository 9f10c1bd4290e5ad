"""The same surface under another topology: triangles split in four, then edges collapsed at random."""

from __future__ import annotations

import heapq
import math
import random
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Longs = NDArray[np.int64]
Place = tuple[float, float, float]

# A collapse may turn a neighbouring triangle by less than 60 degrees.
_SMALLEST_NORMAL_COSINE = 0.5


@dataclass(frozen=True, eq=False)
class Remeshed:
    """N vertices on the surface of another mesh.

    faces        int64 [F, 3]
    source_faces int64 [N]: the triangle of the old mesh that each vertex lies in
    barycentric  float64 [N, 3]: where in that triangle
    """

    faces: Longs
    source_faces: Longs
    barycentric: Doubles

    def carried(self, values: Doubles, old_faces: Longs) -> Doubles:
        """Values [old V, ...] at the old vertices, interpolated to the new ones [N, ...]."""
        return np.einsum("nk,nk...->n...", self.barycentric, values[old_faces[self.source_faces]])


def remesh(vertices: Doubles, faces: Longs, vertex_count: int, rng: np.random.Generator) -> Remeshed:
    """A mesh of `vertex_count` vertices that lie on the triangles `faces` [F, 3] of `vertices` [V, 3] (metres).

    It is dense where the old one is. Boundaries keep their vertices. ValueError when so few vertices cannot be reached.
    """
    fine_faces, source_faces, barycentric = _split_in_four(faces)
    points = np.einsum("nk,nkc->nc", barycentric, vertices[faces[source_faces]])
    kept_faces = _collapsed(points, fine_faces, vertex_count, rng)
    kept = np.unique(kept_faces)
    renumbered = np.full(len(points), -1)
    renumbered[kept] = np.arange(len(kept))
    return Remeshed(renumbered[kept_faces], source_faces[kept], barycentric[kept])


def _split_in_four(faces: Longs) -> tuple[Longs, Longs, Doubles]:
    """Triangles with their edges' midpoints; and of each vertex, old and new, a triangle and its place in it."""
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)
    _, first, middle = np.unique(edges, axis=0, return_index=True, return_inverse=True)
    old, corner_of_old = np.unique(faces, return_index=True)
    renumbered = np.zeros(faces.max() + 1, np.int64)
    renumbered[old] = np.arange(len(old))
    a, b, c = renumbered[faces].T
    ab, bc, ca = middle.reshape(-1, 3).T + len(old)
    split = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], axis=1).reshape(-1, 3)
    at_corner = np.eye(3)
    at_middle = 0.5 * (at_corner + np.roll(at_corner, -1, axis=0))
    return (
        split,
        np.concatenate([corner_of_old // 3, first // 3]),
        np.concatenate([at_corner[corner_of_old % 3], at_middle[first % 3]]),
    )


def _collapsed(points: Doubles, faces: Longs, vertex_count: int, rng: np.random.Generator) -> Longs:
    """Edges are pulled together onto one of their ends, those that are short for their place first."""
    triangles: dict[int, list[int]] = dict(enumerate(faces.tolist()))
    around: dict[int, set[int]] = defaultdict(set)
    for index, corners in triangles.items():
        for vertex in corners:
            around[vertex].add(index)

    def neighbours(vertex: int) -> set[int]:
        return {other for index in around[vertex] for other in triangles[index]} - {vertex}

    edges = np.unique(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2), axis=0)
    lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    local = (np.bincount(edges.ravel(), np.repeat(lengths, 2)) / np.bincount(edges.ravel())).tolist()
    chance = random.Random(int(rng.integers(2**32)))  # draws one number at a time, ten times as fast

    places = [tuple(point) for point in points.tolist()]

    def cost(one: int, other: int) -> float:
        return math.dist(places[one], places[other]) / (local[one] + local[other]) * chance.uniform(0.7, 1.3)

    waiting = [(cost(one, other), one, other) for one, other in edges.tolist()]
    heapq.heapify(waiting)
    left = len(around)
    while left > vertex_count:
        if not waiting:
            raise ValueError(f"{vertex_count} vertices are too few for this mesh; {left} is where collapsing ends")
        _, gone, stays = heapq.heappop(waiting)
        if gone not in around or stays not in around or not around[gone] & around[stays]:
            continue
        if not _may_collapse(places, triangles, around, neighbours, gone, stays):
            continue
        for index in around[gone] & around[stays]:
            for vertex in triangles.pop(index):
                around[vertex].discard(index)
        for index in around.pop(gone):
            triangles[index] = [stays if vertex == gone else vertex for vertex in triangles[index]]
            around[stays].add(index)
        left -= 1
        for other in neighbours(stays):
            heapq.heappush(waiting, (cost(stays, other), stays, other))
    return np.array(list(triangles.values()))


def _may_collapse(places, triangles, around, neighbours, gone: int, stays: int) -> bool:
    """Keeps the mesh a manifold, its boundary in place, and its triangles facing the way they did."""
    shared = around[gone] & around[stays]
    if len(shared) != 2 or len(neighbours(gone)) != len(around[gone]):  # a boundary edge, a boundary vertex
        return False
    if len(neighbours(gone) & neighbours(stays)) != 2:
        return False
    for index in around[gone] - shared:
        before = _normal(*(places[vertex] for vertex in triangles[index]))
        after = _normal(*(places[stays if vertex == gone else vertex] for vertex in triangles[index]))
        along = sum(one * other for one, other in zip(before, after, strict=True))
        if along < _SMALLEST_NORMAL_COSINE * math.hypot(*before) * math.hypot(*after):
            return False
    return True


def _normal(a: Place, b: Place, c: Place) -> Place:
    (ux, uy, uz), (vx, vy, vz) = ((x - x0, y - y0, z - z0) for x0, y0, z0 in (a,) for x, y, z in (b, c))
    return (uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)
