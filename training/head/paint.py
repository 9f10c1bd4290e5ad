"""A painted face: skin, lips, brows, lashes and short hair, irises, teeth, tongue.

Colours are functions of where a texel lies on the mean head (and of the source's region masks), so every feature is a
few lines: a place, a width, a colour. sRGB throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.head.identities import EYES_MIDPOINT_M
from training.head.raster import NOTHING, rasterize
from training.head.source import Doubles, Longs, Source
from training.head.topology import Topology
from training.head.unwrap import AXIS_Z_M, EYE_PATCH_ANGLE_RAD, PATCHES, SKIN_TOP_V, patch_square, unwrap

TEXTURE_SIZE = 768

_SKIN = (228, 186, 162)
_BLUSH = (214, 134, 116)
_SHADE = (176, 122, 104)
_LIPS = (194, 116, 106)
_LIP_LINE = (112, 52, 50)
_LASHES = (46, 32, 28)
_HAIR = (74, 54, 43)
_SCLERA = (226, 220, 214)
_IRIS_OUTER, _IRIS_INNER, _IRIS_RIM, _PUPIL = (84, 98, 96), (124, 112, 78), (38, 42, 44), (10, 9, 9)
_TOOTH, _GUM = (232, 224, 206), (186, 104, 100)
_TONGUE, _TONGUE_DEEP = (196, 104, 100), (120, 52, 52)
_MOUTH_FRONT, _MOUTH_DEEP = (140, 66, 62), (36, 14, 14)

_IRIS_ANGLE_RAD, _PUPIL_ANGLE_RAD = np.radians(21.0), np.radians(8.0)
# The left brow from the nose outwards, relative to the left eyeball's centre: its middle and half its width over x; m.
_BROW_START, _BROW_END = -0.0175, 0.0245
_BROW_MIDDLE = np.polynomial.Polynomial.fit([-0.0175, -0.006, 0.006, 0.016, 0.0245], [17.6, 20.6, 23.0, 22.4, 17.4], 3)
_BROW_HALF_WIDTH = np.polynomial.Polynomial.fit([-0.0175, -0.006, 0.006, 0.016, 0.0245], [3.4, 3.9, 3.3, 2.3, 0.9], 3)
# The hairline's height over the azimuth (0 = front, 180 = nape) in degrees and metres.
_HAIRLINE_DEG = np.array([0.0, 25.0, 45.0, 58.0, 70.0, 84.0, 97.0, 112.0, 130.0, 180.0])
_HAIRLINE_Y = np.array([0.102, 0.103, 0.095, 0.073, 0.050, 0.004, 0.022, -0.012, -0.044, -0.052])


@dataclass(frozen=True, eq=False)
class Coat:
    """uv float64 [T, 2], triangles int64 [F, 3] into it, texture uint8 [H, W, 3] with v = 1 in its first row."""

    uv: Doubles
    triangles: Longs
    texture: NDArray[np.uint8]


def paint(source: Source, topology: Topology, head: Doubles) -> Coat:
    """The coat of the mean `head` [V, 3]."""
    unwrapped = unwrap(source, topology, head)
    size = TEXTURE_SIZE
    picture = np.zeros((size, size, 3))
    skin_rows = size - int(size * (1.0 - SKIN_TOP_V))
    on_skin = unwrapped.patch < 0
    attributes = np.zeros((topology.vertex_count, 7))
    attributes[:, :3] = head
    attributes[: len(topology.source_ids), 3:5] = source.base.uv[topology.source_ids]
    for column, name in ((5, "mouth"), (6, "sockets")):
        attributes[np.unique(topology.triangles[unwrapped.patch == PATCHES.index(name)]), column] = 1.0
    texels = _skin_texels(
        unwrapped.uv[unwrapped.triangles[on_skin]], attributes[topology.triangles[on_skin]], (skin_rows, size)
    )
    picture[size - skin_rows :] = _skin(texels, source)
    for name in PATCHES:
        left, bottom, right, top = (round(edge * size) for edge in patch_square(name))
        v, u = np.mgrid[0 : top - bottom, 0 : right - left]
        u, v = (u + 0.5) / (right - left), 1.0 - (v + 0.5) / (top - bottom)
        picture[size - top : size - bottom, left:right] = _PAINTERS[name](u, v)
    return Coat(unwrapped.uv, unwrapped.triangles, np.clip(picture + 0.5, 0, 255).astype(np.uint8))


def _skin_texels(uv: Doubles, attributes: Doubles, shape: tuple[int, int]) -> Doubles:
    """Attributes [rows, columns, A] of the outermost triangle at each texel of the skin's part of the texture.

    uv [F, 3, 2]; attributes [F, 3, A], the first three being the place. Texels that no triangle covers take those of
    the nearest covered one in their row.
    """
    rows, columns = shape
    pixels = np.stack([uv[:, :, 0] * columns - 0.5, rows - uv[:, :, 1] * columns - 0.5], axis=2)
    radius = np.hypot(attributes[:, :, 0], attributes[:, :, 2] - AXIS_Z_M)
    triangle, shares = rasterize(pixels, radius, shape, wraps=True)
    texels = np.einsum("rcs,rcsa->rca", shares, attributes[triangle])
    for row, is_missing in zip(texels, triangle == NOTHING, strict=True):
        missing, known = np.flatnonzero(is_missing), np.flatnonzero(~is_missing)
        if len(known) > 0:
            row[missing] = row[known[np.abs(missing[:, None] - known).argmin(axis=1)]]
    return texels


def _skin(texels: Doubles, source: Source) -> Doubles:
    """texels [..., 7]: place, source coordinates, and how near the insides of mouth and sockets are (1 = at them)."""
    place, source_uv, mouth_edge, lid_edge = np.split(texels, [3, 5, 6], axis=-1)
    mouth_edge, lid_edge = mouth_edge[..., 0], lid_edge[..., 0]
    x, y, z = np.abs(place[..., 0]), place[..., 1], place[..., 2]
    eye_y = EYES_MIDPOINT_M[1]
    # Between two islands of the source's layout the masks mean nothing, so each counts only around its own place.
    ears = source.mask("ears", source_uv) * _step(x, 0.050, 0.060)
    lips = np.maximum(source.mask("lips", source_uv) * _step(z, 0.02, 0.03), mouth_edge)
    rims = np.maximum(source.mask("eyelids", source_uv) * _step(z, 0.0, 0.01), lid_edge)
    colour = np.broadcast_to(np.array(_SKIN, np.float64), place.shape).copy()
    blush = (
        0.42 * _spot(x - 0.040, (y + 0.012) * 1.1, 0.020)
        + 0.45 * _spot(x, y + 0.012, 0.012) * _step(z, 0.045, 0.06)
        + 0.18 * _spot(x, y + 0.092, 0.018)
        + 0.35 * ears
    )
    colour = _blend(colour, _BLUSH, blush)
    under_eye = 0.30 * _spot((x - 0.028) * 0.6, y - eye_y + 0.017, 0.006)
    lid = 0.35 * _spot((x - 0.030) * 0.55, y - eye_y - 0.012, 0.006)
    colour = _blend(colour, _SHADE, under_eye + lid + 0.15 * _spot(x - 0.014, y - eye_y, 0.006))
    colour = _blend(colour, _LIPS, 0.8 * _step(lips, 0.1, 0.9))
    colour = _blend(colour, _LIP_LINE, 0.75 * _step(mouth_edge, 0.35, 1.0))
    # The upper lid's rim carries the lashes; the lower one's only a hint of them. The eye's corners lie at eye_y.
    upper = _step(y - eye_y, -0.002, 0.002)
    colour = _blend(colour, _LASHES, (0.25 + 0.65 * upper) * _step(rims, 0.4, 0.8))
    colour = _blend(colour, _HAIR, brow_cover(x, y, z))
    return _blend(colour, _HAIR, hair_cover(place) * (1.0 - ears))


def brow_cover(x: Doubles, y: Doubles, z: Doubles) -> Doubles:
    """How much brow there is at a place: strokes that lean outwards, thinning to the tail."""
    along = x - 0.0305
    middle = EYES_MIDPOINT_M[1] + 0.001 * _BROW_MIDDLE(along)
    half = 0.001 * np.maximum(_BROW_HALF_WIDTH(along), 0.3)
    ends = _step(along, _BROW_START - 0.001, _BROW_START + 0.009) * (1.0 - _step(along, _BROW_END - 0.006, _BROW_END))
    band = 1.0 - _step(np.abs(y - middle) / half, 0.35, 1.2)
    strokes = 0.95 + 0.05 * np.sin((along * 0.9 - (y - middle) * 0.55) * 2.0 * np.pi / 0.0016)
    return 0.85 * ends * band * strokes * (z > 0.0)


def hair_cover(place: Doubles) -> Doubles:
    """How much short hair there is at places [..., 3] of the mean head, 0..1."""
    azimuth = np.degrees(np.abs(np.arctan2(place[..., 0], place[..., 2] - AXIS_Z_M)))
    line = np.interp(azimuth, _HAIRLINE_DEG, _HAIRLINE_Y)
    return 0.86 * _step(place[..., 1], line - 0.004, line + 0.010)


def _eyes(u: Doubles, v: Doubles) -> Doubles:
    from_pupil = 2.0 * np.hypot(u - 0.5, v - 0.5) / (1.0 - 2.0 * 0.04) * EYE_PATCH_ANGLE_RAD
    around = np.arctan2(v - 0.5, u - 0.5)
    colour = np.broadcast_to(np.array(_SCLERA, np.float64), (*u.shape, 3)).copy()
    colour = _blend(colour, (212, 160, 150), 0.6 * _step(from_pupil, np.radians(45.0), np.radians(85.0)))
    fibres = 0.5 + 0.25 * np.sin(around * 23.0) * np.sin(around * 9.0 + 1.0) + 0.25 * np.sin(around * 41.0 + 2.0)
    iris = _blend(np.broadcast_to(np.array(_IRIS_OUTER, np.float64), colour.shape), (140, 148, 140), 0.35 * fibres)
    iris = _blend(iris, _IRIS_INNER, 1.0 - _step(from_pupil, _PUPIL_ANGLE_RAD, 0.75 * _IRIS_ANGLE_RAD))
    iris = _blend(iris, _IRIS_RIM, 0.85 * _step(from_pupil, 0.82 * _IRIS_ANGLE_RAD, _IRIS_ANGLE_RAD))
    edge = np.radians(1.5)
    colour = _blend(colour, iris, 1.0 - _step(from_pupil, _IRIS_ANGLE_RAD - edge, _IRIS_ANGLE_RAD + edge))
    return _blend(colour, _PUPIL, 1.0 - _step(from_pupil, _PUPIL_ANGLE_RAD - edge, _PUPIL_ANGLE_RAD + edge))


def _teeth(u: Doubles, v: Doubles) -> Doubles:
    """Upper row in the upper half (roots up), lower row in the lower half (roots down)."""
    from_root = np.where(v > 0.5, 2.0 * (1.0 - v), 2.0 * v)
    gap = np.abs((u - 0.5) * 22.0 - np.round((u - 0.5) * 22.0))
    colour = np.broadcast_to(np.array(_TOOTH, np.float64), (*u.shape, 3))
    colour = _blend(colour, (150, 120, 100), 0.55 * (1.0 - _step(gap, 0.0, 0.10)))
    colour = _blend(colour, _GUM, 1.0 - _step(from_root, 0.10, 0.22))
    # No light reaches the molars past the cheeks; unshaded they shine through the corners of a smile.
    return _blend(colour, _MOUTH_DEEP, 0.9 * _step(np.abs(u - 0.5), 0.14, 0.30))


def _tongue(u: Doubles, v: Doubles) -> Doubles:
    colour = _blend(np.broadcast_to(np.array(_TONGUE_DEEP, np.float64), (*u.shape, 3)), _TONGUE, _step(v, 0.1, 0.8))
    return _blend(colour, _TONGUE_DEEP, 0.35 * _spot(u - 0.5, 0.0 * v, 0.03))


def _mouth(u: Doubles, v: Doubles) -> Doubles:
    return _blend(np.broadcast_to(np.array(_MOUTH_DEEP, np.float64), (*u.shape, 3)), _MOUTH_FRONT, _step(v, 0.55, 1.0))


def _sockets(u: Doubles, v: Doubles) -> Doubles:
    return np.broadcast_to(np.array((190, 120, 110), np.float64), (*u.shape, 3))


_PAINTERS = {"eyes": _eyes, "teeth": _teeth, "tongue": _tongue, "mouth": _mouth, "sockets": _sockets}


def _blend(under: Doubles, over: tuple[int, int, int] | Doubles, amount: Doubles) -> Doubles:
    return under + (np.asarray(over) - under) * np.clip(amount, 0.0, 1.0)[..., None]


def _spot(x: Doubles, y: Doubles, spread: float) -> Doubles:
    return np.exp(-0.5 * (x * x + y * y) / spread**2)


def _step(value: Doubles, start: float | Doubles, end: float | Doubles) -> Doubles:
    share = np.clip((value - start) / (end - start), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
