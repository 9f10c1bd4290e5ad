"""What faces do: single moments for stills, and courses over time for clips.

Everything is drawn as ARKit weights, as `training.head.plausible` draws faces, and goes through the head's own ARKit
map: what the map gives is what drives the rig, and the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from models.head.arkit import ArkitMap, mirrored_name
from protocol.frame import ARKIT_SHAPES, PART_BY_NAME
from training.head.plausible import draw_faces

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

_INDEX = {name: index for index, name in enumerate(ARKIT_SHAPES)}
_GAZE = [index for name, index in _INDEX.items() if name.startswith("eyeLook")]
_BLINKS = [_INDEX["eyeBlinkLeft"], _INDEX["eyeBlinkRight"]]
_ACTIONS = [name for name in ARKIT_SHAPES if not name.startswith(("eyeLook", "eyeBlink"))]
# A still is one of these.
_MOMENTS = {
    "plausible": 0.25,
    "neutral": 0.08,
    "single": 0.08,
    "rare": 0.12,
    "many": 0.25,
    "mixture": 0.08,
    "extreme": 0.05,
    "closed": 0.05,
    "tongue": 0.04,
}
# What plausible faces hardly ever do, and trackers therefore miss.
_RARE = [
    *("jawLeft", "jawRight", "jawForward", "mouthLeft", "mouthRight", "cheekPuff", "tongueOut", "noseSneerLeft"),
    *("noseSneerRight", "eyeWideLeft", "eyeWideRight", "mouthFrownLeft", "mouthFrownRight", "mouthRollLower"),
    *("mouthRollUpper", "mouthShrugLower", "browInnerUp"),
]
# Of every action alike, in "many": a picture tells something of all of them, where "single" tells of one in forty.
_MANY = 0.14
_OPPOSITES = [("jawLeft", "jawRight"), ("mouthLeft", "mouthRight")]
_GAZE_RANGE_RAD = (0.45, 0.55)  # up and down, aside
_OFF_MAP_SD = 0.3  # real faces are no sums of 52 shapes
_AHEAD = 0.3  # of how far people look aside, for those who look ahead
_RATE_SPEECH_HZ = (3.0, 6.5)


@dataclass(frozen=True, eq=False)
class Acts:
    """The motion space's face of n moments: expression [n, 50], jaw [n, 3], eyelids [n, 2], gaze [n, 4], float32."""

    expression: Floats
    jaw: Floats
    eyelids: Floats
    gaze: Floats


def draw_moment(rng: np.random.Generator, arkit: ArkitMap) -> Acts:
    """One face."""
    kind = rng.choice(list(_MOMENTS), p=list(_MOMENTS.values()))
    weights = np.zeros(len(ARKIT_SHAPES))
    if kind == "plausible":
        weights = draw_faces(rng, 1)[0]
    elif kind == "single":
        _act(rng, weights, str(rng.choice(_ACTIONS)), float(rng.uniform(0.25, 1.0)))
    elif kind == "rare":
        if rng.uniform() < 0.5:
            weights = 0.6 * draw_faces(rng, 1)[0]
        _act(rng, weights, str(rng.choice(_RARE)), float(rng.uniform(0.4, 1.0)))
    elif kind == "many":
        for name in _ACTIONS:
            if rng.uniform() < _MANY:
                _act(rng, weights, name, float(rng.uniform(0.2, 1.0)))
        for opposites in _OPPOSITES:
            weights[min((_INDEX[name] for name in opposites), key=lambda index: weights[index])] = 0.0
    elif kind in ("mixture", "extreme"):
        for name in rng.choice(_ACTIONS, rng.integers(2, 6), replace=False):
            _act(rng, weights, str(name), float(rng.beta(2.5, 1.0) if kind == "extreme" else rng.beta(1.0, 1.4)))
        weights[_INDEX["jawOpen"]] = max(weights[_INDEX["jawOpen"]], rng.uniform(-0.6, 1.0))
    elif kind == "closed":
        weights[_INDEX["jawOpen"]] = rng.uniform(0.1, 0.7)
        weights[_INDEX["mouthClose"]] = weights[_INDEX["jawOpen"]] * rng.uniform(0.6, 1.0)
        _act(
            rng,
            weights,
            str(rng.choice(["cheekPuff", "mouthPucker", "mouthRollLower", "mouthSmileLeft"])),
            rng.uniform(0, 1),
        )
    elif kind == "tongue":
        weights[_INDEX["tongueOut"]] = rng.uniform(0.3, 1.0)
        weights[_INDEX["jawOpen"]] = rng.uniform(0.15, 0.8)
    if kind != "neutral":
        weights[_INDEX["jawOpen"]] = max(weights[_INDEX["jawOpen"]], weights[_INDEX["mouthClose"]])
    _blink(rng, weights)
    weights[_GAZE] = 0.0
    return _motion(rng, arkit, weights[None], _draw_gaze(rng, 1), jitter=0.0 if kind == "neutral" else _OFF_MAP_SD)


def draw_moments(rng: np.random.Generator, arkit: ArkitMap, count: int) -> Acts:
    """The face at rest, then `count` - 1 others in a row."""
    rest = _motion(rng, arkit, np.zeros((1, len(ARKIT_SHAPES))), _AHEAD * _draw_gaze(rng, 1), jitter=0.0)
    moments = [rest, *(draw_moment(rng, arkit) for _ in range(count - 1))]
    return Acts(**{name: np.concatenate([vars(moment)[name] for moment in moments]) for name in vars(rest)})


def acted(rng: np.random.Generator, arkit: ArkitMap, weights: Doubles) -> Acts:
    """The face of these ARKit weights [52], as a person makes it: not to the letter, and looking about."""
    still = weights.copy()
    still[_GAZE] = 0.0
    return _motion(rng, arkit, still[None], _draw_gaze(rng, 1), jitter=0.5 * _OFF_MAP_SD)


# What each_shape makes, in this order; where eyes look is told by two angles an eye and needs no acting.
EACH = tuple(name for name in ARKIT_SHAPES if not name.startswith("eyeLook"))
# What a shape needs beside it to be that shape.
_WITH = {"mouthClose": {"jawOpen": 1.0}, "tongueOut": {"jawOpen": 0.3}}


def each_shape(rng: np.random.Generator, arkit: ArkitMap) -> Acts:
    """1 + len(EACH) moments of one person who looks ahead: the face at rest, then each shape in full, alone."""
    weights = np.zeros((1 + len(EACH), len(ARKIT_SHAPES)))
    for row, name in zip(weights[1:], EACH, strict=True):
        for shape, amount in {name: 1.0, **_WITH.get(name, {})}.items():
            row[_INDEX[shape]] = amount
    gaze = np.repeat(_AHEAD * _draw_gaze(rng, 1, steady=True), len(weights), axis=0)
    return _motion(rng, arkit, weights, gaze, jitter=0.0)


def act_out(rng: np.random.Generator, arkit: ArkitMap, count: int, rate_hz: float) -> Acts:
    """A course of `count` moments at `rate_hz`: still, talking, or one face after the other; blinks and saccades."""
    kind = rng.choice(["talk", "still", "faces"], p=[0.5, 0.25, 0.25])
    weights = np.zeros((count, len(ARKIT_SHAPES)))
    if kind == "talk":
        pace_hz = rng.uniform(*_RATE_SPEECH_HZ)
        speech = _course(draw_faces(rng, _targets(count, rate_hz, pace_hz), {"speech": 1.0}), count, rate_hz / pace_hz)
        quiet = _course(
            (rng.uniform(size=(_targets(count, rate_hz, 1.5), 1)) < 0.75).astype(np.float64), count, rate_hz / 1.5
        )
        weights += speech * quiet
    feelings = draw_faces(rng, _targets(count, rate_hz, 0.8), {"feeling": 0.5, "actions": 0.5})
    feelings *= rng.uniform(size=(len(feelings), 1)) < 0.6
    if kind == "faces":
        weights += _course(feelings, count, rate_hz / rng.uniform(0.8, 2.5))
    elif rng.uniform() < 0.5:
        weights += rng.uniform(0.1, 0.7) * feelings[0]
    weights[:, _GAZE] = 0.0
    weights[:, _BLINKS] = 0.0
    gaze = np.repeat(_draw_gaze(rng, 1, steady=True), count, axis=0)
    if kind != "still" or rng.uniform() < 0.3:
        for start in np.flatnonzero(rng.uniform(size=count) < 1.5 / rate_hz):
            gaze[start:] = _draw_gaze(rng, 1, steady=True)
        for start in np.flatnonzero(rng.uniform(size=count) < 0.5 / rate_hz):
            weights[:, _BLINKS] = np.maximum(weights[:, _BLINKS], _one_blink(rng, count, int(start), rate_hz)[:, None])
    close, opening = _INDEX["mouthClose"], _INDEX["jawOpen"]
    weights[:, opening] = np.maximum(weights[:, opening], weights[:, close])
    acts = _motion(rng, arkit, np.clip(weights, 0.0, 1.0), gaze, jitter=_OFF_MAP_SD)
    if rng.uniform() < 0.3 and kind != "still":  # it freezes: what moves then is the camera's noise
        first, last = np.sort(rng.integers(0, count, 2))
        for values in vars(acts).values():
            values[first : last + 1] = values[first]
    return acts


def _motion(rng: np.random.Generator, arkit: ArkitMap, weights: Doubles, gaze: Doubles, jitter: float) -> Acts:
    parts = [np.stack(values) for values in zip(*(arkit.to_motion(row) for row in weights), strict=True)]
    expression, jaw, eyelids, _ = parts
    expression = expression + rng.normal(0.0, jitter * rng.uniform(), expression.shape[1])
    jaw = jaw + jitter * rng.normal(0.0, [0.02, 0.02, 0.015])
    # The upper lid goes with the eye that looks down.
    down = np.clip(np.stack([gaze[:, 0], gaze[:, 2]], axis=1), 0.0, None)
    eyelids = np.maximum(eyelids, eyelids + 0.8 * down * (1.0 - eyelids))
    values = {"expression": expression, "jaw": jaw, "eyelids": eyelids, "gaze": gaze}
    return Acts(
        **{
            name: np.clip(value, PART_BY_NAME[name].minimum, PART_BY_NAME[name].maximum).astype(np.float32)
            for name, value in values.items()
        }
    )


def _act(rng: np.random.Generator, weights: Doubles, name: str, amount: float) -> None:
    weights[_INDEX[name]] = amount
    if rng.uniform() < 0.6 and not name.startswith(("jaw", "mouthLeft", "mouthRight")):
        weights[_INDEX[mirrored_name(name)]] = amount * rng.uniform(0.7, 1.0)


def _blink(rng: np.random.Generator, weights: Doubles) -> None:
    weights[_BLINKS] = 0.0
    chance = rng.uniform()
    if chance < 0.08:  # closed
        weights[_BLINKS] = 1.0
    elif chance < 0.22:  # on the way
        weights[_BLINKS] = rng.uniform(0.1, 0.95)
    elif chance < 0.30:  # a wink
        weights[_BLINKS[int(rng.integers(2))]] = rng.uniform(0.5, 1.0)


def _draw_gaze(rng: np.random.Generator, count: int, steady: bool = False) -> Doubles:
    """[count, 4] pitch and yaw of the left and the right eye, rad: mostly ahead, sometimes anywhere; eyes converge."""
    spread = 0.3 if rng.uniform() < (0.75 if steady else 0.5) else 1.0
    pitch = rng.uniform(-1.0, 1.0, count) * _GAZE_RANGE_RAD[0] * spread
    yaw = rng.uniform(-1.0, 1.0, count) * _GAZE_RANGE_RAD[1] * spread
    meet = rng.uniform(0.0, 0.06, count)
    return np.stack([pitch, yaw - meet, pitch, yaw + meet], axis=1)


def _targets(count: int, rate_hz: float, pace_hz: float) -> int:
    return int(np.ceil(count / rate_hz * pace_hz)) + 2


def _course(targets: Doubles, count: int, step: float) -> Doubles:
    """Targets [T, K] held for `step` moments each, their edges rounded: [count, K]."""
    held = targets[np.minimum((np.arange(count) / step).astype(int), len(targets) - 1)]
    return gaussian_filter1d(held, 0.3 * step, axis=0, mode="nearest")


def _one_blink(rng: np.random.Generator, count: int, start: int, rate_hz: float) -> Doubles:
    """Closing takes 60..100 ms, opening twice as long."""
    closing_s = rng.uniform(0.06, 0.10)
    time_s = (np.arange(count) - start) / rate_hz
    return np.clip(np.minimum(1.0 + time_s / closing_s, 1.0 - (time_s - 0.03) / (2.0 * closing_s)), 0.0, 1.0)
