"""What people have on and around their heads: shells of hair and cloth, glasses, headphones, clothes.

Everything is in the head's own frame, fitted to one person's head at rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.head.flame import LEFT_EYE, RIGHT_EYE, open_head
from training.render.canvas import Finish
from training.render.meshes import Floats, Mesh, ball, grid_mesh, joined, normals, rings, tube

Doubles = NDArray[np.float64]
Texture = NDArray[np.uint8]

_AXIS_Z_M = -0.045
# The hairline's height above the eyes' level over the azimuth in degrees (0 in front, 180 at the nape).
_LINE_DEG = np.array([0.0, 30.0, 50.0, 62.0, 75.0, 90.0, 110.0, 140.0, 180.0])
_LINE_Y_M = np.array([0.100, 0.098, 0.080, 0.050, 0.006, 0.012, -0.01, -0.04, -0.05])


@dataclass(frozen=True, eq=False)
class Garment:
    """A mesh, its texture (None: white) and its finish."""

    mesh: Mesh
    texture: Texture | None
    finish: Finish


@cache
def _skin() -> tuple[NDArray[np.int32], Doubles, Doubles]:
    """(triangles of the skin [M, 3], azimuth in degrees [V] with the sign of x, height [V] m) of the mean head."""
    head = open_head()
    assert head.groups is not None
    place = head.v_template.astype(np.float64)
    azimuth = np.degrees(np.arctan2(place[:, 0], place[:, 2] - _AXIS_Z_M))
    return head.f[head.groups == 0], azimuth, place[:, 1]


def hair_shell(rng: np.random.Generator, rest: Floats, colour: tuple[float, float, float]) -> Garment:
    """Hair as a layer over the skull, with a ragged line: short, thick, or falling over the forehead and the ears."""
    _, azimuth, height = _skin()
    fringe = rng.uniform(0.0, 0.065) if rng.uniform() < 0.5 else 0.0
    sides = rng.uniform(0.0, 0.07) if rng.uniform() < 0.4 else 0.0
    parting = rng.uniform(-30.0, 30.0)
    drop = fringe * np.exp(-0.5 * ((azimuth - parting) / 32.0) ** 2) + sides * _bump(np.abs(azimuth), 95.0, 28.0)
    above = height - np.interp(np.abs(azimuth), _LINE_DEG, _LINE_Y_M) + drop + rng.uniform(-0.012, 0.006)
    thick = rng.uniform(0.004, 0.010) + rng.uniform(0.0, 0.03) * _bump(height, 0.13, 0.045) * rng.uniform()
    wave = 1.0 + 0.15 * np.sin(np.radians(azimuth) * rng.integers(2, 9) + rng.uniform(0, 6))
    shell = _shell(rest, above, thick * wave * np.clip(above / 0.03, 0.25, 1.0))
    return Garment(shell, _strands(rng), Finish(gloss=float(rng.uniform(0.1, 0.35)), tint=_times(colour, 2.5)))


def cap_shell(rng: np.random.Generator, rest: Floats) -> list[Garment]:
    """A beanie, or a cap with a peak."""
    _, azimuth, height = _skin()
    level = rng.uniform(0.065, 0.09)
    above = height - level + 0.02 * (1.0 - np.cos(np.radians(azimuth))) * rng.uniform(0.3, 1.0)
    texture, finish = _cloth(rng)
    thick = rng.uniform(0.006, 0.02)
    garments = [Garment(_shell(rest, above, np.full(len(height), thick)), texture, finish)]
    if rng.uniform() < 0.5:
        front = rest[np.argmin(np.abs(height - level) + 0.01 * np.abs(azimuth))]
        turn = np.linspace(-1.15, 1.15, 14)[None]
        reach = np.linspace(0.0, rng.uniform(0.05, 0.08), 5)[:, None]
        places = np.stack(
            [
                (0.068 + 0.35 * reach) * np.sin(turn),
                front[1] + 0.004 - 6.0 * reach**2 - 0.012 * np.sin(turn) ** 2,
                front[2] - 0.068 + (0.074 + reach) * np.cos(turn),
            ],
            axis=-1,
        )
        garments.append(Garment(grid_mesh(places), texture, finish))
    return garments


def scarf_shell(rng: np.random.Generator, rest: Floats) -> Garment:
    """A headscarf: over hair, ears and neck, open at the face."""
    _, azimuth, height = _skin()
    middle, half = rng.uniform(-0.01, 0.0), rng.uniform(0.095, 0.105)
    oval = np.hypot(azimuth / rng.uniform(62.0, 74.0), (height - middle) / half)
    above = np.where(np.abs(azimuth) > 100.0, 0.1, (oval - 1.0) * 0.08)
    texture, finish = _cloth(rng)
    thick = 0.006 + 0.012 * np.clip(above / 0.03, 0.0, 1.0)
    return Garment(_shell(rest, above, thick), texture, finish)


def glasses(rng: np.random.Generator, rest: Floats) -> list[Garment]:
    """Frames of some form, and lenses: clear, tinted or dark."""
    head = open_head()
    joints = head.J_regressor @ rest
    left, right = joints[LEFT_EYE], joints[RIGHT_EYE]
    half_gap = 0.5 * (left[0] - right[0])
    widest = min(0.028, half_gap - 0.004)  # of eyes close together, which leave little room between the lenses
    wide, tall = rng.uniform(min(0.021, widest), widest), rng.uniform(0.015, 0.024)
    power = rng.choice([2.0, 2.6, 4.0])
    angle = np.linspace(0.0, 2.0 * np.pi, 29)
    cosine, sine = np.cos(angle), np.sin(angle)
    outline = np.stack(
        [wide * np.sign(cosine) * np.abs(cosine) ** (2 / power), tall * np.sign(sine) * np.abs(sine) ** (2 / power)], 1
    )
    middle_y = left[1] - 0.003 + rng.uniform(-0.004, 0.002)
    near = rest[(np.abs(rest[:, 1] - middle_y) < 0.02) & (np.abs(rest[:, 0]) > 0.012) & (np.abs(rest[:, 0]) < 0.05)]
    front_z = float(near[:, 2].max()) + 0.003
    rim, curve = rng.uniform(0.0006, 0.0022), 2.2
    places = dict[int, Doubles]()
    for sign, eye in ((1, left), (-1, right)):
        x = eye[0] + sign * (0.002 + outline[:, 0])
        y = middle_y + outline[:, 1]
        places[sign] = np.stack([x, y, front_z - curve * x**2 * 1.2], axis=1)
    frames = [] if rng.uniform() < 0.15 else [tube(path, rim, 6) for path in places.values()]
    inner = [path[np.argmin(np.abs(path[:, 0]))] for path in places.values()]
    frames.append(tube([inner[0], 0.5 * (inner[0] + inner[1]) + [0.0, 0.003, 0.003], inner[1]], max(rim, 0.001), 6))
    ear_x = float(
        np.abs(rest[(np.abs(rest[:, 1] - left[1]) < 0.01) & (rest[:, 2] < -0.03) & (rest[:, 2] > -0.05)][:, 0]).max()
    )
    for sign, path in places.items():
        hinge = path[np.argmax(sign * path[:, 0])] + [0.0, 0.4 * tall, 0.0]
        ear = np.array([sign * (ear_x + 0.002), left[1] + 0.002, -0.045])
        elbow = np.array(
            [sign * max(ear_x - 0.004, sign * hinge[0] + 0.004), 0.5 * (hinge[1] + ear[1]), hinge[2] - 0.012]
        )
        frames.append(tube([hinge, elbow, ear, ear - [0.0, 0.02, 0.012]], max(rim, 0.0012), 6))
    dark = rng.uniform() < 0.2
    # Dark ones hide the eyes altogether: half seen they would count as seen.
    opacity = 1.0 if dark else float(rng.uniform(0.03, 0.3))
    tint = tuple((rng.uniform(0.0, 0.08, 3) if dark else rng.uniform(0.2, 1.0, 3)).tolist())
    brightest = float(rng.choice([0.06, 1.0]))
    metal = tuple((brightest * rng.uniform() * rng.uniform(0.3, 1.0, 3)).tolist())
    lens = joined(
        [grid_mesh(np.stack([np.broadcast_to(path.mean(axis=0), path.shape), path])) for path in places.values()]
    )
    return [
        Garment(joined(frames), None, Finish(gloss=float(rng.uniform(0.3, 0.9)), tint=metal)),
        Garment(lens, None, Finish(gloss=1.0, opacity=opacity, tint=tint)),
    ]


def headphones(rng: np.random.Generator, rest: Floats) -> list[Garment]:
    """A band over the crown, a cup on each ear, sometimes a microphone on a boom."""
    wide = float(np.abs(rest[(np.abs(rest[:, 1]) < 0.03) & (rest[:, 2] < 0.0)][:, 0]).max()) + 0.006
    crown = float(rest[:, 1].max()) + rng.uniform(0.004, 0.015)
    middle = np.array([0.0, rng.uniform(-0.005, 0.012), rng.uniform(-0.05, -0.03)])
    angle = np.linspace(0.0, np.pi, 19)
    band = middle + np.stack([wide * np.cos(angle), (crown - middle[1]) * np.sin(angle) ** 0.8, 0.0 * angle], axis=1)
    thick = rng.uniform(0.004, 0.012)
    big = rng.uniform(0.024, 0.042)
    parts = [tube(band, thick, 8)]
    parts += [ball(middle - [sign * wide, 0.0, 0.0], [rng.uniform(0.012, 0.02), big, 0.85 * big]) for sign in (-1, 1)]
    shade = float(rng.choice([0.02, 0.05, 0.3, 0.8]))
    colour = tuple((shade * rng.uniform(0.6, 1.0, 3)).tolist())
    finish = Finish(gloss=float(rng.uniform(0.1, 0.6)), tint=colour)
    garments = [Garment(joined(parts), None, finish)]
    if rng.uniform() < 0.4:
        side = rng.choice([-1.0, 1.0])
        end = np.array([side * rng.uniform(0.02, 0.05), rng.uniform(-0.075, -0.045), rng.uniform(0.065, 0.085)])
        start = middle - [-side * wide, 0.02, 0.0]
        bend = 0.5 * (start + end) + [side * 0.022, -0.012, 0.01]
        boom = joined([tube([start, bend, end], 0.0025, 6), ball(end, [0.009, 0.009, 0.009], 6, 8)])
        garments.append(Garment(boom, None, finish))
    return garments


def clothes(rng: np.random.Generator, rest: Floats) -> list[Garment]:
    """Shoulders and a collar of some height; bare skin goes on under a low one. In the head's frame, at rest."""
    neck = rest[np.abs(rest[:, 1] - (rest[:, 1].min() + 0.035)) < 0.012]
    across, deep = float(np.abs(neck[:, 0]).max()), 0.5 * float(np.ptp(neck[:, 2]))
    z = float(neck[:, 2].mean())
    top = float(rest[:, 1].min()) + rng.choice([0.012, 0.03, 0.05, 0.06])
    broad = rng.uniform(0.17, 0.23)
    below = np.array([0.0, -0.012, -0.03, -0.05, -0.09, -0.18, -0.4])
    wide = np.array([across + 0.006, across + 0.02, across + 0.045, 0.75 * broad, 0.96 * broad, broad, broad])
    thick = np.array([deep + 0.006, deep + 0.014, deep + 0.022, 0.085, 0.105, 0.12, 0.125])
    texture, finish = _cloth(rng)
    garments = [Garment(rings(top + below, wide, thick, np.full(7, z), 36), texture, finish)]
    if rng.uniform() < 0.15:  # a scarf
        high = float(rest[:, 1].min()) + rng.uniform(0.03, 0.06)
        around = rings(
            high + np.array([-0.05, -0.03, -0.01, 0.01]),
            np.array([1.5, 1.75, 1.6, 1.25]) * across,
            np.array([1.5, 1.7, 1.6, 1.3]) * deep,
            np.full(4, z),
        )
        garments.append(Garment(around, *_cloth(rng)))
    return garments


def hair_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """Linear: black and brown mostly, blond, red, grey, and now and then a dyed one."""
    table = [
        (0.012, 0.01, 0.009),
        (0.035, 0.022, 0.015),
        (0.09, 0.05, 0.028),
        (0.2, 0.12, 0.06),
        (0.48, 0.34, 0.18),
        (0.28, 0.09, 0.035),
        (0.35, 0.34, 0.33),
        (0.75, 0.73, 0.7),
    ]
    if rng.uniform() < 0.05:
        return tuple(rng.uniform(0.02, 0.7, 3).tolist())
    base = np.array(table[rng.choice(len(table), p=[0.24, 0.2, 0.17, 0.1, 0.11, 0.05, 0.08, 0.05])])
    return tuple((base * rng.uniform(0.7, 1.3) * rng.uniform(0.92, 1.08, 3)).tolist())


def _shell(rest: Floats, above: Doubles, thickness: Doubles) -> Mesh:
    """The skin where `above` > 0 (m over its border, which the texture's v = 0.2 cuts out), pushed outwards."""
    triangles, azimuth, _ = _skin()
    kept = triangles[(above[triangles] > -0.008).any(axis=1) & (above[triangles] > -0.03).all(axis=1)]
    used, index = np.unique(kept, return_inverse=True)
    outwards = normals(rest, triangles)[used]
    uv = np.stack([azimuth[used] / 360.0 + 0.5, np.clip(0.2 + above[used] / 0.05, 0.0, 1.0)], axis=1)
    lift = np.maximum(thickness[used], 0.0015)[:, None]
    return Mesh(
        (rest[used] + lift * outwards).astype(np.float32), index.reshape(-1, 3).astype(np.int32), uv.astype(np.float32)
    )


def _strands(rng: np.random.Generator) -> Texture:
    """Hair seen from outside: light and dark strands, their tips ending at different heights. uint8 [64, 256, 4]."""
    u = np.linspace(0.0, 1.0, 64)[::-1, None]
    fine, coarse = rng.uniform(size=256), np.repeat(rng.uniform(size=64), 4)
    tips = 0.08 + 0.2 * rng.uniform(0.2, 1.0) * (0.5 * fine + 0.5 * coarse)
    shade = np.clip(0.55 + 0.3 * (fine + coarse - 1.0) + 0.12 * u, 0.1, 1.0)
    texture = np.empty((64, 256, 4), np.uint8)
    texture[..., :3] = (255.0 * np.clip(shade * 1.2, 0, 1))[..., None]
    texture[..., 3] = 255 * (u > tips)
    return texture


def _cloth(rng: np.random.Generator) -> tuple[Texture, Finish]:
    """Plain, striped, checked or mottled."""
    rows, columns = np.mgrid[0:64, 0:64]
    one, other = rng.uniform(0.02, 1.0, 3) * rng.uniform(0.2, 1.0), rng.uniform(0.02, 1.0, 3)
    period = int(rng.choice([4, 8, 16]))
    kind = rng.integers(4)
    mask = [0 * rows, rows // period % 2, (rows // period + columns // period) % 2, rng.uniform(size=(64, 64)) < 0.3][
        kind
    ]
    picture = np.where(np.asarray(mask)[..., None] > 0, other, one) * rng.uniform(0.88, 1.0, (64, 64, 1))
    return (255.0 * np.clip(picture, 0.0, 1.0)).astype(np.uint8), Finish(gloss=float(rng.uniform(0.0, 0.15)))


def _bump(value: Doubles, middle: float, spread: float) -> Doubles:
    return np.exp(-0.5 * ((value - middle) / spread) ** 2)


def _times(colour: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor
