"""Where light comes from and what is behind: environments, key lights, clutter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.render.canvas import Lighting
from training.render.meshes import Floats

FOLDER = Path("images/hdri_blender_cc0")
_SMALL = (32, 64)  # rows, columns of what irradiance is summed over
# Of the spherical harmonics (1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2): their norms, and the cosine lobe's share of each
# band over pi (Ramamoorthi and Hanrahan 2001).
_NORMS = np.array([0.282095, 0.488603, 0.488603, 0.488603, 1.092548, 1.092548, 0.315392, 1.092548, 0.546274])
_LOBES = np.array([1.0] + [2.0 / 3.0] * 3 + [0.25] * 5)


@dataclass(frozen=True, eq=False)
class Environment:
    """radiance float32 [H, 2H, 3], linear; the middle column is straight ahead of the camera (-z), row 0 above."""

    radiance: Floats

    def irradiance(self) -> Floats:
        """float32 [9, 3] in the order of the canvas, as radiance reflected by a white diffuse surface."""
        rows, columns = _SMALL
        small = cv2.resize(self.radiance, (columns, rows), interpolation=cv2.INTER_AREA)
        down = (np.arange(rows) + 0.5) * np.pi / rows
        around = ((np.arange(columns) + 0.5) / columns - 0.5) * 2.0 * np.pi
        x = np.sin(down)[:, None] * np.sin(around)
        y = np.cos(down)[:, None] + 0.0 * around
        z = -np.sin(down)[:, None] * np.cos(around)
        basis = np.stack([1.0 + 0 * x, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y])
        area = np.sin(down)[:, None] * (np.pi / rows) * (2.0 * np.pi / columns)
        sums = np.einsum("krc,rcb->kb", basis * area, small)
        return (sums * (_NORMS**2 * _LOBES)[:, None]).astype(np.float32)

    def behind(self, rays: Floats) -> Floats:
        """What lies in directions [H, W, 3] of the camera frame: float32 [H, W, 3]."""
        height, width, _ = self.radiance.shape
        around = np.arctan2(rays[..., 0], -rays[..., 2])
        down = np.arccos(np.clip(rays[..., 1] / np.linalg.norm(rays, axis=2), -1.0, 1.0))
        x = ((around / (2.0 * np.pi) + 0.5) * width - 0.5).astype(np.float32)
        y = (down / np.pi * height - 0.5).astype(np.float32)
        behind = cv2.remap(self.radiance, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(behind, np.float32)


def load_environments(data: Path | None) -> list[Floats]:
    """The radiance of SHARED's environment maps, float32 [256, 512, 3], mean 1; empty where there are none."""
    files = sorted((data / FOLDER).glob("*.exr")) if data else []
    maps = list[Floats]()
    for file in files:
        import OpenEXR

        with OpenEXR.File(str(file)) as content:
            pixels = np.asarray(content.channels()["RGB"].pixels, np.float32)
        small = np.asarray(cv2.resize(pixels, (512, 256), interpolation=cv2.INTER_AREA), np.float32)
        small = np.clip(np.nan_to_num(small), 0.0, 100.0)
        maps.append(small / max(float(small.mean()), 1e-6))
    return maps


def draw_environment(rng: np.random.Generator, maps: list[Floats]) -> Environment:
    """One of the maps, turned and perhaps mirrored, or a room of clutter; one in three is clutter."""
    if maps and rng.uniform() < 0.66:
        radiance = np.roll(maps[rng.integers(len(maps))], int(rng.integers(512)), axis=1)
        radiance = radiance[:, ::-1] if rng.uniform() < 0.5 else radiance
    else:
        radiance = _clutter(rng)
    blur = rng.uniform(0.3, 4.0)
    blurred = cv2.GaussianBlur(np.ascontiguousarray(radiance, np.float32), (0, 0), blur)
    return Environment(np.asarray(blurred, np.float32))


def draw_lighting(rng: np.random.Generator, environment: Environment) -> Lighting:
    """From soft surroundings alone to one hard light from the side, or a coloured screen in the dark."""
    irradiance = environment.irradiance() * rng.uniform(0.3, 1.0)
    # Cameras take out most of the light's colour.
    irradiance += rng.uniform(0.4, 0.95) * (irradiance.mean(axis=1, keepdims=True) - irradiance)
    kind = rng.choice(["soft", "key", "side", "two", "screen"], p=[0.25, 0.3, 0.17, 0.15, 0.13])
    directions = np.stack([_direction(rng, 1.2), _direction(rng, 1.6)])
    colours = np.zeros((2, 3))
    shadow = float(rng.uniform(0.3, 1.0))
    warmth = rng.uniform(-0.35, 0.35)
    tint = np.array([1.0 + warmth, 1.0, 1.0 - warmth])
    if kind == "soft":
        colours[0] = rng.uniform(0.0, 0.4) * tint
    elif kind == "key":
        colours[0] = rng.uniform(0.5, 2.0) * tint
    elif kind == "side":
        side = rng.choice([-1.0, 1.0])
        directions[0] = _unit(np.array([side, rng.uniform(-0.2, 0.6), rng.uniform(-0.1, 0.5)]))
        colours[0] = rng.uniform(1.0, 3.5) * tint
        irradiance *= rng.uniform(0.15, 0.7)
    elif kind == "two":
        colours[0], colours[1] = rng.uniform(0.4, 1.5) * tint, rng.uniform(0.2, 1.2) * rng.uniform(0.4, 1.0, 3)
    else:
        directions[0] = _unit(np.array([rng.normal(0.0, 0.3), rng.uniform(-0.5, 0.2), 1.0]))
        colours[0] = rng.uniform(0.3, 1.2) * rng.uniform(0.25, 1.0, 3)
        irradiance *= rng.uniform(0.05, 0.4)
        shadow *= 0.5
    return Lighting(irradiance.astype(np.float32), directions.astype(np.float32), colours.astype(np.float32), shadow)


def _direction(rng: np.random.Generator, widest_rad: float) -> NDArray[np.float64]:
    aside, up = rng.uniform(-widest_rad, widest_rad), rng.uniform(-0.3, 1.1)
    return _unit(np.array([np.sin(aside) * np.cos(up), np.sin(up), np.cos(aside) * np.cos(up)]))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


def _clutter(rng: np.random.Generator) -> Floats:
    """Walls, windows, shelves, lamps, patterns: shapes of any colour on a coloured ground, float32 [256, 512, 3]."""
    room = np.empty((256, 512, 3), np.float32)
    room[:] = rng.uniform(0.05, 0.9, 3) * rng.uniform(0.2, 1.0)
    room *= np.linspace(rng.uniform(0.5, 1.5), rng.uniform(0.5, 1.5), 256, dtype=np.float32)[:, None, None]
    for _ in range(int(rng.integers(10, 140))):
        x, y = int(rng.integers(512)), int(rng.normal(128, 45))
        wide, tall = (rng.gamma(1.5, 14.0, 2) + 2).astype(int).tolist()
        colour = (rng.uniform(0.0, 1.0, 3) * rng.choice([0.3, 0.8, 1.0])).tolist()
        kind = rng.integers(4)
        if kind == 0:
            cv2.rectangle(room, (x, y), (x + wide, y + tall), colour, -1)
        elif kind == 1:
            cv2.ellipse(room, (x, y), (wide, tall), float(rng.uniform(0, 180)), 0, 360, colour, -1)
        elif kind == 2:
            cv2.line(
                room, (x, y), (x + int(rng.normal(0, 60)), y + int(rng.normal(0, 60))), colour, int(rng.integers(1, 5))
            )
        else:  # books, blinds, bars
            for k in range(int(rng.integers(3, 14))):
                shade = [band * float(rng.uniform(0.4, 1.4)) for band in colour]
                cv2.rectangle(
                    room, (x + k * (wide // 3 + 1), y), (x + k * (wide // 3 + 1) + wide // 4, y + tall), shade, -1
                )
    for _ in range(int(rng.integers(0, 4))):  # lamps and windows
        x, y = int(rng.integers(512)), int(rng.integers(20, 140))
        bright = (rng.uniform(2.0, 15.0) * rng.uniform(0.7, 1.0, 3)).tolist()
        cv2.rectangle(room, (x, y), (x + int(rng.integers(4, 50)), y + int(rng.integers(4, 60))), bright, -1)
    room *= 1.0 + 0.1 * rng.normal(size=(256, 512, 1)).astype(np.float32)
    return np.clip(room, 0.0, None) / max(float(room.mean()), 1e-6)
