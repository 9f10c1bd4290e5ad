"""The outside of a head, and the point of it that is closest to a point in space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.head.flame import FaceRig, HeadModel
from models.head.rotation import matrix_from_axis_angle
from training.head.raster import NOTHING, rasterize

Doubles = NDArray[np.float64]
Longs = NDArray[np.int64]


_OPEN_JAW_RAD = 0.2
_VIEWS_RAD = ((0.0, 0.0), (0.0, 0.8), (0.0, -0.8), (0.5, 0.0), (-0.5, 0.0))  # pitch and yaw
_PIXEL_M = 0.0005


def outside(head: HeadModel) -> NDArray[np.bool_]:
    """bool [F]: triangles seen from somewhere in front of the face with the mouth a little open.

    The skin goes on inside the mouth, the nostrils and the sockets, where no camera sees a landmark.
    """
    neutral = np.zeros(head.expression_count)
    vertices = FaceRig(head).vertices(neutral, [_OPEN_JAW_RAD, 0.0, 0.0], np.zeros(2), np.zeros(4))
    is_seen = np.zeros(len(head.f), bool)
    for pitch, yaw in _VIEWS_RAD:
        turn = matrix_from_axis_angle([pitch, 0.0, 0.0]) @ matrix_from_axis_angle([0.0, yaw, 0.0])
        corners = (vertices @ turn.T)[head.f]
        flat = (corners[:, :, :2] - corners[:, :, :2].min(axis=(0, 1))) / _PIXEL_M
        size = np.ceil(flat.max(axis=(0, 1))).astype(int) + 1
        nearest, _ = rasterize(flat, corners[:, :, 2], (int(size[1]), int(size[0])))
        is_seen[nearest[nearest != NOTHING]] = True
    return is_seen


class Surface:
    """A mesh to be asked for closest points. `vertices` [V, 3] and `triangles` [T, 3]."""

    def __init__(self, vertices: NDArray, triangles: NDArray) -> None:
        self.corners: Doubles = np.asarray(vertices, np.float64)[triangles]
        self.centroids: Doubles = self.corners.mean(axis=1)

    def closest(self, point: Doubles, candidates: Longs) -> tuple[int, Doubles]:
        """The point of `candidates` (triangle numbers) nearest to `point`: triangle and barycentric coordinates [3]."""
        shares = _closest_shares(self.corners[candidates], point)
        places = np.einsum("tk,tki->ti", shares, self.corners[candidates])
        best = int(np.argmin(np.linalg.norm(places - point, axis=1)))
        return int(candidates[best]), shares[best]


def _closest_shares(corners: Doubles, point: Doubles) -> Doubles:
    """Barycentric coordinates [T, 3] of the point of each triangle [T, 3, 3] that is closest to `point`."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac, ap = b - a, c - a, point - a
    d11, d12, d22 = (ab * ab).sum(1), (ab * ac).sum(1), (ac * ac).sum(1)
    d1, d2 = (ap * ab).sum(1), (ap * ac).sum(1)
    area = np.maximum(d11 * d22 - d12 * d12, 1e-24)
    v, w = (d22 * d1 - d12 * d2) / area, (d11 * d2 - d12 * d1) / area
    inside = np.stack([1.0 - v - w, v, w], axis=1)
    # Outside the triangle the closest point lies on one of the edges.
    options = [inside, *(_on_edge(corners, point, one, other) for one, other in ((0, 1), (1, 2), (2, 0)))]
    distances = np.stack(
        [np.linalg.norm(np.einsum("tk,tki->ti", shares, corners) - point, axis=1) for shares in options]
    )
    distances[0, inside.min(axis=1) < 0.0] = np.inf
    chosen = distances.argmin(axis=0)
    return np.stack(options)[chosen, np.arange(len(corners))]


def _on_edge(corners: Doubles, point: Doubles, one: int, other: int) -> Doubles:
    start, along = corners[:, one], corners[:, other] - corners[:, one]
    share = np.clip(((point - start) * along).sum(1) / np.maximum((along * along).sum(1), 1e-24), 0.0, 1.0)
    shares = np.zeros((len(corners), 3))
    shares[:, one], shares[:, other] = 1.0 - share, share
    return shares
