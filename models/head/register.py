"""Which point of one head is which point of another: the skin of the first is bent onto the skin of the second.

Non-rigid iterative closest points: the target is turned and scaled into the source's frame, then the source is bent by
a sum of smooth bumps. Correspondences are sought among position, normal, how much a point follows the jaw, and how
close it lies to an eyeball: the rig's own landmarks, which tell the lips apart and find the lids. The bumps live in the
space of position and jaw share, so that the lips can part.

Narrower bumps would follow the target's surface closer, but slide more along it where it has no features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.head.flame import HeadModel
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

# How far apart, in metres, a full difference in jaw share, in eye distance or in normal counts for a match.
_JAW_SHARE_M = 0.020
_EYE_DISTANCE_M = 0.020
_NORMAL_M = 0.010
# Normals of corresponding points agree at least this much (a cosine).
_AGREEMENT = 0.6
_RIGID_STEPS = 15
# Matching a vertex to a vertex pulls along the surface, where the match is arbitrary: that pull is weak.
_SIDEWAYS = 0.02
# An eyeball's centre counts as much as this many skin vertices.
_EYE_WEIGHT = 50.0
_BUMP_WIDTH_M = 0.04
_BUMP_COUNT = 80
# Resistance to bending, in squared metres of mismatch summed over the skin for bumps of one metre.
_STIFFNESS = 0.2
_BEND_STEPS = 15
# Matches farther away are not believed.
_REACH_M = 0.020


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
    """Find `target_head`'s skin on `source_head`'s. Both in metres, +Y up and +Z out of the face; some seconds."""
    source, target = skin_of(source_head), skin_of(target_head)
    pose = _pose(source, target)
    matcher = _Matcher(source, target, pose.back(target.points), pose.back(target.eyes))
    moved = pose(_bent(matcher))
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


def _features(points: Doubles, skin: Skin, normals: Doubles) -> Doubles:
    """What matching points have in common [N, 8], as lengths in metres."""
    rig = [_JAW_SHARE_M * skin.jaw_share[:, None], _EYE_DISTANCE_M * skin.eye_distance[:, None]]
    return np.concatenate([points, *rig, _NORMAL_M * normals], axis=1)


@dataclass(frozen=True, eq=False)
class _Similarity:
    """x -> scale rotation x + shift."""

    scale: float
    rotation: Doubles
    shift: Doubles

    def __call__(self, points: Doubles) -> Doubles:
        return self.scale * points @ self.rotation.T + self.shift

    def back(self, points: Doubles) -> Doubles:
        return (points - self.shift) @ self.rotation / self.scale


def _similarity(points: Doubles, onto: Doubles, weights: Doubles) -> _Similarity:
    """The one that best takes `points` to `onto` [N, 3] (Umeyama 1991)."""
    weights = weights / weights.sum()
    centre, onto_centre = weights @ points, weights @ onto
    centred, onto_centred = points - centre, onto - onto_centre
    left, strengths, right = np.linalg.svd((onto_centred * weights[:, None]).T @ centred)
    proper = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    scale = float((strengths @ proper) / (weights @ np.sum(centred**2, axis=1)))
    rotation = left * proper @ right
    return _Similarity(scale, rotation, onto_centre - scale * rotation @ centre)


def _pose(source: Skin, target: Skin) -> _Similarity:
    """From the source's frame to the target's: by eyeballs and the tip of the nose, then by the front of the face."""
    marks, target_marks = (
        np.concatenate([skin.eyes, skin.points[[np.argmax(skin.points[:, 2])]]]) for skin in (source, target)
    )
    pose = _similarity(marks, target_marks, np.ones(3))
    normals, target_normals = (vertex_normals(skin.points, skin.faces) for skin in (source, target))
    features = _features(target.points, target, target_normals)
    is_front = source.points[:, 2] > np.median(source.points[:, 2])
    for _ in range(_RIGID_STEPS):
        moved, turned = pose(source.points), normals @ pose.rotation.T
        match = nearest(_features(moved, source, turned), features)
        distances = np.linalg.norm(target.points[match] - moved, axis=1)
        agrees = np.sum(turned * target_normals[match], axis=1) > _AGREEMENT
        weights = is_front & agrees & (distances < 2.5 * np.median(distances[is_front]))
        pose = _similarity(source.points, target.points[match], weights.astype(np.float64))
    return pose


class _Matcher:
    """Matches points of the source's skin to the target's, which is held in the source's frame."""

    def __init__(self, source: Skin, target: Skin, points: Doubles, eyes: Doubles) -> None:
        self.source = source
        self.eyes = eyes
        self._points = points
        self._normals = vertex_normals(points, target.faces)
        self._features = _features(points, target, self._normals)
        self._is_edge = target.is_edge

    def __call__(self, moved: Doubles) -> tuple[Longs, Doubles, Doubles]:
        """Rows [M] of `moved` [N, 3] with a believable match, the matches [M, 3] and their normals [M, 3]."""
        normals = vertex_normals(moved, self.source.faces)
        match = nearest(_features(moved, self.source, normals), self._features)
        is_believed = (
            (np.sum(normals * self._normals[match], axis=1) > _AGREEMENT)
            & (np.linalg.norm(self._points[match] - moved, axis=1) < _REACH_M)
            & ~self._is_edge[match]
        )
        rows = np.flatnonzero(is_believed)
        return rows, self._points[match[rows]], self._normals[match[rows]]


def _bent(matcher: _Matcher) -> Doubles:
    """The source's skin [N, 3], bent onto the target's."""
    source = matcher.source
    places = np.concatenate([source.points, _BUMP_WIDTH_M * source.jaw_share[:, None]], axis=1)
    nodes = spread_out(places, _BUMP_COUNT)
    eye_places = np.concatenate([source.eyes, np.zeros((2, 1))], axis=1)
    bumps, eye_bumps = (
        np.exp(-0.5 * np.sum((at[:, None] - places[nodes]) ** 2, axis=2) / _BUMP_WIDTH_M**2)
        for at in (places, eye_places)
    )
    held = _STIFFNESS * (bumps[nodes] + 1e-6 * np.eye(len(nodes))) + _EYE_WEIGHT * eye_bumps.T @ eye_bumps
    eye_pull = _EYE_WEIGHT * eye_bumps.T @ (matcher.eyes - source.eyes)
    bent = source.points
    for _ in range(_BEND_STEPS):
        rows, matches, normals = matcher(bent)
        here, gaps = bumps[rows], matches - source.points[rows]
        # Heights h that minimise  sum (n . (B h - gap))^2 + sideways |B h - gap|^2 + eyes + stiffness h . K h
        slide = (here[:, :, None] * normals[:, None, :]).reshape(len(rows), -1)
        system = slide.T @ slide + np.kron(_SIDEWAYS * (here.T @ here) + held, np.eye(3))
        pull = slide.T @ np.sum(gaps * normals, axis=1) + (_SIDEWAYS * (here.T @ gaps) + eye_pull).ravel()
        bent = source.points + bumps @ np.linalg.solve(system, pull).reshape(-1, 3)
    return bent
