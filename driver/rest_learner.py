"""Learns by itself, in the first good minute, what the camera reads from a face that does nothing; then no more.

Gentle by construction, since nobody has said "now": it learns only from instants when the whole face is well seen,
looks ahead and has been still for a moment, and it never learns much. What may be meant is never learnt: eyelids,
where the eyes look, smiles, frowns and bared teeth; while one of those lasts, nothing at all is learnt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from driver.correction import OPPOSITES, signed, unsigned
from driver.profile import CALIBRATED_SHAPES
from driver.types import Motion
from protocol.frame import ARKIT_SHAPES, Floats

_MOODS = (
    "mouthSmile",
    "mouthFrown",
    "mouthDimple",
    "mouthStretch",
    "mouthUpperUp",
    "mouthLowerDown",
    "cheekSquint",
)
_VOWELS = ("jawOpen", "mouthFunnel", "mouthPucker")
_LOOKS = "eyeLook"


@dataclass(frozen=True)
class RestSettings:
    """learning_s         of a well seen face, after which nothing changes any more
    confidence          of every region, from which a face is well seen
    most_turn_rad       of the head to the camera
    mean_s              time constant of the mean weights
    motion_s            time constant of the mean distance from them, which is the motion
    most_motion         of any weight while the face is still; the tracker's noise alone is 0.02 to 0.05
    still_s             for which it must have been still
    most_mood           weight of a mood's shape above which the face is not at rest
    most_open           likewise of the open jaw and of lips that are pushed forward: a held vowel
    prior_s             of rest that say "this face rests at 0"
    most_rest           that is learnt
    """

    learning_s: float = 60.0
    confidence: float = 0.7
    most_turn_rad: float = 0.4
    mean_s: float = 0.5
    motion_s: float = 0.3
    most_motion: float = 0.06
    still_s: float = 0.4
    most_mood: float = 0.15
    most_open: float = 0.3
    prior_s: float = 5.0
    most_rest: float = 0.1


_WATCHED = [name for name in CALIBRATED_SHAPES if not name.startswith(_LOOKS)]
# Of a pair of opposites, the first one's place has both; see `driver.correction.signed`.
_SECOND = [other for _, other in OPPOSITES]
_IS_MOOD = np.array([name.startswith(_MOODS) for name in ARKIT_SHAPES])
_IS_VOWEL = np.array([name in _VOWELS for name in ARKIT_SHAPES])
_IS_WATCHED = np.array([name in _WATCHED for name in ARKIT_SHAPES])
_IS_LEARNT = np.array(
    [name in _WATCHED and name not in _SECOND and not name.startswith(_MOODS) for name in ARKIT_SHAPES]
)
_LONGEST_STEP_S = 0.1


class RestLearner:
    """`see` every motion with its weights; `rest` is what was learnt so far. Depends on capture times alone."""

    def __init__(self, settings: RestSettings | None = None) -> None:
        self._settings = RestSettings() if settings is None else settings
        self._mean: Floats | None = None
        self._motion = np.zeros(len(ARKIT_SHAPES), np.float32)
        self._seen_ns: int | None = None
        self._good_s = self._still_s = self._rest_s = 0.0
        self._sum = np.zeros(len(ARKIT_SHAPES))
        self._rest = np.zeros(len(ARKIT_SHAPES), np.float32)

    @property
    def rest(self) -> Floats:
        """float32 [52]: the weights of the resting face, 0 where nothing was learnt. Replaced, never changed."""
        return self._rest

    @property
    def is_frozen(self) -> bool:
        """True when the good minute is over."""
        return self._good_s >= self._settings.learning_s

    def see(self, motion: Motion, weights: Floats) -> None:
        """One picture: `weights` [52] are those of `motion`, as the tracker told them."""
        if self.is_frozen:
            return
        settings = self._settings
        if float(motion.confidence.min()) < settings.confidence:
            self._mean = self._seen_ns = None
            self._still_s = 0.0
            return
        now = signed(weights)
        if self._mean is None or self._seen_ns is None:
            self._mean, self._seen_ns = now, motion.capture_ns
            return
        passed_s = min((motion.capture_ns - self._seen_ns) / 1e9, _LONGEST_STEP_S)
        self._seen_ns = motion.capture_ns
        self._good_s += passed_s
        self._mean = _followed(self._mean, now, passed_s / settings.mean_s)
        self._motion = _followed(self._motion, np.abs(now - self._mean), passed_s / settings.motion_s)
        self._still_s = self._still_s + passed_s if self._is_at_rest(motion, self._mean) else 0.0
        if self._still_s > settings.still_s:
            self._learn(self._mean, passed_s)

    def _is_at_rest(self, motion: Motion, mean: Floats) -> bool:
        settings = self._settings
        return (
            float(np.linalg.norm(motion.head_rotation)) < settings.most_turn_rad
            and float(self._motion[_IS_WATCHED].max()) < settings.most_motion
            and float(mean[_IS_MOOD].max()) < settings.most_mood
            and float(mean[_IS_VOWEL].max()) < settings.most_open
        )

    def _learn(self, values: Floats, passed_s: float) -> None:
        settings = self._settings
        self._rest_s += passed_s
        self._sum += passed_s * values
        mean = self._sum / (self._rest_s + settings.prior_s)
        learnt = np.where(_IS_LEARNT, mean.clip(-settings.most_rest, settings.most_rest), 0.0)
        self._rest = unsigned(learnt.astype(np.float32))


def _followed(mean: Floats, value: Floats, steps: float) -> Floats:
    """A first-order low-pass after `steps` time constants."""
    return (mean + (1.0 - np.exp(-steps)) * (value - mean)).astype(np.float32)
