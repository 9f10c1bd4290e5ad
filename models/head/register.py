"""Which point of one head is which point of another: the skin of the first is bent onto the skin of the second.

Non-rigid iterative closest points. Correspondences are sought among position, normal and how much a point follows the
jaw; the last tells the lips apart, which touch at rest. The bend is a sum of Gaussian bumps that live in the same space
of position and jaw share, so that the lips can part; first wide ones, then narrower ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.head.flame import LEFT_EYE, RIGHT_EYE, HeadModel
from models.head.surface import (
    Doubles,
    Longs,
    Skin,
    local_maps,
    nearest,
    nearest_on_triangles,
    skin_of,
    spread_out,
    vertex_normals,
)

# How far apart, in metres, a full difference in jaw share or in normal counts when correspondences are sought.
_JAW_SHARE_M = 0.020
_NORMAL_M = 0.010
# Normals of corresponding points agree at least this much (a cosine).
_AGREEMENT = 0.6
_RIGID_STEPS = 15


@dataclass(frozen=True)
class _Level:
    """`count` bumps of `width_m`; matches farther than `reach_m` are not believed; `stiffness` resists bending."""

    width_m: float
    count: int
    steps: int
    stiffness: float
    reach_m: float


_LEVELS = (
    _Level(width_m=0.04, count=80, steps=10, stiffness=1e-1, reach_m=0.020),
    _Level(width_m=0.02, count=250, steps=10, stiffness=1e-2, reach_m=0.012),
)
# Matching a vertex to a vertex pulls along the surface, where the match is arbitrary: that pull is weak.
_SIDEWAYS = 0.05


@dataclass(frozen=True, eq=False)
class Correspondence:
    """Where each of the N skin vertices of `target` lies on the skin of `source`.

    faces        int64 [N]: triangle of the source's skin
    barycentric  float64 [N, 3]: the place in that triangle
    maps         float64 [source N, 3, 3]: carries a small movement of a source vertex to the target
    distances    float64 [N], m: what is left between the bent source and the target
    is_believed  bool [N]: near enough and facing the same way
    """

    source: Skin
    target: Skin
    faces: Longs
    barycentric: Doubles
    maps: Doubles
    distances: Doubles
    is_believed: np.ndarray

    def carried(self, movement: Doubles) -> Doubles:
        """The target's movement [N, 3] that corresponds to a movement [source N, 3] of the source's skin, in m."""
        turned = np.einsum("vcd,vd->vc", self.maps, movement)
        return np.einsum("nk,nkc->nc", self.barycentric, turned[self.source.faces[self.faces]])


def register(source_head: HeadModel, target_head: HeadModel) -> Correspondence:
    """Find `target_head`'s skin on `source_head`'s. Both in metres, +Y up and +Z out of the face; a few seconds."""
    source, target = skin_of(source_head), skin_of(target_head)
    moved = _rigidly(source, target, _landmarks(source_head, source), _landmarks(target_head, target))
    for level in _LEVELS:
        moved = _bent(source, target, moved, level)
    normals, target_normals = vertex_normals(moved, source.faces), vertex_normals(target.points, target.faces)
    near = nearest(_features(target.points, target, target_normals), _features(moved, source, normals))
    faces, barycentric, distances = nearest_on_triangles(target.points, near, moved, source.faces)
    agreement = np.sum(np.einsum("nk,nkc->nc", barycentric, normals[source.faces[faces]]) * target_normals, axis=1)
    return Correspondence(
        source=source,
        target=target,
        faces=faces,
        barycentric=barycentric,
        maps=local_maps(source.points, moved, source.faces),
        distances=distances,
        is_believed=(distances < 0.005) & (agreement > 0.4),
    )


def _landmarks(head: HeadModel, skin: Skin) -> Doubles:
    """Eyeball centres, left and right, and the tip of the nose [3, 3]: points that every head in this frame has."""
    joints = head.J_regressor @ head.v_template
    return np.stack([joints[LEFT_EYE], joints[RIGHT_EYE], skin.points[np.argmax(skin.points[:, 2])]]).astype(np.float64)


def _features(points: Doubles, skin: Skin, normals: Doubles) -> Doubles:
    return np.concatenate([points, _JAW_SHARE_M * skin.jaw_share[:, None], _NORMAL_M * normals], axis=1)


def _rigidly(source: Skin, target: Skin, source_marks: Doubles, target_marks: Doubles) -> Doubles:
    """The source's points, turned, scaled and shifted onto the target: by landmarks, then by the front of the face."""
    moved = _similar(source_marks, target_marks, np.ones(3), source.points)
    target_normals = vertex_normals(target.points, target.faces)
    target_features = _features(target.points, target, target_normals)
    is_front = source.points[:, 2] > np.median(source.points[:, 2])
    for _ in range(_RIGID_STEPS):
        normals = vertex_normals(moved, source.faces)
        match = nearest(_features(moved, source, normals), target_features)
        distances = np.linalg.norm(target.points[match] - moved, axis=1)
        agrees = np.sum(normals * target_normals[match], axis=1) > _AGREEMENT
        weights = is_front & agrees & (distances < 2.5 * np.median(distances[is_front]))
        moved = _similar(moved, target.points[match], weights.astype(np.float64), moved)
    return moved


def _similar(points: Doubles, onto: Doubles, weights: Doubles, carried: Doubles) -> Doubles:
    """`carried` [M, 3] under the similarity that best takes `points` to `onto` [N, 3] (Umeyama 1991)."""
    weights = weights / weights.sum()
    centre, onto_centre = weights @ points, weights @ onto
    centred, onto_centred = points - centre, onto - onto_centre
    left, strengths, right = np.linalg.svd((onto_centred * weights[:, None]).T @ centred)
    proper = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    scale = (strengths @ proper) / (weights @ np.sum(centred**2, axis=1))
    return scale * (carried - centre) @ (left * proper @ right).T + onto_centre


def _bent(source: Skin, target: Skin, start: Doubles, level: _Level) -> Doubles:
    """The source's points `start` [N, 3], bent closer to the target with one level of bumps."""
    places = np.concatenate([source.points, level.width_m * source.jaw_share[:, None]], axis=1)
    nodes = spread_out(places, level.count)
    squares = np.sum((places[:, None] - places[nodes]) ** 2, axis=2)
    bumps = np.exp(-0.5 * squares / level.width_m**2)
    bending = np.kron(level.stiffness * (bumps[nodes] + 1e-6 * np.eye(len(nodes))), np.eye(3))

    target_normals = vertex_normals(target.points, target.faces)
    target_features = _features(target.points, target, target_normals)
    moved = start
    for _ in range(level.steps):
        normals = vertex_normals(moved, source.faces)
        match = nearest(_features(moved, source, normals), target_features)
        towards = target_normals[match]
        is_believed = (
            (np.sum(normals * towards, axis=1) > _AGREEMENT)
            & (np.linalg.norm(target.points[match] - moved, axis=1) < level.reach_m)
            & ~target.is_edge[match]
        )
        rows, gaps, towards = bumps[is_believed], (target.points[match] - start)[is_believed], towards[is_believed]
        # Heights h [nodes, 3] that minimise  sum (n . (B h - gap))^2 + sideways |B h - gap|^2 + h . bending . h
        slide = (rows[:, :, None] * towards[:, None, :]).reshape(len(rows), -1)
        system = slide.T @ slide + np.kron(_SIDEWAYS * (rows.T @ rows), np.eye(3)) + bending
        pull = slide.T @ np.sum(gaps * towards, axis=1) + (_SIDEWAYS * (rows.T @ gaps)).ravel()
        moved = start + bumps @ np.linalg.solve(system, pull).reshape(-1, 3)
    return moved
