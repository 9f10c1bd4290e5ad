"""The coat of one person: skin of any human tone, lips, brows, stubble, freckles, eyes, teeth.

Colours are sRGB in 0..1; masks are functions of the place on the mean head, as in `training.head.paint`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.head.flame import open_head
from training.head.identities import EYES_MIDPOINT_M
from training.head.paint import brow_cover, hair_cover
from training.head.unwrap import PATCHES, patch_square
from training.render.makehuman import SKIN_COLUMNS_PX, SKIN_ROWS_PX, skin_texels
from training.render.meshes import Floats

Reals = NDArray[np.floating]

# From the lightest skin to the darkest.
_TONES = (
    np.array(
        [
            (250, 222, 206),
            (240, 204, 180),
            (226, 180, 150),
            (205, 152, 118),
            (170, 116, 84),
            (134, 90, 66),
            (100, 68, 52),
            (76, 53, 44),
        ],
        np.float32,
    )
    / 255.0
)
_IRISES = (
    np.array(
        [
            (70, 42, 24),
            (50, 30, 20),
            (96, 64, 34),
            (120, 96, 52),
            (96, 112, 76),
            (110, 128, 140),
            (84, 116, 150),
            (128, 138, 140),
        ],
        np.float32,
    )
    / 255.0
)
_IRIS_RADIUS = 0.5 * 21.0 / 110.0  # of the eyes' patch, in its sides


@dataclass(frozen=True)
class Complexion:
    """tone 0 (lightest) .. 1 (darkest); hair and lipstick sRGB; amounts 0..1; brow_width about 1."""

    tone: float
    hue: float
    skins: tuple[int, int]
    hair: tuple[float, float, float]
    scalp: float
    stubble: float
    brow: float
    brow_width: float
    brow_shift_m: float
    blush: float
    freckles: float
    contrast: float
    lips: float
    lipstick: tuple[float, float, float] | None
    liner: float
    iris: int
    teeth: float


def draw_complexion(rng: np.random.Generator, hair: tuple[float, float, float], scalp: float, skins: int) -> Complexion:
    """A random one; `skins` is how many MakeHuman skins there are."""
    first = int(rng.integers(max(skins, 1)))
    made_up = rng.uniform() < 0.25
    return Complexion(
        tone=float(rng.beta(0.9, 1.4)),
        hue=float(rng.normal(0.0, 0.025)),
        skins=(first, int(rng.integers(max(skins, 1)))),
        hair=hair,
        scalp=scalp,
        stubble=float(rng.uniform(0.15, 0.9)) if rng.uniform() < 0.3 else 0.0,
        brow=float(rng.uniform(0.1, 1.0)),
        brow_width=float(rng.uniform(0.6, 1.7)),
        brow_shift_m=float(rng.normal(0.0, 0.0015)),
        blush=float(rng.beta(1.5, 3.0)),
        freckles=float(rng.uniform(0.2, 1.0)) if rng.uniform() < 0.15 else 0.0,
        contrast=float(rng.uniform(0.7, 1.6)),
        lips=float(rng.uniform(0.15, 1.0)),
        lipstick=_lipstick(rng) if made_up else None,
        liner=float(rng.uniform(0.3, 1.0)) if made_up else float(rng.uniform(0.0, 0.4)),
        iris=int(rng.choice(len(_IRISES), p=[0.25, 0.2, 0.15, 0.1, 0.08, 0.08, 0.09, 0.05])),
        teeth=float(rng.uniform(0.6, 1.0)),
    )


def paint_coat(rng: np.random.Generator, who: Complexion, skins: list[Floats]) -> NDArray[np.uint8]:
    """The head's texture uint8 [512, 512, 3], first row at v = 1."""
    masks = _masks()
    place = skin_texels()[0]
    aim = _tone(who.tone)
    aim = np.clip(aim * (1.0 + who.hue * np.array([0.6, 0.0, -1.0], np.float32)), 0.02, 1.0)
    if skins:
        share = float(rng.uniform())
        base = share * skins[who.skins[0]] + (1.0 - share) * skins[who.skins[1]]
        base = base / base[masks.face].mean(axis=0)
        colour = aim * np.clip(base, 0.2, 2.0) ** who.contrast
    else:
        colour = np.broadcast_to(aim, place.shape).copy()
    red = np.array([1.0, 0.62, 0.58], np.float32)
    light = 1.0 - 0.6 * who.tone
    colour = _towards(colour, colour * red, light * 0.6 * who.blush * masks.blush)
    colour *= (
        1.0 + 0.05 * _noise(rng, 4)[..., None] + 0.03 * _noise(rng, 24)[..., None] + 0.025 * _noise(rng, 100)[..., None]
    )
    if who.freckles:
        spots = np.clip(_noise(rng, 110) - 1.2, 0.0, 1.0) * masks.freckles
        colour = _towards(colour, colour * np.array([0.62, 0.5, 0.42], np.float32), who.freckles * spots)
    colour = _towards(colour, colour * 0.72, light * 0.4 * masks.under_eye * rng.uniform())
    natural = aim * np.array([0.86, 0.58, 0.58], np.float32)
    if who.lipstick is not None:
        colour = _towards(colour, np.array(who.lipstick, np.float32), masks.lips * (0.5 + 0.5 * who.lips))
    else:
        colour = _towards(colour, natural, masks.lips * who.lips)
    hair = np.array(who.hair, np.float32)
    if who.stubble:
        grain = np.clip(0.75 + 0.35 * _noise(rng, 200), 0.0, 1.0)
        colour = _towards(colour, 0.55 * hair + 0.25 * colour, who.stubble * masks.beard * grain)
    x, y, z = np.moveaxis(place.astype(np.float64), -1, 0)
    middle = EYES_MIDPOINT_M[1] + 0.021
    brows = brow_cover(np.abs(x), middle + (y - who.brow_shift_m - middle) / who.brow_width, z).astype(np.float32)
    colour = _towards(colour, 0.8 * hair, who.brow * brows * np.clip(0.9 + 0.3 * _noise(rng, 180), 0.0, 1.0))
    colour = _towards(colour, np.array([0.05, 0.04, 0.04], np.float32), masks.rims * (0.45 + 0.5 * who.liner))
    if who.scalp:
        grain = np.clip(0.85 + 0.25 * _noise(rng, 200), 0.0, 1.0)
        colour = _towards(
            colour, hair * np.clip(1.0 + 0.2 * _noise(rng, 60), 0.3, 2.0)[..., None], who.scalp * masks.scalp * grain
        )
    size = SKIN_COLUMNS_PX
    coat = _plain_coat().copy()
    coat[size - SKIN_ROWS_PX :] = colour
    _colour_eyes(rng, coat, _IRISES[who.iris] * rng.uniform(0.7, 1.3))
    _patch(coat, "teeth")[:] *= who.teeth * np.array([1.0, rng.uniform(0.9, 1.0), rng.uniform(0.72, 1.0)], np.float32)
    flesh = np.array([rng.uniform(0.75, 1.1), rng.uniform(0.6, 1.05), rng.uniform(0.65, 1.05)], np.float32)
    _patch(coat, "tongue")[:] *= flesh
    _patch(coat, "mouth")[:] *= flesh
    _patch(coat, "sockets")[:] *= aim / _tone(0.2)
    return np.clip(255.0 * coat + 0.5, 0.0, 255.0).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class _Masks:
    """Each float32 [R, C] over the skin's texels, 0..1; `face` is bool."""

    face: NDArray[np.bool_]
    lips: Floats
    rims: Floats
    beard: Floats
    scalp: Floats
    blush: Floats
    freckles: Floats
    under_eye: Floats


@cache
def _masks() -> _Masks:
    place = skin_texels()[0]
    x, y, z = np.abs(place[..., 0]), place[..., 1], place[..., 2]
    painted = _plain_coat()[SKIN_COLUMNS_PX - SKIN_ROWS_PX :]
    eye_y = float(EYES_MIDPOINT_M[1])
    # The open head's own paint knows where lips and lids end: lips are red, the rims dark.
    redness = painted[..., 0] - painted[..., 1]
    near_mouth = (x < 0.032) & (y < -0.022) & (y > -0.07) & (z > 0.02)
    lips = np.where(near_mouth, np.clip((redness - 0.2) / 0.08, 0.0, 1.0), 0.0)
    near_eye = (x > 0.012) & (x < 0.052) & (np.abs(y - eye_y) < 0.014) & (z > -0.01)
    rims = np.where(near_eye, np.clip((0.62 - painted[..., 0]) / 0.4, 0.0, 1.0), 0.0)
    jaw = _step(0.6 * np.clip(x - 0.035, 0.0, 0.05) - 0.004 - y, 0.0, 0.022)
    beard = jaw * _step(y, -0.125, -0.095) * (1.0 - lips) * _step(z, -0.045, -0.015)
    return _Masks(
        face=(x < 0.05) & (y > -0.06) & (y < 0.07) & (z > 0.02),
        lips=lips.astype(np.float32),
        rims=rims.astype(np.float32),
        beard=beard.astype(np.float32),
        scalp=np.clip(hair_cover(place.astype(np.float64)) / 0.86, 0.0, 1.0).astype(np.float32),
        blush=np.clip(
            _spot(x - 0.04, y + 0.012, 0.02) + _spot(x, y + 0.012, 0.012) + 0.7 * (x > 0.07), 0.0, 1.0
        ).astype(np.float32),
        freckles=np.clip(_spot(x - 0.03, y, 0.03) + 0.3, 0.0, 1.0).astype(np.float32),
        under_eye=_spot((x - 0.028) * 0.6, y - eye_y + 0.017, 0.006).astype(np.float32),
    )


@cache
def _plain_coat() -> Floats:
    """The open head's own texture at this size, float32 [512, 512, 3] in 0..1."""
    texture = open_head().texture
    assert texture is not None
    small = cv2.resize(texture, (SKIN_COLUMNS_PX, SKIN_COLUMNS_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / 255.0


def _patch(coat: Floats, name: str) -> Floats:
    left, bottom, right, top = (round(edge * SKIN_COLUMNS_PX) for edge in patch_square(name))
    return coat[SKIN_COLUMNS_PX - top : SKIN_COLUMNS_PX - bottom, left:right]


def _colour_eyes(rng: np.random.Generator, coat: Floats, iris: Floats) -> None:
    patch = _patch(coat, PATCHES[0])
    rows, columns = patch.shape[:2]
    v, u = np.mgrid[0:rows, 0:columns]
    radius = np.hypot((u + 0.5) / columns - 0.5, (v + 0.5) / rows - 0.5)
    inside = (1.0 - _step(radius, 0.95 * _IRIS_RADIUS * 0.92, _IRIS_RADIUS * 0.94)).astype(np.float32)
    grey = patch.mean(axis=2, keepdims=True) / 0.36
    patch *= 1.0 + inside[..., None] * (iris * grey / np.maximum(patch, 0.02) - 1.0)
    sclera = np.array([rng.uniform(0.85, 1.05), rng.uniform(0.78, 1.03), rng.uniform(0.74, 1.03)], np.float32)
    patch *= 1.0 + (1.0 - inside[..., None]) * (sclera - 1.0)
    pupil = 1.0 - _step(radius, _IRIS_RADIUS * 0.3, _IRIS_RADIUS * rng.uniform(0.36, 0.6))
    patch *= (1.0 - 0.95 * pupil[..., None]).astype(np.float32)


def _lipstick(rng: np.random.Generator) -> tuple[float, float, float]:
    red, share = rng.uniform(0.35, 0.85), rng.uniform(0.1, 0.6)
    return red, red * share, red * share * rng.uniform(0.9, 1.4)


def _tone(tone: float) -> Floats:
    at = np.clip(tone, 0.0, 1.0) * (len(_TONES) - 1)
    return np.array([np.interp(at, range(len(_TONES)), _TONES[:, band]) for band in range(3)], np.float32)


def _noise(rng: np.random.Generator, cells: int) -> Floats:
    """Smooth normal noise [R, C] with about `cells` features across."""
    coarse = rng.normal(size=(max(cells * 4 // 5, 2), cells)).astype(np.float32)
    fine = cv2.resize(coarse, (SKIN_COLUMNS_PX, SKIN_ROWS_PX), interpolation=cv2.INTER_LINEAR)
    return np.asarray(fine, np.float32)


def _towards(under: Reals, over: Reals, amount: Reals) -> Reals:
    return under + (over - under) * np.clip(amount, 0.0, 1.0)[..., None]


def _spot(x: NDArray, y: NDArray, spread: float) -> NDArray:
    return np.exp(-0.5 * (x * x + y * y) / spread**2)


def _step(value: NDArray, start: float, end: float) -> NDArray:
    share = np.clip((value - start) / (end - start), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
