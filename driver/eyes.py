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

from driver.face_view import Face
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
    upper: tuple[int, int, int]
    lower: tuple[int, int, int]
    iris: int

    @property
    def all(self) -> tuple[int, ...]:
        """Outer and inner corner, upper lid, lower lid, iris."""
        return (self.outer, self.inner, *self.upper, *self.lower, self.iris)


_UPPER, _LOWER = slice(2, 5), slice(5, 8)  # in the order of `EyeLandmarks.all`
_NOWHERE = np.zeros(3, np.float32)

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
    open_from            share of the open gap under which an eye is on its way to close, and says nothing about it
    facing_range         cosines to the camera at which an eye begins to be seen, and is seen fully
    vergence             how much of the difference between the eyes is believed
    wide_range           how much wider than open the gap is, over the way to closed, where eyeWide begins and is full
    shut                 closure from which the iris is not seen, and the gaze rests
    """

    open_ratio: float = 0.88
    closed_ratio: float = 0.12
    dead_zone: float = 0.1
    open_rise_s: float = 1.5
    open_fall_s: float = 4.0
    open_from: float = 0.6
    facing_range: tuple[float, float] = (0.2, 0.5)
    open_range: tuple[float, float] = (0.6, 1.6)
    wide_range: tuple[float, float] = (0.15, 0.5)
    shut: float = 0.65
    gaze_limit_rad: float = math.radians(40.0)
    vergence: float = 0.5


@dataclass(frozen=True, eq=False)
class Eyes:
    """eyelids [2] 0..1 and gaze [4] rad as in the motion space, `wide` [2] 0..1 for eyes torn open, and `open_ratio`
    [2], the person's open gaps over the model's.
    """

    eyelids: Floats
    gaze: Floats
    wide: Doubles
    open_ratio: Doubles


@dataclass(frozen=True, eq=False)
class EyeModel:
    """One person's eyes.

    rest            landmarks at rest [2 n, 3], m
    centres, radii  of the eyeballs, [2, 3] and [2], m; the sphere goes through the iris
    ahead           [2, 2]: pitch and yaw at which the iris is seen when the eye looks straight ahead, rad
    """

    rest: Floats
    centres: Floats
    radii: Doubles
    ahead: Doubles


class EyeMeter:
    """Measures one head's eyes. Keeps no state: what is learnt is in `Eyes`."""

    def __init__(self, head: HeadModel, embedding: LandmarkEmbedding, settings: EyeSettings) -> None:
        self._settings = settings
        self._rig = LandmarkRig(head, embedding, [landmark for eye in EYES for landmark in eye.all])
        self._outward = self._rig.outward.reshape(len(EYES), -1, 3).mean(axis=1)
        self._neutral = np.zeros(head.expression_count, np.float32)

    def start(self) -> Eyes:
        """Open eyes looking ahead, of a person not yet known."""
        return Eyes(
            np.zeros(2, np.float32), np.zeros(4, np.float32), np.zeros(2), np.full(2, self._settings.open_ratio)
        )

    def model(self, shape: Floats) -> EyeModel:
        """The eyes of a person."""
        centres = np.stack([self._rig.joint(eye.joint, shape, self._neutral) for eye in EYES])
        rest = self._rig.at_rest(shape)
        towards = rest.reshape(len(EYES), -1, 3)[:, -1].astype(np.float64) - centres
        ahead = np.array([_angles(*direction) for direction in towards.tolist()])
        return EyeModel(rest, centres, np.linalg.norm(towards, axis=1), ahead)

    def measure(
        self, observed: Floats, model: EyeModel, face: Face, before: Eyes, elapsed_s: float, *, learn: bool
    ) -> Eyes:
        """The eyes behind `observed` [478, 2] (normalised) of a head posed as `face` says.

        `learn` lets the open gaps follow what is seen, `elapsed_s` after `before`.
        """
        settings = self._settings
        seen = observed[self._rig.ids].reshape(len(EYES), -1, 2)
        placed, predicted = self._predicted(model, face, before.gaze)
        ratio = _gap_ratio(seen, predicted)
        visible = self._visible(placed, face)
        open_ratio = self._open(before.open_ratio, ratio, elapsed_s) if learn else before.open_ratio
        closure = (open_ratio - ratio) / (open_ratio * (1.0 - settings.closed_ratio))
        # The far eye of a turned head is a guess; it does what the near one does.
        closure = visible * closure + (1.0 - visible) * closure[::-1]
        eyelids = np.clip((closure - settings.dead_zone) / (1.0 - settings.dead_zone), 0.0, 1.0)
        trust = visible * (eyelids < settings.shut)
        gaze = self._gaze(seen, predicted, model, face, trust) if trust.max() > 0.1 else before.gaze
        low, high = settings.wide_range
        wide = np.clip((-closure - low) / (high - low), 0.0, 1.0)
        return Eyes(eyelids.astype(np.float32), gaze, wide, open_ratio)

    def _predicted(self, model: EyeModel, face: Face, gaze: Floats) -> tuple[Doubles, Doubles]:
        """Open eyes looking in the direction `gaze`: in the camera frame [2, n, 3] and normalised [2, n, 2]."""
        posed = self._rig.posed(model.rest, _NOWHERE, self._neutral, _NOWHERE, np.zeros(2), gaze).points
        placed = (posed @ face.rotation.T + face.translation).reshape(len(EYES), -1, 3)
        return placed, placed[:, :, :2] / -placed[:, :, 2:]

    def _visible(self, placed: Doubles, face: Face) -> Doubles:
        """[2] 0..1: how much of each eye faces the camera."""
        middle = placed.mean(axis=1)
        cosine = -(self._outward @ face.rotation.T * middle).sum(axis=1) / np.linalg.norm(middle, axis=1)
        low, high = self._settings.facing_range
        return np.clip((cosine - low) / (high - low), 0.0, 1.0)

    def _open(self, before: Doubles, ratio: Doubles, elapsed_s: float) -> Doubles:
        """Blinks and half-shut eyes pull the open gap down slowly, and not at all when they are far from open."""
        settings = self._settings
        half_life_s = np.where(ratio > before, settings.open_rise_s, settings.open_fall_s)
        pull = np.where(ratio > settings.open_from * before, 1.0 - 0.5 ** (elapsed_s / half_life_s), 0.0)
        return np.clip(before + pull * (ratio - before), *settings.open_range)

    def _gaze(self, seen: Floats, predicted: Doubles, model: EyeModel, face: Face, trust: Doubles) -> Floats:
        """[4]: both eyes look up or down together; sideways they may differ by part of what is measured."""
        settings = self._settings
        # The corners that are seen say where the eyeball really is.
        irises = seen[:, -1] - (seen[:, :2] - predicted[:, :2]).sum(axis=1) / 2.0
        pitch, yaw = (_directions(irises, model, face) - model.ahead).T
        weight = trust / trust.sum()
        common_pitch, common_yaw = float(weight @ pitch), float(weight @ yaw)
        yaw = common_yaw + settings.vergence * float(trust.min()) * (yaw - common_yaw)
        gaze = [common_pitch, yaw[0], common_pitch, yaw[1]]
        return np.clip(gaze, -settings.gaze_limit_rad, settings.gaze_limit_rad).astype(np.float32)


def _gap_ratio(seen: Floats, predicted: Doubles) -> Doubles:
    """[2]: the gap between the lids that is seen over the predicted one, along the predicted one's direction."""
    gaps = [points[:, _UPPER].sum(axis=1) - points[:, _LOWER].sum(axis=1) for points in (seen, predicted)]
    return (gaps[0] * gaps[1]).sum(axis=1) / np.maximum((gaps[1] ** 2).sum(axis=1), 1e-12)


def _directions(irises: Doubles, model: EyeModel, face: Face) -> Doubles:
    """Pitch and yaw [2, 2] in rad of the eyeballs whose irises are seen in the directions `irises` [2, 2]."""
    starts = -face.translation @ face.rotation - model.centres
    rays = np.column_stack([irises, [-1.0, -1.0]]) @ face.rotation
    rays /= np.sqrt((rays**2).sum(axis=1, keepdims=True))
    nearest = starts - (starts * rays).sum(axis=1, keepdims=True) * rays
    inside = model.radii**2 - (nearest**2).sum(axis=1)
    towards = nearest - np.sqrt(np.maximum(inside, 0.0))[:, None] * rays
    return np.array([_angles(x, y, z) for x, y, z in towards.tolist()])


def _angles(x: float, y: float, z: float) -> tuple[float, float]:
    """Pitch (positive looks down) and yaw (positive to the subject's left) of a direction in the head's frame, rad."""
    return -math.atan2(y, math.hypot(x, z)), math.atan2(x, z)
