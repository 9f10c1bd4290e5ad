"""Small meshes by formula: tubes, balls, boxes, rings of revolution, and shells that lie on a surface.

All are in metres. Texture coordinates are 0..1, v up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Mesh:
    """vertices float32 [N, 3]; triangles int32 [M, 3]; uv float32 [N, 2]."""

    vertices: Floats
    triangles: Ints
    uv: Floats

    def moved(self, turn: ArrayLike, by: ArrayLike) -> Mesh:
        """Turned by [3, 3], then shifted by [3]."""
        placed = self.vertices @ np.asarray(turn, np.float32).T + np.asarray(by, np.float32)
        return replace(self, vertices=placed.astype(np.float32))


def joined(meshes: list[Mesh]) -> Mesh:
    """All of them as one."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts, strict=True)]).astype(np.int32),
        np.concatenate([mesh.uv for mesh in meshes]),
    )


def normals(vertices: Floats, triangles: Ints) -> Floats:
    """Unit normals [N, 3], of the adjoining triangles weighted by their areas."""
    corners = vertices[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = np.stack(
        [np.bincount(triangles.ravel(), np.repeat(faces[:, axis], 3), len(vertices)) for axis in range(3)], axis=1
    )
    return (sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def grid_mesh(places: NDArray[np.float64]) -> Mesh:
    """The surface through places [R, C, 3]; u runs along the columns."""
    rows, columns = places.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    one, two, three, four = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    triangles = np.stack([one, two, three, one, three, four], axis=-1).reshape(-1, 3)
    v, u = np.meshgrid(np.linspace(0.0, 1.0, rows), np.linspace(0.0, 1.0, columns), indexing="ij")
    return Mesh(
        places.reshape(-1, 3).astype(np.float32),
        triangles.astype(np.int32),
        np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float32),
    )


def tube(path: ArrayLike, radius_m: ArrayLike, sides: int = 8) -> Mesh:
    """A tube along `path` [P, 3] with one radius or one a point, closed by round ends."""
    path = np.asarray(path, np.float64)
    radii = np.broadcast_to(np.asarray(radius_m, np.float64), len(path))
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    # Each ring's first axis is the one before, made square to the path again: the tube does not twist.
    side = np.cross(along[0], np.eye(3)[np.argmin(np.abs(along[0]))])
    sides_of = []
    for direction in along:
        side = side - (side @ direction) * direction
        side /= max(float(np.linalg.norm(side)), 1e-9)
        sides_of.append(side)
    first = np.stack(sides_of)
    second = np.cross(along, first)
    caps = np.array([-1.0, -0.8, -0.45])
    path = np.concatenate(
        [path[:1] + caps[:, None] * radii[0] * along[0], path, path[-1:] - caps[::-1, None] * radii[-1] * along[-1]]
    )
    round_off = np.sqrt(1.0 - np.square(np.maximum(np.abs(caps), 0.0)))
    radii = np.concatenate([radii[0] * round_off, radii, radii[-1] * round_off[::-1]])
    first, second = (np.concatenate([axes[:1]] * 3 + [axes] + [axes[-1:]] * 3) for axes in (first, second))
    angle = np.linspace(0.0, 2.0 * np.pi, sides + 1)
    around = np.cos(angle)[None, :, None] * first[:, None] + np.sin(angle)[None, :, None] * second[:, None]
    return grid_mesh(path[:, None] + radii[:, None, None] * around)


def ball(middle: ArrayLike, radii: ArrayLike, rings: int = 10, sides: int = 14) -> Mesh:
    """An ellipsoid with `radii` [3] along the axes."""
    tilt = np.linspace(-np.pi / 2, np.pi / 2, rings)[:, None]
    turn = np.linspace(0.0, 2.0 * np.pi, sides + 1)[None]
    unit = np.stack([np.cos(tilt) * np.sin(turn), np.sin(tilt) + 0.0 * turn, np.cos(tilt) * np.cos(turn)], axis=-1)
    return grid_mesh(np.asarray(middle, np.float64) + unit * np.asarray(radii, np.float64))


def box(half: ArrayLike) -> Mesh:
    """A box around the origin with half the side lengths [3]; every side shows the whole texture."""
    half = np.asarray(half, np.float64)
    square = np.array([[[-1.0, -1.0], [1.0, -1.0]], [[-1.0, 1.0], [1.0, 1.0]]])
    sides = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            places = np.full((2, 2, 3), sign)
            places[..., [(axis + 1) % 3, (axis + 2) % 3]] = square
            sides.append(grid_mesh(places * half))
    return joined(sides)


def rings(heights: ArrayLike, across: ArrayLike, deep: ArrayLike, centre_z: ArrayLike, sides: int = 28) -> Mesh:
    """Ellipses above each other: heights [R], half axes [R] along x and z, and the z of their centres."""
    turn = np.linspace(0.0, 2.0 * np.pi, sides + 1)[None]
    y, a, b, z = (np.asarray(values, np.float64)[:, None] for values in (heights, across, deep, centre_z))
    return grid_mesh(np.stack([a * np.sin(turn), y + 0.0 * turn, z + b * np.cos(turn)], axis=-1))
