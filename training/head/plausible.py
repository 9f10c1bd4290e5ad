"""Faces that people make, drawn at random, as ARKit weights: speech, feelings, single actions, and mixtures of them."""

from __future__ import annotations

import numpy as np

from models.head.arkit import mirrored_name, mirrored_weights
from protocol.frame import ARKIT_SHAPES
from training.head.source import Doubles

# A name without a side stands for both. Shapes of the mouth while speaking:
_SPEECH: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.60, "mouthLowerDown": 0.25, "mouthUpperUp": 0.15, "mouthStretch": 0.10},  # ah
    {"jawOpen": 0.35, "mouthSmile": 0.15, "mouthStretch": 0.25, "mouthLowerDown": 0.25, "mouthUpperUp": 0.10},  # eh
    {"jawOpen": 0.15, "mouthSmile": 0.30, "mouthStretch": 0.30, "mouthDimple": 0.15, "mouthLowerDown": 0.20},  # ee
    {"jawOpen": 0.35, "mouthFunnel": 0.55, "mouthPucker": 0.25},  # oh
    {"jawOpen": 0.15, "mouthPucker": 0.75, "mouthFunnel": 0.25},  # oo
    {"jawOpen": 0.12, "mouthClose": 0.10, "mouthPress": 0.35, "mouthRollLower": 0.25, "mouthRollUpper": 0.20},  # m b p
    {"jawOpen": 0.10, "mouthRollLower": 0.55, "mouthUpperUp": 0.25, "mouthShrugUpper": 0.10},  # f v
    {"jawOpen": 0.18, "mouthLowerDown": 0.30, "mouthUpperUp": 0.15, "tongueOut": 0.12},  # th l d
    {"jawOpen": 0.10, "mouthStretch": 0.20, "mouthLowerDown": 0.35, "mouthUpperUp": 0.20, "jawForward": 0.10},  # s z
    {"jawOpen": 0.12, "mouthFunnel": 0.60, "mouthShrugUpper": 0.15, "mouthUpperUp": 0.15, "jawForward": 0.15},  # sh ch
    {"jawOpen": 0.20, "mouthFunnel": 0.35, "mouthPucker": 0.35},  # r w
)
_FEELINGS: tuple[dict[str, float], ...] = (
    {"mouthSmile": 0.80, "cheekSquint": 0.50, "eyeSquint": 0.35, "mouthDimple": 0.25, "mouthUpperUp": 0.15},  # joy
    {"mouthSmile": 0.35, "mouthPress": 0.20, "mouthDimple": 0.20},  # polite
    {"jawOpen": 0.50, "mouthSmile": 0.85, "mouthUpperUp": 0.40, "cheekSquint": 0.70, "eyeSquint": 0.50},  # laughter
    {"browInnerUp": 0.70, "browOuterUp": 0.70, "eyeWide": 0.60, "jawOpen": 0.40},  # surprise
    {"browInnerUp": 0.60, "mouthFrown": 0.55, "mouthShrugLower": 0.35, "eyeSquint": 0.15, "browDown": 0.10},  # sadness
    {"browDown": 0.75, "noseSneer": 0.35, "mouthPress": 0.40, "eyeSquint": 0.30, "jawForward": 0.20},  # anger
    {"noseSneer": 0.70, "mouthUpperUp": 0.50, "browDown": 0.40, "mouthFrown": 0.25, "cheekSquint": 0.35},  # disgust
    {"browInnerUp": 0.70, "browDown": 0.25, "eyeWide": 0.60, "mouthStretch": 0.55, "jawOpen": 0.25},  # fear
    {"mouthDimpleLeft": 0.55, "mouthSmileLeft": 0.35, "mouthPressLeft": 0.25, "browOuterUpLeft": 0.25},  # contempt
    {"mouthPucker": 0.55, "mouthShrugLower": 0.50, "browDown": 0.20},  # doubt
    {"mouthRollLower": 0.45, "mouthRollUpper": 0.40, "mouthPress": 0.45},  # pressed lips
    {"cheekPuff": 0.65, "mouthPucker": 0.30, "mouthPress": 0.20},  # blowing
    {"mouthLeft": 0.55, "mouthPucker": 0.25, "browDown": 0.15},  # pondering
    {"mouthShrugLower": 0.60, "mouthShrugUpper": 0.40, "mouthFrown": 0.35, "browInnerUp": 0.30},  # a shrug
    {"tongueOut": 0.70, "jawOpen": 0.40, "eyeSquint": 0.30, "noseSneer": 0.20},  # teasing
    {"jawOpen": 0.45, "mouthClose": 0.40, "cheekPuff": 0.10},  # chewing
    {"browDown": 0.45, "eyeSquint": 0.50},  # peering
    {"browOuterUpLeft": 0.70, "browDownRight": 0.30},  # one brow
)
# No face does both at once.
_OPPOSITES = [
    (ARKIT_SHAPES.index(one), ARKIT_SHAPES.index(other))
    for one, other in (
        ("jawLeft", "jawRight"),
        ("mouthLeft", "mouthRight"),
        ("eyeLookUpLeft", "eyeLookDownLeft"),
        ("eyeLookUpRight", "eyeLookDownRight"),
        ("eyeLookInLeft", "eyeLookOutLeft"),
        ("eyeLookInRight", "eyeLookOutRight"),
    )
]
_SHARES = {"speech": 0.40, "feeling": 0.25, "both": 0.20, "actions": 0.15}
_SIDE_SPREAD = 0.15
_BACKGROUND_MEAN = 0.05


def draw_faces(rng: np.random.Generator, count: int, shares: dict[str, float] = _SHARES) -> Doubles:
    """`count` random faces as ARKit weights float64 [count, 52] in 0..1, with jawOpen >= mouthClose.

    `shares` says how often each kind is drawn: speech, feeling, both, actions; they sum to 1.
    """
    kinds = rng.choice(list(shares), size=count, p=list(shares.values()))
    faces = np.stack([_draw(rng, kind) for kind in kinds])
    faces += rng.exponential(_BACKGROUND_MEAN, faces.shape)
    for left, right in _SIDED_PAIRS:
        uneven = np.clip(rng.normal(0.0, _SIDE_SPREAD, count), -1.0, 1.0)
        faces[:, left] *= 1.0 + uneven
        faces[:, right] *= 1.0 - uneven
    flipped = rng.uniform(size=count) < 0.5
    faces[flipped] = mirrored_weights(faces[flipped])
    for one, other in _OPPOSITES:
        both = np.minimum(faces[:, one], faces[:, other])
        faces[:, one] -= both
        faces[:, other] -= both
    faces = np.clip(faces, 0.0, 1.0)
    close, opening = ARKIT_SHAPES.index("mouthClose"), ARKIT_SHAPES.index("jawOpen")
    faces[:, close] = np.minimum(faces[:, close], faces[:, opening])
    return faces


def _draw(rng: np.random.Generator, kind: str) -> Doubles:
    if kind == "speech":
        return _speech(rng)
    if kind == "feeling":
        return _feeling(rng)
    if kind == "both":
        return _speech(rng) + 0.7 * _feeling(rng)
    face = np.zeros(len(ARKIT_SHAPES))
    for index in rng.choice(len(ARKIT_SHAPES), size=rng.integers(1, 5), replace=False):
        amount = rng.beta(1.0, 1.5)
        face[index] = amount
        if rng.uniform() < 0.7:
            face[_MIRROR[index]] = amount
    return face


def _speech(rng: np.random.Generator) -> Doubles:
    one, other = rng.choice(len(_SPEECH), size=2, replace=False)
    share = rng.beta(0.7, 0.7)
    return rng.gamma(4.0, 0.25) * (share * _weights(_SPEECH[one]) + (1.0 - share) * _weights(_SPEECH[other]))


def _feeling(rng: np.random.Generator) -> Doubles:
    return rng.beta(1.5, 1.2) * 1.2 * _weights(_FEELINGS[rng.integers(len(_FEELINGS))])


def _weights(recipe: dict[str, float]) -> Doubles:
    weights = np.zeros(len(ARKIT_SHAPES))
    for name, value in recipe.items():
        for full_name in (name,) if name in ARKIT_SHAPES else (name + "Left", name + "Right"):
            weights[ARKIT_SHAPES.index(full_name)] = value
    return weights


_MIRROR = [ARKIT_SHAPES.index(mirrored_name(name)) for name in ARKIT_SHAPES]
_SIDED_PAIRS = [(index, _MIRROR[index]) for index, name in enumerate(ARKIT_SHAPES) if name.endswith("Left")]
