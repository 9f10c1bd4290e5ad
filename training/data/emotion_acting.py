"""Faces whose emotion is known because they were made to show it: emotions.toml, acted out with chance.

Nobody frowns exactly as a table says: units come out stronger or weaker, uneven, while speaking, on a face that never
rests exactly. What is drawn is a face's ARKit weights and what an onlooker should say of it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.head.arkit import mirrored_name, mirrored_weights
from models.perceptual.emotion import EMOTIONS, NEUTRAL
from protocol.frame import ARKIT_SHAPES
from training.head.plausible import draw_faces

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

_TABLE = Path(__file__).with_name("emotions.toml")
_INDEX = {name: index for index, name in enumerate(ARKIT_SHAPES)}
# From this much of an emotion on nobody would call the face neutral; below, it is so in part.
_UNMISTAKABLE = 0.45
_BLENDED, _SPEAKING, _BLINKING = 0.12, 0.35, 0.08
_SIDE_SPREAD = 0.12
# Of each shape the one on the left: both sides are made alike, then uneven.
_OF_LEFT = [_INDEX[mirrored_name(name)] if name.endswith("Right") else index for name, index in _INDEX.items()]
_OPPOSITE_LIPS = ("jawOpen", "mouthClose")


@dataclass(frozen=True, eq=False)
class Emotion:
    """faces          alternatives, ARKit weights [52] at full strength
    is_one_sided   made with one half of the face         valence, arousal   -1..1
    """

    faces: tuple[Doubles, ...]
    is_one_sided: bool
    valence: float
    arousal: float


@dataclass(frozen=True, eq=False)
class Feeling:
    """weights   ARKit, float64 [52] in 0..1
    emotion   how likely an onlooker names each of EMOTIONS, float32 [8], sums to 1
    amount    of its main emotion, 0..1         valence, arousal   -1..1
    """

    weights: Doubles
    emotion: Floats
    amount: float
    valence: float
    arousal: float


@cache
def emotions() -> dict[str, Emotion]:
    """The table, by name; NEUTRAL is not in it. ValueError when it names what ARKit or EMOTIONS has not."""
    return read_emotions(_TABLE)


def read_emotions(path: Path) -> dict[str, Emotion]:
    """Likewise, of any such file."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    units = {int(number): _weights(shapes, path) for number, shapes in table["units"].items()}
    found: dict[str, Emotion] = {}
    for name, said in table["emotions"].items():
        if name not in EMOTIONS or name == EMOTIONS[NEUTRAL]:
            raise ValueError(f"{path} has the emotion {name!r}; known are {', '.join(EMOTIONS[1:])}")
        unknown = sorted({unit for face in said["faces"] for unit in face} - units.keys())
        if unknown:
            raise ValueError(f"{path}: {name} is made with the unit {unknown[0]}, which [units] does not explain")
        faces = tuple(np.clip(sum(units[unit] for unit in face), 0.0, 1.0) for face in said["faces"])
        found[name] = Emotion(faces, said.get("one_sided", False), said["valence"], said["arousal"])
    return found


def draw_feeling(rng: np.random.Generator, name: str, least: float = 0.25, is_pure: bool = False) -> Feeling:
    """A face that shows the emotion `name` of EMOTIONS, at least as much as `least`; `is_pure` without another."""
    weights, strength = np.zeros(len(ARKIT_SHAPES)), np.zeros(len(EMOTIONS))
    if name != EMOTIONS[NEUTRAL]:
        amount = least + (1.0 - least) * float(np.sqrt(rng.random()))  # rather much than little
        weights += _face(rng, name, amount)
        strength[EMOTIONS.index(name)] = amount
        if not is_pure and rng.random() < _BLENDED:
            other = str(rng.choice([one for one in EMOTIONS[1:] if one != name]))
            less = rng.uniform(0.1, 0.6) * amount
            weights += _face(rng, other, less)
            strength[EMOTIONS.index(other)] = less
    if rng.random() < (_SPEAKING if strength.any() else 0.6):
        # A mouth that speaks shows less of what it feels.
        weights += rng.uniform(0.2, 1.0) * draw_faces(rng, 1, {"speech": 1.0})[0]
    weights += rng.exponential(0.02, len(weights))
    uneven = np.clip(rng.normal(0.0, _SIDE_SPREAD, len(weights)), -0.5, 0.5)
    weights = np.clip(weights * (1.0 + uneven), 0.0, 1.0)
    if rng.random() < _BLINKING:
        weights[[_INDEX["eyeBlinkLeft"], _INDEX["eyeBlinkRight"]]] = rng.uniform(0.3, 1.0)
    if rng.random() < 0.5:
        weights = mirrored_weights(weights).astype(np.float64)
    opening, close = (_INDEX[shape] for shape in _OPPOSITE_LIPS)
    weights[close] = min(weights[close], weights[opening])
    return _told(weights, strength)


def told_emotion(name: str, amount: float = 1.0) -> tuple[Floats, float, float]:
    """(emotion [8], valence, arousal) of a face that shows `name` this much."""
    strength = np.zeros(len(EMOTIONS))
    if name != EMOTIONS[NEUTRAL]:
        strength[EMOTIONS.index(name)] = amount
    feeling = _told(np.zeros(0), strength)
    return feeling.emotion, feeling.valence, feeling.arousal


def _face(rng: np.random.Generator, name: str, amount: float) -> Doubles:
    emotion = emotions()[name]
    face = emotion.faces[int(rng.integers(len(emotion.faces)))]
    if emotion.is_one_sided:
        # The other half does nothing, or nearly.
        face = face * np.where([shape.endswith("Right") for shape in ARKIT_SHAPES], rng.uniform(0.0, 0.2), 1.0)
    return amount * face * rng.uniform(0.6, 1.15, len(face))[_OF_LEFT]


def _told(weights: Doubles, strength: Doubles) -> Feeling:
    shown = strength[1:]
    told = np.zeros(len(EMOTIONS))
    told[1:] = shown / max(float(shown.sum()), _UNMISTAKABLE)
    told[NEUTRAL] = 1.0 - told[1:].sum()
    place = np.array([(emotions()[name].valence, emotions()[name].arousal) for name in EMOTIONS[1:]])
    # Of two emotions the mean, by strength; of one, as much as is shown.
    valence, arousal = (shown @ place) / max(1.0, float(shown.sum())) if shown.any() else (0.0, 0.0)
    return Feeling(weights, told.astype(np.float32), float(shown.max()), float(valence), float(arousal))


def _weights(shapes: dict[str, float], path: Path) -> Doubles:
    weights = np.zeros(len(ARKIT_SHAPES))
    for name, value in shapes.items():
        sides = (name,) if name in _INDEX else (f"{name}Left", f"{name}Right")
        if sides[0] not in _INDEX:
            raise ValueError(f"{path}: [units] names {name!r}, which is no ARKit shape")
        weights[[_INDEX[side] for side in sides]] = value
    return weights
