"""A person whose face a tracker misreads in a known way, and who does what a calibration asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from driver.calibration import Calibration, Step
from driver.correction import by_name
from driver.types import Motion
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES, Floats

ARKIT = ArkitMap(open_head())
POSE = {"head_rotation": (0.15, -0.25, 0.02), "head_translation": (0.03, -0.05, -0.62)}

# What the tracker reads while the face rests, and at the utmost of each thing that is asked for.
REST = {
    "browDownLeft": 0.12,
    "browDownRight": 0.06,
    "mouthPucker": 0.09,
    "mouthLeft": 0.08,
    "eyeLookDownLeft": 0.15,
    "eyeLookDownRight": 0.15,
    "jawOpen": 0.05,
}
UTMOST = {
    "jaw": {"jawOpen": 0.7},
    "smile": {"mouthSmileLeft": 0.6, "mouthSmileRight": 0.8},
    "pucker": {"mouthPucker": 0.75},
    "brows up": {"browInnerUp": 0.65, "browOuterUpLeft": 0.7, "browOuterUpRight": 0.9, "browDownLeft": 0.0},
    "brows down": {"browDownLeft": 0.6, "browDownRight": 0.55},
}


def told(weights: Mapping[str, float] | Floats, at_ns: int = 0, confidence: float = 1.0) -> Motion:
    """The motion of a face that the tracker reads as `weights`."""
    given = weights if isinstance(weights, np.ndarray) else by_name(weights, 0.0)
    expression, jaw, eyelids, gaze = ARKIT.to_motion(given)
    pose = {name: np.array(values, np.float32) for name, values in POSE.items()}
    return Motion(
        at_ns,
        expression=expression,
        jaw=jaw,
        eyelids=eyelids,
        gaze=gaze,
        confidence=np.full(4, confidence, np.float32),
        **pose,
    )


@dataclass
class Actor:
    """Does what is asked half a second later, with blinks and with the tracker's noise (sd of each weight)."""

    noise: float = 0.02
    rest: Mapping[str, float] = field(default_factory=lambda: dict(REST))
    utmost: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: dict(UTMOST))
    seed: int = 0
    now_ns: int = 1_000_000_000
    _asked: Step | None = None
    _asked_ns: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def face(self, step: Step | None) -> Motion:
        """The face at `now_ns`."""
        if step is not self._asked:
            self._asked, self._asked_ns = step, self.now_ns
        is_late = self.now_ns - self._asked_ns > 500_000_000
        weights = dict(self.rest) | dict(self.utmost.get(step.name, {}) if step is not None and is_late else {})
        noisy = by_name(weights, 0.0) + self._rng.normal(0.0, self.noise, len(ARKIT_SHAPES)).astype(np.float32)
        if self.now_ns // 100_000_000 % 30 < 3:
            noisy[[ARKIT_SHAPES.index("eyeBlinkLeft"), ARKIT_SHAPES.index("eyeBlinkRight")]] = 1.0
        return told(np.clip(noisy, 0.0, 1.0), self.now_ns)

    def act(
        self,
        calibration: Calibration,
        rate_hz: float = 30.0,
        longest_s: float = 60.0,
        on_time: Callable[[int], None] = id,
    ) -> float:
        """Until all steps are done, or for `longest_s`; returns how long it took in seconds."""
        began_ns = self.now_ns
        while not calibration.is_done and self.now_ns - began_ns < longest_s * 1e9:
            on_time(self.now_ns)
            calibration.see(self.face(calibration.progress.step))
            self.now_ns += round(1e9 / rate_hz)
        return (self.now_ns - began_ns) / 1e9
