"""How a network misreads one person's face, put right picture by picture: ten measures of what is told are corrected.

A measure is something that a camera sees, such as how far the lips are apart. Each has a correction, linear in what
the network tells of the same picture, within the bounds of what was seen to be needed:

    amount = clip(bias + reads . told, -most, most),    told' = told + amount * moves

Nothing is carried from picture to picture. `training.personalise` learns it; `driver.profile` keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from driver.types import Motion
from protocol.frame import PART_BY_NAME, Floats

READ_PARTS = ("expression", "jaw", "eyelids", "gaze")
CHANGED_PARTS = ("expression", "jaw", "eyelids")
READ_SIZE = sum(PART_BY_NAME[name].size for name in READ_PARTS)
CHANGED_SIZE = sum(PART_BY_NAME[name].size for name in CHANGED_PARTS)
SHAPE_SIZE = PART_BY_NAME["shape"].size
MEASURES = (
    "lips_apart",
    "mouth_width",
    "corner_left",
    "corner_right",
    "upper_lip",
    "brow_left",
    "brow_right",
    "brow_inner",
    "lid_left",
    "lid_right",
)
_LOWEST, _HIGHEST = (
    np.concatenate([np.full(PART_BY_NAME[name].size, getattr(PART_BY_NAME[name], bound)) for name in CHANGED_PARTS])
    for bound in ("minimum", "maximum")
)
_LIDS = slice(CHANGED_SIZE - PART_BY_NAME["eyelids"].size, CHANGED_SIZE)
_ENDS = np.cumsum([PART_BY_NAME[name].size for name in CHANGED_PARTS])[:-1]
# From this closure on a lid is opened ever less, and one that is told shut not at all.
_CLOSING = 0.5


@dataclass(frozen=True)
class Correction:
    """Of one measure, in mm; of a lid, in its closure (0 open, 1 closed).

    bias, reads   READ_SIZE numbers for what is told (READ_PARTS, in their own units)
    most          the largest amount, either way
    moves         CHANGED_SIZE numbers: the change of CHANGED_PARTS for an amount of 1
    """

    bias: float
    most: float
    reads: tuple[float, ...]
    moves: tuple[float, ...]


@dataclass(frozen=True)
class FaceAdapter:
    """One person to one network.

    weights       SHA-256 of the network's file, hexadecimal: what it tells means nothing to another adapter
    shape         SHAPE_SIZE numbers: who it is, sd; the same in every picture
    corrections   by names of MEASURES; a measure that is left out is told as it was
    """

    weights: str
    shape: tuple[float, ...]
    corrections: Mapping[str, Correction]


class AdaptedFace:
    """`adapter` as arrays. Stateless."""

    def __init__(self, adapter: FaceAdapter) -> None:
        chosen = list(adapter.corrections.values())
        self._shape = np.array(adapter.shape, np.float32)
        self._bias = np.array([one.bias for one in chosen], np.float32)
        self._most = np.array([one.most for one in chosen], np.float32)
        self._reads = np.array([one.reads for one in chosen], np.float32).reshape(-1, READ_SIZE)
        self._moves = np.array([one.moves for one in chosen], np.float32).reshape(-1, CHANGED_SIZE)

    def process(self, motion: Motion) -> Motion:
        """`motion` as this person means it. A lid that is told shut stays shut."""
        told = told_of(motion)
        amount = np.clip(self._bias + self._reads @ told, -self._most, self._most)
        before = np.concatenate([getattr(motion, name) for name in CHANGED_PARTS])
        change = amount @ self._moves
        opened = np.clip((1.0 - before[_LIDS]) / (1.0 - _CLOSING), 0.0, 1.0)
        change[_LIDS] *= np.where(change[_LIDS] < 0.0, opened, 1.0)
        after = np.clip(before + change, _LOWEST, _HIGHEST).astype(np.float32)
        parts = dict(zip(CHANGED_PARTS, np.split(after, _ENDS), strict=True))
        return replace(motion, shape=self._shape, **parts)


def told_of(motion: Motion) -> Floats:
    """What a correction reads of a motion, float32 [READ_SIZE]."""
    return np.concatenate([getattr(motion, name) for name in READ_PARTS], dtype=np.float32)
