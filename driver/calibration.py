"""A guided calibration as a pure object: motions and sound in, the present step and at last a profile out.

It knows no camera, no console and no clock but the motions' own: the console (`driver.calibrate`) and a preview page
show its `progress`, a test feeds it with motions. Only time in which the face is well seen counts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from driver.correction import signed, unsigned, weights_of
from driver.profile import (
    CALIBRATED_SHAPES,
    LARGEST_REST,
    SMALLEST_REACH,
    HeadRest,
    Profile,
    SoundLevels,
    Triple,
)
from driver.sound_level import LevelMeter, noise_dbfs, speech_dbfs
from driver.types import AudioChunk, Motion
from models.head.arkit import ArkitMap
from protocol.frame import ARKIT_SHAPES, REGIONS, Floats


@dataclass(frozen=True)
class Step:
    """One thing that the user is asked to do.

    name     of the step, for programs
    asks     what to do, for people
    lead_s   to read it and do it, in which nothing is measured
    hold_s   in which it is measured
    shapes   whose reach is measured
    """

    name: str
    asks: str
    lead_s: float
    hold_s: float
    shapes: tuple[str, ...] = ()

    @property
    def length_s(self) -> float:
        return self.lead_s + self.hold_s


FIND = Step("find", "Sit as you always do and look at the middle of your screen.", 1.0, 0.5)
REST = Step("rest", "Stay like this, silent: face at rest, lips together. Blink as you like.", 0.5, 3.0)
SPEAK = Step("speak", "Say something as loud as you will speak, until this ends.", 0.7, 2.5)
UTMOST = (
    Step("jaw", "Open your mouth as wide as you can.", 0.8, 0.9, ("jawOpen",)),
    Step("smile", "Smile as broadly as you can.", 0.8, 0.9, ("mouthSmileLeft", "mouthSmileRight")),
    Step("pucker", "Push your lips forward, as for a kiss.", 0.8, 0.9, ("mouthPucker",)),
    Step("brows up", "Raise your eyebrows.", 0.8, 0.9, ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")),
    Step("brows down", "Pull your eyebrows down.", 0.8, 0.9, ("browDownLeft", "browDownRight")),
)

_HEAD, _MOUTH, _UPPER = (REGIONS.index(name) for name in ("head", "mouth", "upper_face"))
_SEEN = 0.5
_LONGEST_GAP_S = 0.2
_UTMOST_QUANTILE = 0.9
_MOST_RESTLESS = 0.25
_LEAST_SPEECH_DB = 6.0
_IS_CALIBRATED = np.array([name in CALIBRATED_SHAPES for name in ARKIT_SHAPES])
_IS_LOOK = np.array([name.startswith("eyeLook") for name in ARKIT_SHAPES])


@dataclass(frozen=True)
class Progress:
    """What to show: `step` None when all are done, its number from 1 of `count`, how much of it is done (0..1), and
    whether the face is well seen now; while it is not, nothing goes on.
    """

    step: Step | None
    number: int
    count: int
    share: float
    is_seen: bool


class Calibration:
    """`see` the tracker's motions, `hear` the sound, show `progress`; when its step is None, `result` is the profile.

    tracker      whose motions they are
    with_sound   ask for speech as well
    Methods may be called from different threads.
    """

    def __init__(self, arkit: ArkitMap, tracker: str, with_sound: bool) -> None:
        self._arkit, self._tracker = arkit, tracker
        self.steps = (FIND, REST, *UTMOST, *((SPEAK,) if with_sound else ()))
        self._lock = threading.Lock()
        self._index, self._done_s = 0, 0.0
        self._seen_ns: int | None = None
        self._is_seen = False
        self._weights: dict[str, list[Floats]] = {step.name: [] for step in self.steps}
        self._poses: list[Floats] = []
        self._spans_ns: dict[str, tuple[int, int]] = {}
        self._meter = LevelMeter()
        self._levels: list[tuple[int, float]] = []

    @property
    def progress(self) -> Progress:
        """Where it stands."""
        with self._lock:
            step = self._step
            share = 1.0 if step is None else min(self._done_s / step.length_s, 1.0)
            return Progress(step, min(self._index + 1, len(self.steps)), len(self.steps), share, self._is_seen)

    @property
    def is_done(self) -> bool:
        """True when every step was done."""
        return self.progress.step is None

    def see(self, motion: Motion) -> None:
        """A motion as the tracker told it, of a later instant than the one before."""
        with self._lock:
            step = self._step
            before_ns, self._seen_ns = self._seen_ns, motion.capture_ns
            confidence = motion.confidence
            self._is_seen = bool(min(confidence[_HEAD], confidence[_MOUTH], confidence[_UPPER]) >= _SEEN)
            if step is None:
                return
            if not self._is_seen:
                self._done_s *= step is not FIND  # the face must be found for a whole while
                return
            if before_ns is not None:
                self._done_s += min((motion.capture_ns - before_ns) / 1e9, _LONGEST_GAP_S)
            if self._done_s > step.lead_s:
                self._measure(step, motion)
            if self._done_s >= step.length_s:
                self._index, self._done_s = self._index + 1, 0.0

    def hear(self, chunk: AudioChunk) -> None:
        """A chunk of sound of any length; sound that comes a little later than the pictures is taken in still."""
        with self._lock:
            self._levels += self._meter.add(chunk)

    def result(self, made: datetime) -> tuple[Profile, list[str]]:
        """The profile, and a sentence for each thing that was left out of it. ValueError before all steps are done."""
        with self._lock:
            if self._step is not None:
                raise ValueError(f"the step {self._step.name!r} is not done yet; go on until progress.step is None")
            remarks: list[str] = []
            rest = self._rest(remarks)
            reach = self._reach(rest, remarks)
            profile = Profile(
                tracker=self._tracker,
                made=made,
                rest={name: value for name, value in rest.items() if value > 0.0},
                reach=reach,
                head=self._head(),
                sound=self._sound(remarks),
            )
            return profile, remarks

    @property
    def _step(self) -> Step | None:
        return self.steps[self._index] if self._index < len(self.steps) else None

    def _measure(self, step: Step, motion: Motion) -> None:
        began_ns, _ = self._spans_ns.get(step.name, (motion.capture_ns, 0))
        self._spans_ns[step.name] = (began_ns, motion.capture_ns)
        if step is REST:
            self._poses.append(np.concatenate([motion.head_rotation, motion.head_translation]))
        if step is REST or step.shapes:
            self._weights[step.name].append(weights_of(motion, self._arkit))

    def _rest(self, remarks: list[str]) -> dict[str, float]:
        """By name, rounded as the file has it."""
        seen = signed(np.stack(self._weights[REST.name]))
        low, high = np.quantile(seen, (0.1, 0.9), axis=0)
        if float((high - low)[_IS_CALIBRATED & ~_IS_LOOK].max()) > _MOST_RESTLESS:
            remarks.append("the face moved while it was to rest; calibrate again and hold still for three seconds")
        values = unsigned(np.median(seen, axis=0).astype(np.float32))
        rest: dict[str, float] = {}
        for name, value in zip(ARKIT_SHAPES, values.tolist(), strict=True):
            if name not in CALIBRATED_SHAPES:
                continue
            if value > LARGEST_REST:
                remarks.append(f"{name} was {value:.2f} at rest, which is no rest; left as it is")
                value = 0.0
            rest[name] = round(value, 4)
        return rest

    def _reach(self, rest: dict[str, float], remarks: list[str]) -> dict[str, float]:
        reach: dict[str, float] = {}
        for step in self.steps:
            if not step.shapes:
                continue
            utmost = np.quantile(np.stack(self._weights[step.name]), _UTMOST_QUANTILE, axis=0)
            for name in step.shapes:
                value = round(float(min(utmost[ARKIT_SHAPES.index(name)], 1.0)), 4)
                if value - rest[name] < SMALLEST_REACH:
                    remarks.append(f"{name} hardly moved ({value:.2f} at its utmost); its range is left as it is")
                else:
                    reach[name] = value
        return reach

    def _head(self) -> HeadRest:
        pose = np.median(np.stack(self._poses), axis=0).tolist()
        return HeadRest(_triple(pose[:3]), _triple(pose[3:]))

    def _sound(self, remarks: list[str]) -> SoundLevels | None:
        if SPEAK not in self.steps:
            return None
        silent, spoken = self._heard(REST), self._heard(SPEAK)
        if not silent or not spoken:
            remarks.append("the microphone gave no sound; its levels are left out")
            return None
        levels = SoundLevels(round(noise_dbfs(silent), 1), round(speech_dbfs(spoken), 1))
        if levels.speech_dbfs - levels.noise_dbfs < _LEAST_SPEECH_DB:
            remarks.append(
                f"speech ({levels.speech_dbfs:.0f} dBFS) is hardly louder than the room ({levels.noise_dbfs:.0f}); "
                "the microphone's levels are left out, move it closer and calibrate again"
            )
            return None
        return levels

    def _heard(self, step: Step) -> list[float]:
        """The levels of the hops within the step."""
        began_ns, ended_ns = self._spans_ns[step.name]
        return [level for end_ns, level in self._levels if began_ns <= end_ns <= ended_ns]


def _triple(values: Iterable[float]) -> Triple:
    x, y, z = (round(value, 4) for value in values)
    return x, y, z
