"""Between a network, where faces come late, twice, in the wrong order or not at all, and who shows them evenly.

Faces are played by the sender's clock, a little late, and interpolated: a lost one is bridged between its neighbours.
How late adapts to the network. Without faces the last one is held, and then eased to neutral. The rules and numbers are
those of the JavaScript client (driver/web/client/jitter.js).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from protocol.avatar_values import AvatarFace
from protocol.axes import from_axis_angle
from protocol.frame import Floats

State = Literal["waiting", "live", "stale", "lost"]

# Four seconds at 30 Hz: long enough to see how uneven the network is, short enough to follow it.
_WINDOW_FACES = 120
_MOST_FACES = 64
# How far the sender's clock may seem to jump before it must be another sender's.
_NEW_CLOCK_MS = 2000.0
# After a quiet spell the delay sinks by this share with each face; it rises at once.
_DELAY_FALL = 0.02

_NUMBERS = ("laughter", "speech", "valence", "arousal")


@dataclass(frozen=True)
class JitterOptions:
    """delay_ms       how late faces are played; None adapts to the network
    most_delay_ms  the most that the adaptive delay grows to
    stale_ms       without faces for so long, the state is "stale": the last one is held
    lost_ms        ... and then "lost": it eases to neutral
    ease_ms        how long easing to neutral and back takes
    """

    delay_ms: float | None = None
    most_delay_ms: float = 150.0
    stale_ms: float = 250.0
    lost_ms: float = 1000.0
    ease_ms: float = 400.0


DEFAULTS = JitterOptions()


@dataclass(frozen=True, eq=False)
class Played:
    """What to show now.

    face      None until the first has come
    presence  0..1, how much of it is shown
    at_ns     the time of the sender's that it is to show; `face` is older where nothing newer has come
    """

    face: AvatarFace | None
    state: State
    presence: float
    at_ns: int = 0


class JitterBuffer:
    """Faces go in with `push`, what to show comes out of `sample`. Times are of the receiver's monotonic clock.

    lost  faces that are missing from the sequence, or came too late to be shown
    """

    def __init__(self, options: JitterOptions = DEFAULTS) -> None:
        self._options = options
        self._faces: list[AvatarFace] = []  # by seq, the first one being shown
        self._transits_ms: deque[float] = deque(maxlen=_WINDOW_FACES)
        self._base_ms = self._adapted_ms = self._period_ms = 0.0
        self._played_ms = -math.inf
        self._arrived_ms: float | None = None
        self._sampled_ms: float | None = None
        self._presence = 0.0
        self.lost = 0

    @property
    def delay_ms(self) -> float:
        """How late faces are played beyond the fastest way through the network."""
        return self._adapted_ms if self._options.delay_ms is None else self._options.delay_ms

    def push(self, face: AvatarFace, now_ns: int) -> None:
        """Take a face that arrived at `now_ns`; those that come twice or too late are passed over."""
        now_ms, at_ms = now_ns / 1e6, _at_ms(face)
        if self._faces and not self._continues(face, now_ms):
            self._forget()
        self._arrived_ms = now_ms
        place = bisect_left(self._faces, face.seq, key=lambda one: one.seq)
        newest = self._faces[-1] if self._faces else None
        if newest is not None and place == len(self._faces):
            self.lost += face.seq - newest.seq - 1
            step_ms = (at_ms - _at_ms(newest)) / (face.seq - newest.seq)
            self._period_ms += (step_ms - self._period_ms) * (0.1 if self._period_ms else 1.0)
        elif newest is not None:
            if self._faces[place].seq == face.seq:
                return
            if place > 0:
                self.lost -= 1
        self._measure(now_ms - at_ms)
        self._faces.insert(place, face)  # one that is too late is the first to go when it is played
        del self._faces[:-_MOST_FACES]

    def sample(self, now_ns: int) -> Played:
        """What to show at `now_ns`, which must not fall."""
        now_ms = now_ns / 1e6
        state = self._state(now_ms)
        passed_ms = 0.0 if self._sampled_ms is None else max(0.0, now_ms - self._sampled_ms)
        self._sampled_ms = now_ms
        toward = passed_ms if state in ("live", "stale") else -passed_ms
        self._presence = min(1.0, max(0.0, self._presence + toward / self._options.ease_ms))
        if not self._faces:
            return Played(None, state, 0.0)
        self._played_ms = max(self._played_ms, now_ms - self._base_ms - self.delay_ms)
        while len(self._faces) > 1 and _at_ms(self._faces[1]) <= self._played_ms:
            del self._faces[0]
        first, at_ns = self._faces[0], round(self._played_ms * 1e6)
        if len(self._faces) == 1 or self._played_ms <= _at_ms(first):
            return Played(first, state, self._presence, at_ns)
        second = self._faces[1]
        share = (self._played_ms - _at_ms(first)) / (_at_ms(second) - _at_ms(first))
        return Played(between(first, second, share), state, self._presence, at_ns)

    def _state(self, now_ms: float) -> State:
        if self._arrived_ms is None:
            return "waiting"
        quiet_ms = now_ms - self._arrived_ms
        return "live" if quiet_ms < self._options.stale_ms else "stale" if quiet_ms < self._options.lost_ms else "lost"

    def _continues(self, face: AvatarFace, now_ms: float) -> bool:
        newest = self._faces[-1]
        return (
            face.session == newest.session
            and abs(now_ms - _at_ms(face) - self._base_ms) <= _NEW_CLOCK_MS
            and (face.seq > newest.seq) == (face.publish_ns > newest.publish_ns)
        )

    def _forget(self) -> None:
        self._faces.clear()
        self._transits_ms.clear()
        self._base_ms = self._adapted_ms = self._period_ms = 0.0
        self._played_ms = -math.inf

    def _measure(self, transit_ms: float) -> None:
        self._transits_ms.append(transit_ms)
        in_order = sorted(self._transits_ms)
        self._base_ms = in_order[0]
        uneven_ms = in_order[int(0.95 * (len(in_order) - 1))] - self._base_ms
        wanted_ms = min(self._options.most_delay_ms, uneven_ms + self._period_ms)
        self._adapted_ms += (wanted_ms - self._adapted_ms) * (1.0 if wanted_ms > self._adapted_ms else _DELAY_FALL)


def _at_ms(face: AvatarFace) -> float:
    return face.publish_ns / 1e6


def between(first: AvatarFace, second: AvatarFace, share: float) -> AvatarFace:
    """The face between two: `first` at share 0, `second` at 1, and numbered as `first`."""

    def mixed(name: str) -> Floats:
        one, other = getattr(first, name), getattr(second, name)
        return (one + np.float32(share) * (other - one)).astype(np.float32)

    def number(name: str) -> float:
        return getattr(first, name) + share * (getattr(second, name) - getattr(first, name))

    return replace(
        first,
        capture_ns=first.capture_ns + round(share * (second.capture_ns - first.capture_ns)),
        publish_ns=first.publish_ns + round(share * (second.publish_ns - first.publish_ns)),
        arkit=mixed("arkit"),
        head_rotation=turn_between(first.head_rotation, second.head_rotation, share),
        head_translation=mixed("head_translation"),
        confidence=mixed("confidence"),
        **{name: number(name) for name in _NUMBERS},
    )


def turn_between(first: Floats, second: Floats, share: float) -> Floats:
    """The rotation between two, the short way round, as an axis-angle vector float32 [3], rad."""
    one, other = np.array(from_axis_angle(first)), np.array(from_axis_angle(second))
    # For the small steps between faces the straight line, normalised, is as good as the arc.
    mixed = (1.0 - share) * one + share * math.copysign(1.0, float(one @ other)) * other
    length = float(np.linalg.norm(mixed))
    x, y, z, w = mixed / length if length > 0.0 else one
    sine = math.sqrt(x * x + y * y + z * z)
    angle_over_sine = 2.0 * math.atan2(sine, w) / sine if sine > 1e-9 else 2.0
    # Written the way round that is shorter than half a turn.
    if w < 0.0 < sine:
        angle_over_sine = -2.0 * math.atan2(sine, -w) / sine
    return (angle_over_sine * np.array([x, y, z])).astype(np.float32)
