"""Where it all comes together: a person acts before a camera, and clips come out with their truths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.head.arkit import ArkitMap
from models.head.flame import open_head
from training.data.face_store import PICTURE_PX, FaceClip, FaceClipInfo
from training.render.acting import Acts, act_out, draw_moment, draw_moments
from training.render.canvas import HEAD, NOTHING, Canvas, Lighting, Solid, seen, window_matrix
from training.render.framing import Shot, draw_shot, rays, truths_of
from training.render.light import Environment, draw_environment, draw_lighting
from training.render.occluders import draw_occluder
from training.render.people import Cast, Person, rigid
from training.render.sensor import Sensor, draw_sensor, exposure, take

Picture = NDArray[np.uint8]
Doubles = NDArray[np.float64]

_OVERSAMPLING = 2  # drawn pixels a stored one, along each side
_SHARES = {"stills": 0.80, "clip": 0.12, "nobody": 0.08}
_STILLS, _CLIP, _NOBODY, _MOMENTS = 12, (24, 48), 12, 12
# How often a face changes whose moments are shown. The head moves as in pictures of a camera, so that none is blurred.
_MOMENTS_HZ = 2.0
_RATES_HZ = (25.0, 29.97, 30.0)
_HELD_OUT = {0: "val", 10: "test"}  # of every 20 units
_OCCLUDED = 0.22
# Of the stills' people: seen clearly, from the front, with nothing before them. What a face does, and only fine detail
# shows, is learnt from these first; among pictures that are all dark, blurred or covered it is not learnt at all.
_CLEAR = 0.45
_SHUTTER = 0.6  # the longest exposure, as a share of the time between two pictures
_USUAL_RATE_HZ = 30.0


@dataclass(frozen=True)
class Unit:
    """One person before the camera: `pictures` of a kind (stills, clip, moments, nobody). Its number decides all."""

    seed: int
    number: int
    kind: str
    pictures: int

    def names(self) -> list[str]:
        stem = f"{self.kind}-{self.seed}-{self.number:06d}"
        return [stem] if self.kind in ("clip", "moments") else [f"{stem}-{k:02d}" for k in range(self.pictures)]


def plan_unit(seed: int, number: int) -> Unit:
    rng = np.random.default_rng([seed, number])
    kind = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    return Unit(
        seed,
        number,
        kind,
        {"stills": _STILLS, "nobody": _NOBODY}.get(kind) or int(rng.integers(_CLIP[0], _CLIP[1] + 1)),
    )


def plan_moments(seed: int, number: int) -> Unit:
    """A person who stays in one place and makes one face after the other."""
    return Unit(seed, number, "moments", _MOMENTS)


@dataclass(frozen=True, eq=False)
class Set:
    """What surrounds a shot. drift_m: how far each occluder moves a second, in the head's frame."""

    environment: Environment
    lighting: Lighting
    sensor: Sensor
    occluders: list[Solid]
    drift_m: Doubles


class Studio:
    """One a process: it owns the canvas."""

    def __init__(self, data: Path | None) -> None:
        self.canvas = Canvas(_OVERSAMPLING * PICTURE_PX)
        self.cast = Cast(self.canvas, data)
        self._arkit = ArkitMap(open_head())

    def make(self, unit: Unit) -> list[FaceClip]:
        """The clips of a unit, the same for the same unit."""
        rng = np.random.default_rng([unit.seed, unit.number, 1])
        if unit.kind == "nobody":
            return [self._nobody(rng, self._info(unit, name, "nobody")) for name in unit.names()]
        person = self.cast.person(rng)
        if unit.kind == "clip":
            rate_hz = float(rng.choice(_RATES_HZ))
            acts = act_out(rng, self._arkit, unit.pictures, rate_hz)
            info = self._info(unit, unit.names()[0], "synthetic", rate_hz)
            return [
                self.film(rng, person, acts, draw_shot(rng, unit.pictures, rate_hz), self.draw_set(rng, person), info)
            ]
        if unit.kind == "moments":
            info = self._info(unit, unit.names()[0], "synthetic", _MOMENTS_HZ)
            shot = draw_shot(rng, unit.pictures, _USUAL_RATE_HZ, is_clear=True)
            acts = draw_moments(rng, self._arkit, unit.pictures)
            return [self.film(rng, person, acts, shot, self.draw_set(rng, person, is_clear=True), info)]
        is_clear = bool(rng.uniform() < _CLEAR)
        return [
            self.film(
                rng,
                person,
                draw_moment(rng, self._arkit),
                draw_shot(rng, 1, _USUAL_RATE_HZ, is_clear),
                self.draw_set(rng, person, is_clear),
                self._info(unit, name, "synthetic"),
            )
            for name in unit.names()
        ]

    def draw_set(self, rng: np.random.Generator, person: Person, is_clear: bool = False) -> Set:
        environment = draw_environment(rng, self.cast.environments)
        count = int(rng.integers(1, 3)) if not is_clear and rng.uniform() < _OCCLUDED else 0
        things = [draw_occluder(rng, person.hands) for _ in range(count)]
        return Set(
            environment,
            draw_lighting(rng, environment),
            draw_sensor(rng, PICTURE_PX, is_clear),
            [self.canvas.solid(thing.mesh, thing.texture, thing.finish) for thing in things],
            rng.normal(0.0, 0.03, (count, 3)),
        )

    def film(
        self, rng: np.random.Generator, person: Person, acts: Acts, shot: Shot, around: Set, info: FaceClipInfo
    ) -> FaceClip:
        """The pictures of `acts` (n moments) as `shot` (n poses) shows them, with their truths."""
        rate_hz = info.rate_hz or _USUAL_RATE_HZ
        shutter = rng.uniform(0.0, _SHUTTER)
        pictures, rows, gain = list[Picture](), list[dict[str, Doubles]](), 0.0
        behind, inside = np.empty(0, np.float32), np.empty(0, bool)
        for number in range(len(acts.expression)):
            rotation, translation = shot.rotations[number], shot.translations[number]
            vertices = person.rig.vertices(
                acts.expression[number], acts.jaw[number], acts.eyelids[number], acts.gaze[number]
            )
            solids = person.solids(vertices, rotation, translation)
            for solid, drift in zip(around.occluders, around.drift_m, strict=True):
                solid.model = rigid(rotation, translation + rotation @ (drift * number / rate_hz))
            crop = shot.crops[number]
            if number == 0 or crop is not shot.crops[number - 1]:
                directions, inside = rays(shot.camera, crop, PICTURE_PX)
                behind = around.environment.behind(directions)
            window = window_matrix(shot.camera.focal_px, shot.camera.centre_px, crop.from_picture())
            drawn = self.canvas.draw([*solids, *around.occluders], window, around.lighting)
            depth, owner = seen(drawn)
            light = _composed(drawn[:, :, :3], owner, behind)
            gain = gain or exposure(light, around.sensor, _halved(owner == HEAD))
            taken = take(rng, light, around.sensor, gain, _motion_px(rng, shot, number, shutter))
            taken[~inside] = 0
            pictures.append(taken)
            rows.append(truths_of(shot, number, vertices, depth, owner))
        count = len(pictures)
        told = {name: np.stack([row[name] for row in rows]).astype(np.float32) for name in rows[0]}
        told |= {name: np.asarray(values, np.float32) for name, values in vars(acts).items()}
        told["shape"] = np.tile(person.shape, (count, 1))
        told["presence"] = told["belief"] = np.ones((count, 1), np.float32)
        told["time_s"] = (np.arange(count, dtype=np.float32) / rate_hz)[:, None]
        return FaceClip(info, np.stack(pictures), told)

    def _nobody(self, rng: np.random.Generator, info: FaceClipInfo) -> FaceClip:
        """Surroundings without a face, in three of four with hands or things in front."""
        environment, shot = draw_environment(rng, self.cast.environments), draw_shot(rng, 1, _USUAL_RATE_HZ)
        tone = rng.uniform(0.1, 0.9)
        things = [
            draw_occluder(rng, (tone**2.2, (0.78 * tone) ** 2.2, (0.65 * tone) ** 2.2))
            for _ in range(int(rng.integers(0, 4)))
        ]
        solids = [self.canvas.solid(thing.mesh, thing.texture, thing.finish) for thing in things]
        for solid in solids:
            solid.model = rigid(shot.rotations[0], shot.translations[0] + rng.normal(0.0, 0.06, 3))
        crop, sensor = shot.crops[0], draw_sensor(rng, PICTURE_PX)
        window = window_matrix(shot.camera.focal_px, shot.camera.centre_px, crop.from_picture())
        drawn = self.canvas.draw(solids, window, draw_lighting(rng, environment))
        directions, inside = rays(shot.camera, crop, PICTURE_PX)
        light = _composed(drawn[:, :, :3], seen(drawn)[1], environment.behind(directions))
        picture = take(rng, light, sensor, exposure(light, sensor))
        picture[~inside] = 0
        none = np.zeros((1, 1), np.float32)
        return FaceClip(
            info, picture[None], {"presence": none, "visibility": np.zeros((1, 4), np.float32), "time_s": none}
        )

    def _info(self, unit: Unit, name: str, kind: str, rate_hz: float = 0.0) -> FaceClipInfo:
        person = f"{'moments' if unit.kind == 'moments' else 'synthetic'}-{unit.seed}-{unit.number:06d}"
        return FaceClipInfo(name, person, "render", kind, "free", _HELD_OUT.get(unit.number % 20, "train"), rate_hz)


def _composed(drawn: NDArray[np.float32], owner: Picture, behind: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is drawn [S, S, 3] before what is behind [s, s, 3], at the latter's size."""
    size = (len(behind), len(behind))
    cover = cv2.resize((owner != NOTHING).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return cv2.resize(drawn, size, interpolation=cv2.INTER_AREA) + (1.0 - cover[..., None]) * behind


def _halved(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return mask[::_OVERSAMPLING, ::_OVERSAMPLING]


def _motion_px(rng: np.random.Generator, shot: Shot, number: int, shutter: float) -> tuple[float, float]:
    """How far the head moves over the crop while the shutter is open: along its course, or a shake in a still."""
    if len(shot.translations) == 1:
        x, y = rng.normal(0.0, 2.0, 2) if rng.uniform() < 0.25 else (0.0, 0.0)
        return float(x), float(y)
    before, after = max(number - 1, 0), min(number + 1, len(shot.translations) - 1)
    nose = np.array([0.0, 0.0, 0.07])
    ends = [shot.rotations[k] @ nose + shot.translations[k] for k in (before, after)]
    step = shutter * (ends[1] - ends[0]) / max(after - before, 1)
    pixels = shot.camera.focal_px / -shot.translations[number, 2] / shot.crops[number].side_px * PICTURE_PX
    return float(step[0] * pixels), float(-step[1] * pixels)
