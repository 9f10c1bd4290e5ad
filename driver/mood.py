"""What a face feels: valence and arousal of the fused motion, every frame, told from its coefficients by a network.

Whoever moves the face is read, camera or voice; where nobody knows a region and the face eases to neutral, so does its
mood. A voice has a mood of its own (a laugh, a sob, shouting): of face and voice the stronger is believed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driver.fuse import Fused
from driver.motion_vector import LAYOUT
from protocol.frame import PART_BY_NAME, Floats

# `network(shape=[1, 100], expression=[1, 50], jaw=[1, 3])` gives at least `valence` and `arousal` [1].
MoodNetwork = Callable[..., dict[str, NDArray[Any]]]


@dataclass(frozen=True)
class MoodSettings:
    """half_life_ms: after so long the mood has gone half of the way to that of the face; 0 takes each frame's as it is.
    A mood is no twitch: a blink or a syllable hardly moves it.
    """

    half_life_ms: float = 150.0


class Mood:
    """`felt(fused, vector, at_ns)` completes a fused face by its mood: the same at any frame rate."""

    def __init__(self, network: MoodNetwork, settings: MoodSettings) -> None:
        self._network, self._half_life_ns = network, settings.half_life_ms * 1e6
        self._nobody = np.zeros(PART_BY_NAME["shape"].size, np.float32)
        self._value: Floats | None = None
        self._at_ns = 0

    def felt(self, fused: Fused, vector: Floats, at_ns: int) -> Fused:
        """`fused` with valence and arousal (-1..1) at `at_ns`; `vector` is its smoothed motion. Times never go back."""
        shape = self._nobody if fused.shape is None else fused.shape
        told = self._network(
            shape=shape[None], expression=vector[LAYOUT["expression"]][None], jaw=vector[LAYOUT["jaw"]][None]
        )
        face = np.array([told["valence"][0], told["arousal"][0]], np.float32)
        voice = np.array([fused.valence, fused.arousal], np.float32)
        value: Floats = np.where(np.abs(voice) > np.abs(face), voice, face).astype(np.float32)
        if self._value is not None and self._half_life_ns > 0:
            share = np.float32(1.0 - math.exp2(-max(0, at_ns - self._at_ns) / self._half_life_ns))
            value = np.asarray(self._value + share * (value - self._value), np.float32)
        self._value, self._at_ns = np.clip(value, -1.0, 1.0), at_ns
        return replace(fused, valence=float(self._value[0]), arousal=float(self._value[1]))
