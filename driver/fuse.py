"""One face out of what the camera sees and the microphone hears.

Both encoders' motions are kept for a moment and sampled at the *same* instant of capture time, a little in the past,
so that sound and picture stay together and pictures are interpolated at the tick's rate; sound whose encoder looks
ahead is sampled as much earlier, since what it says of later instants is not known yet. Then, region by region (mouth,
upper face, eyes, head): the camera drives what it sees; the microphone takes the mouth when the camera does not see it;
where nobody knows anything the face eases to neutral, and the eyes live on by themselves. Changes of source are
cross-fades of fixed length, never switches.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from driver.errors import UsageError
from driver.idle import IdleMotion
from driver.motion_vector import HIGHEST, LAYOUT, LOWEST, REGION_OF_PART, VECTOR_SIZE, pack
from driver.types import Motion
from protocol.frame import REGIONS, Floats

_MOUTH, _UPPER, _EYES, _HEAD = (REGIONS.index(name) for name in ("mouth", "upper_face", "eyes", "head"))


@dataclass(frozen=True)
class FuseSettings:
    """How sources take turns. UsageError for a value out of its range.

    fade_ms          length of a cross-fade between camera and microphone
    ease_ms          length of the way to neutral when nobody knows a region
    stale_after_ms   a source that has been silent for so long knows nothing
    trusted_from, trusted_to   confidences at which a source begins to count, and counts fully
    is_alive         blink and look about where the eyes are not seen
    """

    fade_ms: float = 150.0
    ease_ms: float = 600.0
    stale_after_ms: float = 300.0
    trusted_from: float = 0.2
    trusted_to: float = 0.5
    is_alive: bool = True

    def __post_init__(self) -> None:
        for name, value in (("fade_ms", self.fade_ms), ("ease_ms", self.ease_ms)):
            if not value > 0:
                raise UsageError(f"fuse.{name} is {value:g}; it must be more than 0, 1 is at once")
        if not self.stale_after_ms > 0:
            raise UsageError(f"fuse.stale_after_ms is {self.stale_after_ms:g}; it must be more than 0, 300 is usual")
        if not 0 <= self.trusted_from < self.trusted_to <= 1:
            raise UsageError(
                f"fuse.trusted_from and trusted_to are {self.trusted_from:g} and {self.trusted_to:g}; "
                "they must be within 0..1, the first below the second"
            )


@dataclass(frozen=True, eq=False)
class Fused:
    """The face at one tick: `vector` float32 [VECTOR_SIZE] and what does not need smoothing.

    valence, arousal   what the voice says of them; `driver.mood` adds what the face does
    """

    vector: Floats
    capture_ns: int | None
    confidence: Floats
    shape: Floats | None
    laughter: float
    speech: float
    valence: float
    arousal: float
    detail: Floats | None = None


class _Recent:
    """The last moments of one encoder: enough to interpolate, and the newest trusted value of every region."""

    def __init__(self, stale_after_ms: float) -> None:
        self._stale_after_ns = stale_after_ms * 1e6
        self._recent: deque[tuple[Motion, Floats]] = deque(maxlen=16)
        self.held: list[Floats] = [np.zeros(VECTOR_SIZE, np.float32) for _ in REGIONS]

    def add(self, motion: Motion) -> None:
        self._recent.append((motion, pack(motion)))

    @property
    def newest(self) -> Motion | None:
        return self._recent[-1][0] if self._recent else None

    @property
    def interval_ns(self) -> int:
        """Between the two newest motions; 0 until there are two."""
        if len(self._recent) < 2:
            return 0
        return self._recent[-1][0].capture_ns - self._recent[-2][0].capture_ns

    def is_awake(self, at_ns: int) -> bool:
        """False when nothing came for so long that this source knows nothing at `at_ns`."""
        return bool(self._recent) and at_ns - self._recent[-1][0].known_ns <= self._stale_after_ns

    def sample(self, at_ns: int) -> Floats:
        """The confidence of each region as known at `at_ns`, float32 [4] in 0..1; refreshes `held`."""
        if not self.is_awake(at_ns):
            return np.zeros(len(REGIONS), np.float32)
        at_ns -= self._recent[-1][0].lookahead_ns
        before, after = self._around(at_ns)
        span_ns = after[0].capture_ns - before[0].capture_ns
        share = np.float32(min(max((at_ns - before[0].capture_ns) / span_ns, 0.0), 1.0) if span_ns > 0 else 1.0)
        confidence = before[0].confidence + share * (after[0].confidence - before[0].confidence)
        vector: Floats = (before[1] + share * (after[1] - before[1])).astype(np.float32)
        for region in range(len(REGIONS)):
            if before[0].confidence[region] <= 0 < after[0].confidence[region]:
                self.held[region] = after[1]  # the older one knows nothing: do not blend from it
            elif after[0].confidence[region] <= 0:
                continue  # keep what was last known while the weight fades
            else:
                self.held[region] = vector
        return confidence.astype(np.float32)

    def _around(self, at_ns: int) -> tuple[tuple[Motion, Floats], tuple[Motion, Floats]]:
        before = after = self._recent[0]
        for entry in self._recent:
            before, after = after, entry
            if entry[0].capture_ns >= at_ns:
                break
        return (before, after) if before[0].capture_ns <= at_ns else (before, before)


class Fuser:
    """`see` and `hear` what the encoders finish; `at` gives the face of one instant. Depends on capture times alone."""

    def __init__(self, settings: FuseSettings, mouth_projector: Floats, idle: IdleMotion | None) -> None:
        self._settings = settings
        self._mouth_projector = mouth_projector
        self._idle = idle if settings.is_alive else None
        self._video, self._audio = _Recent(settings.stale_after_ms), _Recent(settings.stale_after_ms)
        self._video_weight = np.zeros(len(REGIONS), np.float32)
        self._audio_weight = np.zeros(len(REGIONS), np.float32)
        self._at_ns: int | None = None
        self._began_ns: int | None = None
        self._head_position = np.array([0.0, 0.0, -0.6], np.float32)

    def see(self, motion: Motion) -> None:
        """The video encoder finished `motion`."""
        self._video.add(motion)

    def hear(self, motion: Motion) -> None:
        """The audio encoder finished `motion`."""
        self._audio.add(motion)

    def at(self, tick_ns: int) -> Fused:
        """The face for the tick that may know everything captured up to `tick_ns`; ticks must not go back."""
        # Half a picture's interval back: with two ticks a picture, every tick falls on or between known pictures.
        sample_ns = tick_ns - (self._video.interval_ns or self._audio.interval_ns) // 2
        seen, heard = self._video.sample(sample_ns), self._audio.sample(sample_ns)
        trust_seen = self._trust(seen)
        self._move_weights(trust_seen, self._trust(heard) * (1 - trust_seen), tick_ns)
        video, audio = self._video_weight, self._audio_weight

        vector = np.zeros(VECTOR_SIZE, np.float32)
        for name, region in REGION_OF_PART.items():
            where = LAYOUT[name]
            vector[where] = (
                video[region] * self._video.held[region][where] + audio[region] * self._audio.held[region][where]
            )
        vector[LAYOUT["expression"]] = self._expression(_MOUTH) + self._expression(_UPPER)
        self._live(vector, tick_ns)
        np.clip(vector, LOWEST, HIGHEST, out=vector)
        return self._fused(vector, sample_ns, np.maximum(seen, heard))

    def _trust(self, confidence: Floats) -> Floats:
        """0 below `trusted_from`, 1 above `trusted_to`, smooth between."""
        settings = self._settings
        share = (confidence - settings.trusted_from) / (settings.trusted_to - settings.trusted_from)
        share = np.clip(share, 0.0, 1.0)
        return (share * share * (3.0 - 2.0 * share)).astype(np.float32)

    def _move_weights(self, video_to: Floats, audio_to: Floats, tick_ns: int) -> None:
        """Weights move linearly: a full cross-fade takes `fade_ms`, a full way to neutral `ease_ms`."""
        if self._at_ns is None:
            self._video_weight, self._audio_weight = video_to.copy(), audio_to.astype(np.float32)
            self._at_ns = tick_ns
            return
        dt_ms = max(0, tick_ns - self._at_ns) / 1e6
        self._at_ns = tick_ns
        known = np.clip(video_to + audio_to, 0.0, 1.0)
        up = dt_ms / self._settings.fade_ms
        down = dt_ms * (known / self._settings.fade_ms + (1.0 - known) / self._settings.ease_ms)
        self._video_weight = (self._video_weight + np.clip(video_to - self._video_weight, -down, up)).astype(np.float32)
        self._audio_weight = (self._audio_weight + np.clip(audio_to - self._audio_weight, -down, up)).astype(np.float32)

    def _expression(self, region: int) -> Floats:
        where = LAYOUT["expression"]
        mixed = (
            self._video_weight[region] * self._video.held[region][where]
            + self._audio_weight[region] * self._audio.held[region][where]
        )
        mouth = self._mouth_projector @ mixed
        return mouth if region == _MOUTH else mixed - mouth

    def _live(self, vector: Floats, tick_ns: int) -> None:
        """Where the camera sees nothing: blinks and glances, and the head stays where it was last."""
        seen_eyes, seen_head = self._video_weight[_EYES], self._video_weight[_HEAD]
        if seen_head > 0.99:
            self._head_position = vector[LAYOUT["head_translation"]].copy()
        else:
            vector[LAYOUT["head_translation"]] += (1.0 - seen_head) * self._head_position
        if self._idle is None or (seen_eyes > 0.99 and seen_head > 0.99):
            return
        if self._began_ns is None:
            self._began_ns = tick_ns
        idle = self._idle.at(tick_ns - self._began_ns)
        vector[LAYOUT["eyelids"]] += (1.0 - seen_eyes) * idle.eyelids
        vector[LAYOUT["gaze"]] += (1.0 - seen_eyes) * idle.gaze
        vector[LAYOUT["head_rotation"]] += (1.0 - seen_head) * idle.head_rotation
        vector[LAYOUT["head_translation"]] += (1.0 - seen_head) * idle.head_translation

    def _fused(self, vector: Floats, sample_ns: int, confidence: Floats) -> Fused:
        video = self._video.newest if self._video.is_awake(sample_ns) else None
        audio = self._audio.newest if self._audio.is_awake(sample_ns) else None
        # Of those that move the face now; what only adds its scores does not make the face older.
        moving = [(video, self._video_weight), (audio, self._audio_weight)]
        went_in = [motion.capture_ns for motion, weight in moving if motion is not None and weight.any()]
        went_in = went_in or [motion.capture_ns for motion in (video, audio) if motion is not None]
        identity = self._video.newest
        return Fused(
            vector=vector,
            capture_ns=min(went_in) if went_in else None,
            confidence=np.clip(confidence, 0.0, 1.0),
            shape=identity.shape if identity is not None else None,
            laughter=audio.laughter if audio else 0.0,
            speech=audio.speech if audio else 0.0,
            valence=audio.valence if audio else 0.0,
            arousal=audio.arousal if audio else 0.0,
            detail=identity.detail if identity is not None else None,
        )
