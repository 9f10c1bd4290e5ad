"""Which triangle covers which pixel: a small software rasteriser for baking and for measuring gaps."""

from __future__ import annotations

import numpy as np

from training.head.source import Doubles, Longs

NOTHING = -1


def rasterize(
    corners: Doubles, nearness: Doubles, shape: tuple[int, int], *, wraps: bool = False
) -> tuple[Longs, Doubles]:
    """The nearest triangle at the centre of each pixel, int64 [rows, columns] (NOTHING where there is none), and the
    shares of its corners there, float64 [rows, columns, 3].

    corners [F, 3, 2] in pixels, x right and y down, pixel centres at whole numbers; nearness [F, 3] grows towards the
    viewer; with `wraps`, columns continue at the other edge.
    """
    rows, columns = shape
    nearest = np.full(shape, NOTHING)
    best = np.full(shape, -np.inf)
    shares_at = np.zeros((*shape, 3))
    lows, highs = np.floor(corners.min(axis=1)).astype(int), np.ceil(corners.max(axis=1)).astype(int)
    seen = (highs[:, 1] >= 0) & (lows[:, 1] < rows)
    if not wraps:
        seen &= (highs[:, 0] >= 0) & (lows[:, 0] < columns)
    for index in np.flatnonzero(seen):
        one, two, three = corners[index]
        first, second = two - one, three - one
        area = first[0] * second[1] - first[1] * second[0]
        if area == 0.0:
            continue
        (left, top), (right, bottom) = lows[index], highs[index]
        x, y = np.meshgrid(np.arange(left, right + 1), np.arange(max(top, 0), min(bottom, rows - 1) + 1))
        share_two = ((x - one[0]) * second[1] - (y - one[1]) * second[0]) / area
        share_three = ((y - one[1]) * first[0] - (x - one[0]) * first[1]) / area
        shares = np.stack([1.0 - share_two - share_three, share_two, share_three], axis=2)
        inside = (shares >= -1e-6).all(axis=2)
        inside &= wraps | ((x >= 0) & (x < columns))
        column, row, shares = x[inside] % columns, y[inside], shares[inside]
        near = shares @ nearness[index]
        wins = near > best[row, column]
        row, column = row[wins], column[wins]
        best[row, column], nearest[row, column], shares_at[row, column] = near[wins], index, shares[wins]
    return nearest, shares_at
