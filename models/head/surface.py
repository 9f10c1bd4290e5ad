"""Triangle surfaces: the skin of a head, normals, nearest points, and how a moved surface is turned and stretched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.head.flame import GROUPS, JAW, LEFT_EYE, RIGHT_EYE, HeadModel

Doubles = NDArray[np.float64]
Longs = NDArray[np.int64]

_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Skin:
    """The skin of a head at rest: no eyeballs, teeth, tongue or lashes. N vertices.

    ids           int64 [N]: which of the head's vertices
    points        float64 [N, 3], m
    faces         int64 [F, 3], indices into `points`
    eyes          float64 [2, 3], m: centres of the left and the right eyeball
    jaw_share     float64 [N]: how much a vertex follows the jaw, 0..1
    eye_distance  float64 [N]: from the nearer eyeball's surface, in its radii, at most 1
    is_edge       bool [N]: on the boundary of the surface
    """

    ids: Longs
    points: Doubles
    faces: Longs
    eyes: Doubles
    jaw_share: Doubles
    eye_distance: Doubles
    is_edge: NDArray[np.bool_]


def skin_of(head: HeadModel) -> Skin:
    faces = head.f.astype(np.int64)
    is_eyeball = head.weights[:, [LEFT_EYE, RIGHT_EYE]].sum(axis=1) > 0.5
    is_skin = ~is_eyeball[faces].any(axis=1)
    if head.groups is not None:
        is_skin &= head.groups == GROUPS.index("skin")
    ids = np.unique(faces[is_skin])
    renumbered = np.full(head.vertex_count, -1)
    renumbered[ids] = np.arange(len(ids))
    faces = renumbered[faces[is_skin]]
    edges, counts = np.unique(_edges(faces), axis=0, return_counts=True)
    is_edge = np.zeros(len(ids), np.bool_)
    is_edge[edges[counts == 1]] = True
    points = head.v_template[ids].astype(np.float64)
    eyes = (head.J_regressor @ head.v_template)[[LEFT_EYE, RIGHT_EYE]].astype(np.float64)
    jaw = head.weights[ids, JAW].astype(np.float64)
    return Skin(ids, points, faces, eyes, jaw / jaw.max(), _eye_distance(head, eyes, points), is_edge)


def _eye_distance(head: HeadModel, eyes: Doubles, points: Doubles) -> Doubles:
    distances = np.ones(len(points))
    for joint, centre in zip((LEFT_EYE, RIGHT_EYE), eyes, strict=True):
        eyeball = head.v_template[head.weights[:, joint] > 0.5]
        if len(eyeball):
            radius = np.median(np.linalg.norm(eyeball - centre, axis=1))
            distances = np.minimum(distances, np.abs(np.linalg.norm(points - centre, axis=1) / radius - 1.0))
    return distances


def vertex_normals(points: Doubles, faces: Longs) -> Doubles:
    """Unit normals [N, 3] of the vertices: the mean of their triangles' normals, weighted by area."""
    corners = points[faces]
    of_faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = _sum_at(np.repeat(of_faces, 3, axis=0), faces.ravel(), len(points))
    return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)


def nearest(queries: Doubles, points: Doubles) -> Longs:
    """For each of `queries` [Q, D] the index of the nearest of `points` [N, D]."""
    squares = np.sum(points**2, axis=1)
    blocks = [queries[start : start + _BLOCK] for start in range(0, len(queries), _BLOCK)]
    return np.concatenate([np.argmin(squares - 2.0 * (block @ points.T), axis=1) for block in blocks])


def nearest_on_triangles(
    queries: Doubles, near_vertices: Longs, points: Doubles, faces: Longs
) -> tuple[Longs, Doubles, Doubles]:
    """The closest point to each query [Q, 3] on the triangles around its vertex `near_vertices` [Q].

    Returns the triangle [Q], the barycentric coordinates [Q, 3] and the distance [Q].
    """
    candidates = _faces_around(faces, len(points))[near_vertices]
    barycentric = _closest_barycentric(queries[:, None], *(points[faces[candidates, corner]] for corner in range(3)))
    found = np.einsum("qfk,qfkc->qfc", barycentric, points[faces[candidates]])
    distances = np.linalg.norm(found - queries[:, None], axis=2)
    best = np.argmin(distances, axis=1)
    rows = np.arange(len(queries))
    return candidates[rows, best], barycentric[rows, best], distances[rows, best]


def local_maps(rest: Doubles, moved: Doubles, faces: Longs) -> Doubles:
    """Linear maps [N, 3, 3] that carry what lies around each vertex of `rest` to the same place on `moved`.

    Least squares over the edges nearby, which settle turn and stretch along the surface, and over the normal, which is
    stretched as much as the edges are.
    """
    edges = np.unique(_edges(faces), axis=0)
    edges = np.concatenate([edges, edges[:, ::-1]])
    start, end = edges.T
    before, after = rest[end] - rest[start], moved[end] - moved[start]
    inertia = _sum_at(before[:, :, None] * before[:, None, :], start, len(rest))
    cross = _sum_at(after[:, :, None] * before[:, None, :], start, len(rest))
    spread = _sum_at(np.sum(after**2, axis=1), start, len(rest))
    for _ in range(2):  # twice: the edges of the vertices two steps away count too
        inertia, cross, spread = (total + _sum_at(total[end], start, len(rest)) for total in (inertia, cross, spread))
    length = np.trace(inertia, axis1=1, axis2=2)[:, None, None]
    stretch = np.sqrt(spread[:, None, None] / length)
    normal_before, normal_after = vertex_normals(rest, faces), vertex_normals(moved, faces)
    inertia += 0.5 * length * normal_before[:, :, None] * normal_before[:, None, :]
    cross += 0.5 * length * stretch * normal_after[:, :, None] * normal_before[:, None, :]
    return cross @ np.linalg.inv(inertia)


def spread_out(points: Doubles, count: int) -> Longs:
    """`count` of `points` [N, D], each as far as can be from those before (farthest-point sampling)."""
    chosen = [0]
    distances = np.sum((points - points[0]) ** 2, axis=1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(np.argmax(distances)))
        distances = np.minimum(distances, np.sum((points - points[chosen[-1]]) ** 2, axis=1))
    return np.array(chosen)


def _edges(faces: Longs) -> Longs:
    """Edges [3 F, 2] of the triangles, smaller index first; inner ones come twice."""
    return np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)


def _sum_at(values: Doubles, indices: Longs, count: int) -> Doubles:
    """Sums [count, ...] of the `values` [K, ...] that share an index."""
    flat = values.reshape(len(values), -1)
    sums: Doubles = np.empty((count, flat.shape[1]))
    for column, summands in enumerate(flat.T):
        sums[:, column] = np.bincount(indices, summands, minlength=count)
    return sums.reshape(count, *values.shape[1:])


def _faces_around(faces: Longs, vertex_count: int) -> Longs:
    """The triangles at each vertex [N, M]; rows of vertices with fewer repeat their first."""
    corner_order = np.argsort(faces.ravel(), kind="stable")
    counts = np.bincount(faces.ravel(), minlength=vertex_count)
    starts = np.cumsum(counts) - counts
    column = np.arange(counts.max())
    picked = starts[:, None] + np.where(column < counts[:, None], column, 0)
    return corner_order[np.minimum(picked, len(corner_order) - 1)] // 3


def _closest_barycentric(query: Doubles, a: Doubles, b: Doubles, c: Doubles) -> Doubles:
    """Barycentric coordinates [..., 3] of the points of the triangles a, b, c [..., 3] closest to `query`.

    The point inside where there is one, else the best of the three edges (Ericson, "Real-Time Collision Detection",
    5.1.5, without the branches).
    """
    to_b, to_c, to_query = b - a, c - a, query - a
    bb, bc, cc = (np.sum(one * other, axis=-1) for one, other in ((to_b, to_b), (to_b, to_c), (to_c, to_c)))
    qb, qc = np.sum(to_query * to_b, axis=-1), np.sum(to_query * to_c, axis=-1)
    area = np.maximum(bb * cc - bc * bc, 1e-30)
    v, w = (cc * qb - bc * qc) / area, (bb * qc - bc * qb) / area
    along_ab = np.clip(qb / np.maximum(bb, 1e-30), 0.0, 1.0)
    along_ac = np.clip(qc / np.maximum(cc, 1e-30), 0.0, 1.0)
    along_bc = np.clip((bb - bc + qc - qb) / np.maximum(bb - 2.0 * bc + cc, 1e-30), 0.0, 1.0)
    zero = np.zeros_like(v)
    choices = np.stack(
        [
            np.stack([1.0 - v - w, v, w], axis=-1),
            np.stack([1.0 - along_ab, along_ab, zero], axis=-1),
            np.stack([1.0 - along_ac, zero, along_ac], axis=-1),
            np.stack([zero, 1.0 - along_bc, along_bc], axis=-1),
        ]
    )
    corners = np.stack(np.broadcast_arrays(a, b, c), axis=-2)
    distances = np.sum((np.einsum("x...k,...kc->x...c", choices, corners) - query) ** 2, axis=-1)
    distances[0][(choices[0] < 0.0).any(axis=-1)] = np.inf
    best = np.argmin(distances, axis=0)
    return np.squeeze(np.take_along_axis(choices, best[None, ..., None], axis=0), axis=0)
