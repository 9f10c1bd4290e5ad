"""MakeHuman's CC0 hair, beards, brows and skins, laid on the open head.

A garment's vertex is three vertices of MakeHuman's base mesh, their shares, and an offset; `training.render.bake` tied
that mesh to the head. Meshes under other licences than MakeHuman's own are left out.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import csr_matrix
from scipy.spatial import KDTree

from models.head.flame import HeadModel, open_head
from training.head.raster import rasterize
from training.head.unwrap import AXIS_Z_M, SKIN_TOP_V
from training.render.bake import TIES_PATH
from training.render.meshes import Floats, Mesh

FOLDER = Path("models/makehuman")
_UNIT_M = 0.106  # what training.head.source takes MakeHuman's decimetre for
_BY_OTHERS = "_01"  # names that end so came with a licence of their own
_NEIGHBOURS = 5
SKIN_COLUMNS_PX = 512
SKIN_ROWS_PX = round(SKIN_COLUMNS_PX * SKIN_TOP_V)


@dataclass(frozen=True, eq=False)
class Growth:
    """Hair of some kind on the mean head.

    texture  uint8 [H, W, 4], greys whose linear mean is a half: the colour comes as a tint
    follow   [N, V]: carries the head's displacements from the mean head to the mesh's vertices
    """

    name: str
    mesh: Mesh
    texture: NDArray[np.uint8]
    follow: csr_matrix


def followers(points: Floats, head: HeadModel) -> csr_matrix:
    """[N, V]: each point moves as the skin's vertices near it do, the nearer the more."""
    skin = np.unique(head.f[head.groups == 0]) if head.groups is not None else np.arange(head.vertex_count)
    distances, near = KDTree(head.v_template[skin]).query(points, k=_NEIGHBOURS)
    shares = 1.0 / (np.asarray(distances) + 2e-3)
    shares /= shares.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(points)), _NEIGHBOURS)
    return csr_matrix(
        (shares.ravel(), (rows, skin[np.asarray(near).ravel()])), (len(points), head.vertex_count), dtype=np.float32
    )


def load_growths(data: Path, kind: str) -> list[Growth]:
    """All of SHARED/models/makehuman's "hair" (beards too) or "eyebrows", by name; empty where there are none."""
    files = sorted((data / FOLDER / "proxies" / kind).glob("*/*.json.gz"))
    return [_growth(file) for file in files if not file.name.removesuffix(".json.gz").endswith(_BY_OTHERS)]


def _growth(path: Path) -> Growth:
    content = json.loads(gzip.decompress(path.read_bytes()))
    base = np.load(TIES_PATH)["vertices"].astype(np.float64)
    vertices = np.einsum("nk,nkd->nd", np.array(content["weights"]), base[np.array(content["ref_vIdxs"])])
    vertices += _UNIT_M * np.array(content["offsets"])
    # What hangs out of the tie's reach stays at its end.
    vertices = np.where(np.isfinite(vertices), vertices, np.nanmean(vertices, axis=0))
    corners, places = _faces(content["faces"])
    uv = np.array(content["uvs"][0], np.float32).reshape(-1, 2)
    pairs, index = np.unique(np.stack([corners.ravel(), places.ravel()], axis=1), axis=0, return_inverse=True)
    mesh = Mesh(vertices[pairs[:, 0]].astype(np.float32), index.reshape(-1, 3).astype(np.int32), uv[pairs[:, 1]])
    picture = path.parent / content["materials"][0]["mapDiffuse"]
    texture = np.array(Image.open(picture).convert("RGBA").resize((256, 256), Image.Resampling.BOX))
    linear = (texture[:, :, :3].mean(axis=2) / 255.0) ** 2.2
    linear *= 0.5 / max(float(linear[texture[:, :, 3] > 127].mean()), 1e-3)
    texture[:, :, :3] = (255.0 * np.clip(linear, 0.0, 1.0) ** (1.0 / 2.2))[..., None]
    return Growth(path.name.removesuffix(".json.gz"), mesh, texture, followers(mesh.vertices, open_head()))


def _faces(numbers: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Triangles [M, 3] as vertices and as texture places, of three.js's face list (JSON model format 3)."""
    corners, places = list[list[int]](), list[list[int]]()
    at = 0
    while at < len(numbers):
        kind = numbers[at]
        count = 4 if kind & 1 else 3
        vertices = numbers[at + 1 : at + 1 + count]
        at += 1 + count + bool(kind & 2)
        uv = [0] * count
        at += bool(kind & 4)
        if kind & 8:
            uv = numbers[at : at + count]
            at += count
        at += bool(kind & 16) + count * bool(kind & 32) + bool(kind & 64) + count * bool(kind & 128)
        for two, three in ((1, 2), (2, 3))[: count - 2]:
            corners.append([vertices[0], vertices[two], vertices[three]])
            places.append([uv[0], uv[two], uv[three]])
    return np.array(corners), np.array(places)


@cache
def skin_texels() -> tuple[Floats, Floats]:
    """(place on the mean head float32 [R, C, 3] m, coordinates in MakeHuman's skins float32 [R, C, 2], v up) of each
    texel of the head's skin. Rows begin at the top of the skin's part of the texture."""
    head = open_head()
    assert head.uv is not None
    assert head.f_uv is not None
    assert head.groups is not None
    skin_uv = np.load(TIES_PATH)["uv"]
    corners = head.uv[head.f_uv].astype(np.float64)
    rows = (head.groups == 0) & np.isfinite(skin_uv).all(axis=(1, 2)) & (corners[:, :, 1] < SKIN_TOP_V).all(axis=1)
    place = head.v_template[head.f[rows]].astype(np.float64)
    size = SKIN_COLUMNS_PX
    pixels = np.stack([corners[rows, :, 0] * size - 0.5, SKIN_ROWS_PX - corners[rows, :, 1] * size - 0.5], axis=2)
    radius = np.hypot(place[:, :, 0], place[:, :, 2] - AXIS_Z_M)
    triangle, shares = rasterize(pixels, radius, (SKIN_ROWS_PX, size), wraps=True)
    attributes = np.concatenate([place, skin_uv[rows].astype(np.float64)], axis=2)
    texels = np.einsum("rcs,rcsa->rca", shares, attributes[triangle])
    missing = triangle < 0
    covered = KDTree(np.argwhere(~missing))
    _, near = covered.query(np.argwhere(missing))
    texels[missing] = texels[~missing][near]
    return texels[:, :, :3].astype(np.float32), texels[:, :, 3:].astype(np.float32)


def load_skins(data: Path) -> list[Floats]:
    """MakeHuman's skins in the open head's own layout: float32 [R, C, 3] in 0..1, sRGB, sorted by file name."""
    _, uv = skin_texels()
    skins = list[Floats]()
    for file in sorted((data / FOLDER / "skins").glob("*/textures/*.png")):
        picture = np.asarray(Image.open(file).convert("RGB"), np.float32) / 255.0
        height, width, _ = picture.shape
        x = np.clip(uv[:, :, 0] * width - 0.5, 0.0, width - 1.001)
        y = np.clip((1.0 - uv[:, :, 1]) * height - 0.5, 0.0, height - 1.001)
        column, row = x.astype(int), y.astype(int)
        right, down = (x - column)[..., None], (y - row)[..., None]
        above = (1.0 - right) * picture[row, column] + right * picture[row, column + 1]
        below = (1.0 - right) * picture[row + 1, column] + right * picture[row + 1, column + 1]
        skins.append((1.0 - down) * above + down * below)
    return skins
