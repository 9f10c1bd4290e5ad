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
_LOOKS = "eyeLook"


@dataclass(frozen=True)
class RestSettings:
    """learning_s         of a well seen face, after which nothing changes any more
    confidence          of every region, from which a face is well seen
    most_turn_rad       of the head to the camera
    quick_s, slow_s     time constants of the two means whose difference is motion
    most_motion         of any weight while the face is still
    still_s             for which it must have been still
    most_mood, most     weights above which the face is not at rest: of a mood's shapes, and of any other
    prior_s             of rest that say "this face rests at 0"
    most_rest           that is learnt
    """

    learning_s: float = 60.0
    confidence: float = 0.7
    most_turn_rad: float = 0.4
    quick_s: float = 0.1
    slow_s: float = 0.7
    most_motion: float = 0.05
    still_s: float = 0.5
    most_mood: float = 0.12
    most: float = 0.3
    prior_s: float = 5.0
    most_rest: float = 0.1


_WATCHED = [name for name in CALIBRATED_SHAPES if not name.startswith(_LOOKS)]
# Of a pair of opposites, the first one's place has both; see `driver.correction.signed`.
_SECOND = [other for _, other in OPPOSITES]
_IS_MOOD = np.array([name.startswith(_MOODS) for name in ARKIT_SHAPES])
_IS_WATCHED = np.array([name in _WATCHED for name in ARKIT_SHAPES])
_IS_LEARNT = np.array(
    [name in _WATCHED and name not in _SECOND and not name.startswith(_MOODS) for name in ARKIT_SHAPES]
)
_LONGEST_STEP_S = 0.1


class RestLearner:
    """`see` every motion with its weights; `rest` is what was learnt so far. Depends on capture times alone."""

    def __init__(self, settings: RestSettings | None = None) -> None:
        self._settings = RestSettings() if settings is None else settings
        self._quick: Floats | None = None
        self._slow: Floats | None = None
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
            self._quick = self._slow = self._seen_ns = None
            self._still_s = 0.0
            return
        now = signed(weights)
        if self._quick is None or self._slow is None or self._seen_ns is None:
            self._quick = self._slow = now
            self._seen_ns = motion.capture_ns
            return
        passed_s = min((motion.capture_ns - self._seen_ns) / 1e9, _LONGEST_STEP_S)
        self._seen_ns = motion.capture_ns
        self._good_s += passed_s
        self._quick = _followed(self._quick, now, passed_s / settings.quick_s)
        self._slow = _followed(self._slow, now, passed_s / settings.slow_s)
        self._still_s = self._still_s + passed_s if self._is_at_rest(motion, self._quick, self._slow) else 0.0
        if self._still_s > settings.still_s:
            self._learn(self._slow, passed_s)

    def _is_at_rest(self, motion: Motion, quick: Floats, slow: Floats) -> bool:
        settings = self._settings
        return (
            float(np.linalg.norm(motion.head_rotation)) < settings.most_turn_rad
            and float(np.abs(quick - slow)[_IS_WATCHED].max()) < settings.most_motion
            and float(slow[_IS_MOOD].max()) < settings.most_mood
            and float(np.abs(slow)[_IS_WATCHED].max()) < settings.most
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
