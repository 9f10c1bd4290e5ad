"""Texture coordinates and a painted skin, eyes, teeth and tongue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.head.source import Doubles, Longs, Source
from training.head.topology import Topology


@dataclass(frozen=True, eq=False)
class Coat:
    uv: Doubles
    triangles: Longs
    texture: NDArray[np.uint8]


def paint(source: Source, topology: Topology, head: Doubles) -> Coat:
    texture = np.zeros((8, 8, 3), np.uint8)
    cols = {0: (224, 172, 140), 1: (240, 240, 240), 2: (245, 240, 225), 3: (190, 90, 90)}
    uv = np.zeros((4, 2))
    for i, c in cols.items():
        texture[:, 2 * i : 2 * i + 2] = c
        uv[i] = (2 * i + 1) / 8, 0.5
    return Coat(uv, np.repeat(topology.groups.astype(np.int64)[:, None], 3, 1), texture)
