"""Points on a triangle mesh: the closest one to a point in space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Longs = NDArray[np.int64]


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
