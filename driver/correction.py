"""How the camera misreads one person's face, put right: ARKit weights at rest become 0, and the utmost becomes 1.

A weight that rests at r and reaches R becomes (w - r) / (R - r), within 0..1: continuous, and 0 stays 0. Shapes that
are each other's opposite (the jaw left or right, the eye up or down) are one signed number, so that a rest on one side
moves both. The eyelids' shapes are never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from driver.types import Motion
from models.head.arkit import ArkitMap
from protocol.frame import ARKIT_SHAPES, PART_BY_NAME, Floats

OPPOSITES: tuple[tuple[str, str], ...] = (
    ("eyeLookDownLeft", "eyeLookUpLeft"),
    ("eyeLookDownRight", "eyeLookUpRight"),
    ("eyeLookInLeft", "eyeLookOutLeft"),
    ("eyeLookInRight", "eyeLookOutRight"),
    ("jawLeft", "jawRight"),
    ("mouthLeft", "mouthRight"),
)
# A channel that hardly moves is mostly noise: it is made at most so much stronger.
_LARGEST_GAIN = 2.0
_ONE = np.array([ARKIT_SHAPES.index(one) for one, _ in OPPOSITES])
_OTHER = np.array([ARKIT_SHAPES.index(other) for _, other in OPPOSITES])
_MOUTH_CLOSE, _JAW_OPEN = ARKIT_SHAPES.index("mouthClose"), ARKIT_SHAPES.index("jawOpen")
# What the lids do is left alone in the motion too.
_CORRECTED_PARTS = ("expression", "jaw", "gaze")


def signed(weights: Floats) -> Floats:
    """`weights` [..., 52] with each pair of opposites as one number, at the first one's place; the other's is 0."""
    made = weights.copy()
    made[..., _ONE] -= weights[..., _OTHER]
    made[..., _OTHER] = 0.0
    return made


def unsigned(values: Floats) -> Floats:
    """The weights of `signed` values: what is below 0 belongs to the opposite."""
    made = values.copy()
    made[..., _OTHER] = np.maximum(-values[..., _ONE], 0.0)
    made[..., _ONE] = np.maximum(values[..., _ONE], 0.0)
    return made


def by_name(values: Mapping[str, float], otherwise: float) -> Floats:
    """float32 [52] in the order of ARKIT_SHAPES."""
    return np.array([values.get(name, otherwise) for name in ARKIT_SHAPES], np.float32)


def corrected(weights: Floats, rest: Floats, reach: Floats) -> Floats:
    """`weights` [52] of a face that rests at `rest` [52] and reaches `reach` [52]; float32 within 0..1."""
    span = np.maximum(reach - rest, 1.0 / _LARGEST_GAIN)
    made = np.clip((weights - rest) / span, 0.0, 1.0)
    # Opposites: what both have in common stays, the difference is moved. What was full stays full on either side.
    common = np.minimum(weights[_ONE], weights[_OTHER])
    at_rest = rest[_ONE] - rest[_OTHER]
    moved = (weights[_ONE] - weights[_OTHER]) - at_rest
    moved = moved / np.where(moved > 0.0, 1.0 - at_rest, 1.0 + at_rest)
    made[_ONE] = np.clip(common + moved.clip(min=0.0), 0.0, 1.0)
    made[_OTHER] = np.clip(common + (-moved).clip(min=0.0), 0.0, 1.0)
    made[_MOUTH_CLOSE] = min(made[_MOUTH_CLOSE], made[_JAW_OPEN])
    return made.astype(np.float32)


def weights_of(motion: Motion, arkit: ArkitMap) -> Floats:
    """The ARKit weights float32 [52] of `motion`."""
    return arkit.to_arkit(motion.expression, motion.jaw, motion.eyelids, motion.gaze)


def with_change(motion: Motion, change: Floats, arkit: ArkitMap) -> Motion:
    """`motion` after a change of its weights by `change` [52]; the eyelids stay as they are."""
    changes = dict(zip(("expression", "jaw", "eyelids", "gaze"), arkit.motion_change(change), strict=True))
    moved = {
        name: np.clip(
            getattr(motion, name) + changes[name], PART_BY_NAME[name].minimum, PART_BY_NAME[name].maximum
        ).astype(np.float32)
        for name in _CORRECTED_PARTS
    }
    return replace(motion, **moved)
