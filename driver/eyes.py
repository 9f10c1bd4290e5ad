"""Eyelids and gaze, measured on the landmarks around the eyes once the head's pose is known.

An eyelid's closure is how much smaller the gap between the lids is than the model's gap would be, for a head in this
pose that looks in this direction with open eyes; what "open" is, is learnt for each person. Gaze is where the ray
through the iris meets the eyeball, which is placed relative to the corners of the eye that are really seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driver.face_fit import FaceFit
from models.head.flame import LEFT_EYE, RIGHT_EYE, HeadModel
from models.head.landmarks import LandmarkEmbedding, LandmarkRig
from protocol.frame import Floats

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class EyeLandmarks:
    """MediaPipe's numbers around one eye; upper and lower lid in pairs above each other."""

    joint: int
    outer: int
    inner: int
    upper: tuple[int, ...]
    lower: tuple[int, ...]
    iris: int


EYES = (
    EyeLandmarks(LEFT_EYE, 263, 362, (385, 386, 387), (380, 374, 373), 473),
    EyeLandmarks(RIGHT_EYE, 33, 133, (158, 159, 160), (153, 145, 144), 468),
)


@dataclass(frozen=True)
class EyeSettings:
    """open_ratio        a person's gap between open lids over the model's, before it is known
    closed_ratio         what is left of the gap, over the open one, when the lids touch (the tracker never says zero)
    dead_zone            closures below it are noise
    open_rise_s, open_fall_s   half-lives of the learnt open gap, towards a larger and towards a smaller one
    shut                 closure from which the iris is not seen, and the gaze rests
    """

    open_ratio: float = 1.0
    closed_ratio: float = 0.2
    dead_zone: float = 0.1
    open_rise_s: float = 0.5
    open_fall_s: float = 12.0
    open_range: tuple[float, float] = (0.6, 1.6)
    shut: float = 0.65
    gaze_limit_rad: float = math.radians(40.0)
    vergence: float = 0.5


@dataclass(frozen=True, eq=False)
class Eyes:
    """eyelids [2] 0..1, gaze [4] rad (motion space), and the person's open gaps [2] over the model's."""

    eyelids: Floats
    gaze: Floats
    open_ratio: Doubles


class EyeMeter:
    """Measures one head's eyes. Keeps no state: what is learnt is in `Eyes`."""

    def __init__(self, head: HeadModel, embedding: LandmarkEmbedding, settings: EyeSettings) -> None:
        self._settings = settings
        self._rigs = [LandmarkRig(head, embedding, _ids(eye)) for eye in EYES]
        self._neutral = np.zeros(head.expression_count, np.float32)

    def start(self) -> Eyes:
        """Open eyes looking ahead, of a person not yet known."""
        return Eyes(np.zeros(2, np.float32), np.zeros(4, np.float32), np.full(2, self._settings.open_ratio))

    def measure(
        self, observed: Floats, shape: Floats, face: FaceFit, before: Eyes, elapsed_s: float, *, learn: bool
    ) -> Eyes:
        """The eyes behind `observed` [478, 2] (normalised) of a head posed as `face` says.

        `learn` lets the open gaps follow what is seen, `elapsed_s` after `before`.
        """
        seen = [self._one_eye(eye, observed, shape, face, before) for eye in range(len(EYES))]
        ratio = np.array([one.ratio for one in seen])
        visible = np.array([one.visible for one in seen])
        open_ratio = self._open(before.open_ratio, ratio, elapsed_s) if learn else before.open_ratio
        closed = self._settings.closed_ratio * open_ratio
        closure = (open_ratio - ratio) / (open_ratio - closed)
        # The far eye of a turned head is a guess; it does what the near one does.
        closure = visible * closure + (1.0 - visible) * closure[::-1]
        eyelids = np.clip((closure - self._settings.dead_zone) / (1.0 - self._settings.dead_zone), 0.0, 1.0)
        weight = visible * (eyelids < self._settings.shut) + 1e-6
        pitch, yaw = np.array([one.pitch for one in seen]), np.array([one.yaw for one in seen])
        gaze = before.gaze
        if weight.max() > 0.1:
            common_pitch, common_yaw = np.average(pitch, weights=weight), np.average(yaw, weights=weight)
            apart = self._settings.vergence * float(min(weight)) * (yaw - common_yaw)
            yaw = common_yaw + apart
            limit = self._settings.gaze_limit_rad
            gaze = np.clip([common_pitch, yaw[0], common_pitch, yaw[1]], -limit, limit).astype(np.float32)
        return Eyes(eyelids.astype(np.float32), gaze, open_ratio)

    def _one_eye(self, eye: int, observed: Floats, shape: Floats, face: FaceFit, before: Eyes) -> _Eye:
        names, rig = EYES[eye], self._rigs[eye]
        rest, centre = rig.at_rest(shape), rig.joint(names.joint, shape, self._neutral)
        posed = rig.posed(rest, centre, self._neutral, np.zeros(3), np.zeros(2), before.gaze).points
        placed = posed @ face.rotation.T + face.translation
        predicted = placed[:, :2] / -placed[:, 2:]
        seen = observed[rig.ids]
        pairs = len(names.upper)
        model_gap = (predicted[2 : 2 + pairs] - predicted[2 + pairs : 2 + 2 * pairs]).mean(axis=0)
        seen_gap = (seen[2 : 2 + pairs] - seen[2 + pairs : 2 + 2 * pairs]).mean(axis=0)
        ratio = float(seen_gap @ model_gap / max(float(model_gap @ model_gap), 1e-12))
        iris = seen[-1] - (seen[:2] - predicted[:2]).mean(axis=0)
        pitch, yaw = _direction(iris, centre, float(np.linalg.norm(rest[-1] - centre)), face)
        outward = face.rotation @ rig.outward.mean(axis=0)
        facing = -float(outward @ placed.mean(axis=0)) / float(np.linalg.norm(placed.mean(axis=0)))
        return _Eye(ratio, pitch, yaw, visible=float(np.clip((facing - 0.2) / 0.3, 0.0, 1.0)))

    def _open(self, before: Doubles, ratio: Doubles, elapsed_s: float) -> Doubles:
        """Blinks and half-shut eyes pull the open gap down slowly, and not at all when they are far from open."""
        settings = self._settings
        half_life_s = np.where(ratio > before, settings.open_rise_s, settings.open_fall_s)
        pull = np.where(ratio > 0.6 * before, 1.0 - 0.5 ** (elapsed_s / half_life_s), 0.0)
        return np.clip(before + pull * (ratio - before), *settings.open_range)


@dataclass(frozen=True)
class _Eye:
    ratio: float
    pitch: float
    yaw: float
    visible: float


def _ids(eye: EyeLandmarks) -> tuple[int, ...]:
    return (eye.outer, eye.inner, *eye.upper, *eye.lower, eye.iris)


def _direction(iris: Floats, centre: Floats, radius_m: float, face: FaceFit) -> tuple[float, float]:
    """Pitch and yaw in rad of an eyeball whose iris is seen in the direction `iris` [2]."""
    start = face.rotation.T @ -face.translation - centre
    ray = face.rotation.T @ np.array([iris[0], iris[1], -1.0])
    ray /= np.linalg.norm(ray)
    along = -float(start @ ray)
    nearest = start + along * ray
    inside = radius_m**2 - float(nearest @ nearest)
    x, y, z = nearest - math.sqrt(max(inside, 0.0)) * ray
    return -math.atan2(y, math.hypot(x, z)), math.atan2(x, z)
