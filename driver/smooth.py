"""1-euro smoothing in real time: still when the face is still, quick when it moves, whatever the frame rate.

Casiez, Roussel, Vogel: "1 € Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive Systems",
CHI 2012. The cutoff of a first-order low-pass grows with the speed of the signal: cutoff = min_cutoff + beta |speed|.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from driver.errors import UsageError
from driver.motion_vector import LAYOUT, VECTOR_SIZE
from protocol.frame import Floats


@dataclass(frozen=True)
class OneEuro:
    """min_cutoff_hz: how still a still signal is held; beta: added Hz for each unit per second of speed. UsageError for
    one below 0.
    """

    min_cutoff_hz: float
    beta: float

    def __post_init__(self) -> None:
        for name, value in (("min_cutoff_hz", self.min_cutoff_hz), ("beta", self.beta)):
            if not value >= 0:
                raise UsageError(f"a smoothing's {name} is {value:g}; it must be 0 or more")


@dataclass(frozen=True)
class SmoothSettings:
    """One filter a part; `strength` scales all cutoffs down (0 = no smoothing, 1 = as below, 2 = twice as calm)."""

    strength: float = 1.0
    expression: OneEuro = OneEuro(3.0, 2.0)
    jaw: OneEuro = OneEuro(4.0, 30.0)
    eyelids: OneEuro = OneEuro(5.0, 8.0)
    gaze: OneEuro = OneEuro(2.0, 20.0)
    head_rotation: OneEuro = OneEuro(1.5, 20.0)
    head_translation: OneEuro = OneEuro(1.0, 60.0)

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise UsageError(f"smooth.strength is {self.strength:g}; it must be 0 or more, 0 smooths nothing")


_SPEED_CUTOFF_HZ = np.array([1.0], np.float32)


class Smoother:
    """Smooths motion vectors (`driver.motion_vector`). `process(vector, at_ns)`; `reset()` forgets the past."""

    def __init__(self, settings: SmoothSettings) -> None:
        self._min_cutoff_hz = np.empty(VECTOR_SIZE, np.float32)
        self._beta = np.empty(VECTOR_SIZE, np.float32)
        for name, where in LAYOUT.items():
            one_euro: OneEuro = getattr(settings, name)
            self._min_cutoff_hz[where] = one_euro.min_cutoff_hz
            self._beta[where] = one_euro.beta
        self._strength = settings.strength
        self.reset()

    def reset(self) -> None:
        """Take the next vector as it is."""
        self._value: Floats | None = None
        self._raw: Floats | None = None
        self._speed = np.zeros(VECTOR_SIZE, np.float32)
        self._at_ns = 0

    def process(self, vector: Floats, at_ns: int) -> Floats:
        """The smoothed vector float32 [VECTOR_SIZE] at `at_ns`; times must not go back."""
        if self._value is None or self._raw is None or self._strength <= 0:
            self._value, self._raw, self._at_ns = vector.copy(), vector.copy(), at_ns
            return self._value
        dt_s = (at_ns - self._at_ns) / 1e9
        if dt_s <= 0:
            return self._value
        speed: Floats = ((vector - self._raw) / dt_s).astype(np.float32)
        self._speed = self._speed + _alpha(_SPEED_CUTOFF_HZ, dt_s) * (speed - self._speed)
        cutoff_hz: Floats = (self._min_cutoff_hz + self._beta * np.abs(self._speed)) / np.float32(self._strength)
        value: Floats = self._value + _alpha(cutoff_hz, dt_s) * (vector - self._value)
        self._value, self._raw, self._at_ns = value, vector.copy(), at_ns
        return value


def _alpha(cutoff_hz: Floats, dt_s: float) -> Floats:
    """The share of the new value that a first-order low-pass takes after `dt_s` (exact, so that two half steps towards
    one target equal a whole one)."""
    return (1.0 - np.exp(-2 * math.pi * dt_s * cutoff_hz)).astype(np.float32)
