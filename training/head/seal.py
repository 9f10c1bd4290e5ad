"""Closed lips that touch: what can be seen between them from the front, and the small shift that shuts it."""

from __future__ import annotations

import numpy as np

from models.head.flame import GROUPS
from training.head.raster import NOTHING, rasterize
from training.head.source import Doubles, Longs
from training.head.topology import Topology

_PIXEL_M = 0.0001
_HALF_WIDTH_M, _HALF_HEIGHT_M = 0.035, 0.012
_OVERLAP_M = 0.0002
_REACH_M = 0.004
_SPREAD_M = 0.0015
_PASSES = 4


def mouth_gap(vertices: Doubles, triangles: Longs, outside: Longs, centre_y_m: float) -> tuple[Doubles, Doubles]:
    """Height in m and middle in m of the opening between the lips, seen from the front, over x.

    `outside` are the indices of triangles that belong to the closed face (skin but not the mouth's inside); the window
    is 70 mm wide and 24 mm high around `centre_y_m`. Columns without an opening have height 0 and middle NaN.
    """
    columns, rows = round(2 * _HALF_WIDTH_M / _PIXEL_M), round(2 * _HALF_HEIGHT_M / _PIXEL_M)
    corners = vertices[triangles]
    pixels = np.stack(
        [(corners[:, :, 0] + _HALF_WIDTH_M) / _PIXEL_M, (centre_y_m + _HALF_HEIGHT_M - corners[:, :, 1]) / _PIXEL_M],
        axis=2,
    )
    nearest, _ = rasterize(pixels, corners[:, :, 2], (rows, columns))
    is_open = ~np.isin(nearest, outside) & (nearest != NOTHING)
    count = is_open.sum(axis=0)
    y = centre_y_m + _HALF_HEIGHT_M - _PIXEL_M * np.arange(rows)
    middle = np.where(count > 0, (is_open * y[:, None]).sum(axis=0) / np.maximum(count, 1), np.nan)
    return count * _PIXEL_M, middle


def sealed(vertices: Doubles, topology: Topology, inside_mouth: Longs) -> Doubles:
    """Offsets [V, 3] that shut the lips of the nearly closed mouth in `vertices` [V, 3].

    `inside_mouth` are the triangles of the mouth's inside. Lips move by half of the opening each, and less
    with the distance from it.
    """
    skin = np.flatnonzero(topology.groups == GROUPS.index("skin"))
    outside = np.setdiff1d(skin, inside_mouth)
    rim = np.intersect1d(topology.triangles[inside_mouth], topology.triangles[outside])
    centre_y_m = float(np.median(vertices[rim, 1]))
    moving = topology.parts["skin"]
    moved = vertices.copy()
    for _ in range(_PASSES):
        height, middle = mouth_gap(moved, topology.triangles, outside, centre_y_m)
        if not height.any():
            break
        x = np.arange(len(height)) * _PIXEL_M - _HALF_WIDTH_M
        open_at = np.flatnonzero(height)
        place = moved[moving]
        # Neighbouring columns move along, so that the lips stay smooth.
        reach = np.exp(-0.5 * ((place[:, :1] - x[open_at]) / _SPREAD_M) ** 2)
        strongest = np.argmax(reach * height[open_at], axis=1)
        amount = 0.5 * (height[open_at][strongest] + _OVERLAP_M) * reach[np.arange(len(place)), strongest]
        rise = place[:, 1] - middle[open_at][strongest]
        near = np.exp(-0.5 * (rise / _REACH_M) ** 2) * (place[:, 2] > np.median(vertices[rim, 2]) - 0.015)
        moved[moving, 1] -= np.sign(rise) * amount * near
        moved = 0.5 * (moved + topology.mirrored(moved))
    return moved - vertices
