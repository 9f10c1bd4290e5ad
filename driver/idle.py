"""Life for what nobody sees: blinks, saccades, breath and a little sway of the head, from a seed and the time alone.

The same seed and time give the same motion, in any order of calls: time is cut into minutes, and each minute has random
numbers of its own. At the edge of a minute the lids are open and the eyes look straight ahead, so that minutes fit.

Sources: blink rate and course as reviewed by Stern, Walrath & Goldstein 1984 (some 15 a minute; lids close faster than
they open); duration of a saccade 2.2 ms/deg * amplitude + 21 ms, the main sequence in Carpenter 1988;
twelve to eighteen breaths a minute at rest, and in takes a little less time than out (Barrett et al., "Ganong's Review
of Medical Physiology"). How far the head goes along is chosen by eye: it must be felt rather than seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from driver.errors import UsageError
from driver.types import Motion

_BLOCK_NS = 60_000_000_000
_BLOCK_S = _BLOCK_NS / 1e9

# Which random numbers: each kind of motion has its own, so that changing one leaves the others as they were.
_BLINKS, _SACCADES, _SWAY, _BREATH = range(4)
_STRONGEST = 2.0
# sin(p + lean sin p) rises for as much of its period as p + lean sin p = 90 degrees has p of 180: two fifths.
_LEAN = (math.pi / 2 - 0.4 * math.pi) / math.sin(0.4 * math.pi)


@dataclass(frozen=True)
class IdleSettings:
    """How much of each there is: 0 none, 1 as in `IdleStyle`, up to 2. UsageError for a value out of its range.

    blinks      how often
    saccades    how far the eyes go
    sway        how far the head drifts
    breathing   how far the head rises and nods with the breath
    """

    blinks: float = 1.0
    saccades: float = 1.0
    sway: float = 1.0
    breathing: float = 1.0

    def __post_init__(self) -> None:
        for name in ("blinks", "saccades", "sway", "breathing"):
            value: float = getattr(self, name)
            if not 0 <= value <= _STRONGEST:
                raise UsageError(f"idle.{name} is {value:g}; it must be 0..{_STRONGEST:g}, 0 is none")


@dataclass(frozen=True)
class IdleStyle:
    """How lively the idle motion is. Intervals are means; `sway_rad` and `sway_m` are root mean squares an axis.

    From the bottom to the top of a breath the head rises by `breath_m` and tips back by `breath_rad`.
    """

    blink_interval_s: float = 4.0
    blink_closing_s: tuple[float, float] = (0.10, 0.15)
    blink_closed_s: tuple[float, float] = (0.02, 0.05)
    blink_opening_s: tuple[float, float] = (0.20, 0.30)
    attend_s: float = 1.6
    look_away_s: float = 0.8
    look_away_share: float = 0.35
    attend_spread_rad: float = math.radians(1.0)
    look_away_rad: float = math.radians(6.0)
    most_rad: float = math.radians(15.0)
    sway_rad: float = math.radians(0.8)
    sway_m: float = 0.0015
    breath_interval_s: float = 4.3
    breath_rad: float = math.radians(0.7)
    breath_m: float = 0.0025


class IdleMotion:
    """What a face does when it is left alone."""

    def __init__(self, seed: int = 0, style: IdleStyle | None = None, settings: IdleSettings | None = None) -> None:
        style = style or IdleStyle()
        self._settings = settings = settings or IdleSettings()
        if settings.blinks > 0:
            style = replace(style, blink_interval_s=style.blink_interval_s / settings.blinks)
        # One minute at a time is enough; a second one stays for calls on both sides of an edge.
        self._blinks = lru_cache(2)(partial(_Blinks.of_block, seed, style))
        self._saccades = lru_cache(2)(partial(_Saccades.of_block, seed, style))
        self._rotation = _Sway(_random(seed, _SWAY, 0), style.sway_rad)
        self._translation = _Sway(_random(seed, _SWAY, 1), style.sway_m)
        self._breath = _Breath(_random(seed, _BREATH, 0), style)

    def at(self, now_ns: int) -> Motion:
        """The motion at `now_ns`: `eyelids` and `gaze` as they are; `head_rotation` (rad) and `head_translation` (m) as
        small offsets around wherever the head is. Confidence is 0 everywhere: all of it is invented.
        """
        settings = self._settings
        block, inside_ns = divmod(now_ns, _BLOCK_NS)
        inside_s = inside_ns / 1e9
        closure = self._blinks(block).closure(inside_s) if settings.blinks > 0 else 0.0
        pitch, yaw = (settings.saccades * angle for angle in self._saccades(block).gaze_rad(inside_s))
        rise_m, nod_rad = self._breath.at(now_ns)
        rotation = settings.sway * self._rotation.at(now_ns)
        translation = settings.sway * self._translation.at(now_ns)
        rotation[0] += settings.breathing * nod_rad
        translation[1] += settings.breathing * rise_m
        return Motion(
            capture_ns=now_ns,
            eyelids=np.full(2, closure, np.float32),
            gaze=np.array([pitch, yaw, pitch, yaw], np.float32),
            head_rotation=rotation.astype(np.float32),
            head_translation=translation.astype(np.float32),
        )


def _random(seed: int, kind: int, block: int) -> np.random.Generator:
    return np.random.default_rng([seed, kind, block & 0xFFFF_FFFF])


def _log_normal(random: np.random.Generator, mean: float, spread: float = 0.6) -> float:
    """A positive number with the given mean; `spread` is the standard deviation of its logarithm."""
    return float(mean * random.lognormal(-spread * spread / 2, spread))


def _ease(x: float) -> float:
    """0 to 1 with zero speed and acceleration at both ends (minimum jerk): 10 x³ - 15 x⁴ + 6 x⁵."""
    x = min(1.0, max(0.0, x))
    return x * x * x * (10 - 15 * x + 6 * x * x)


class _Blinks:
    """The blinks that begin and end within one minute; rows of start, closing, closed and opening time in seconds."""

    def __init__(self, random: np.random.Generator, style: IdleStyle) -> None:
        phases = (style.blink_closing_s, style.blink_closed_s, style.blink_opening_s)
        longest_s = sum(high for _, high in phases)
        pause_s = min(1.0, style.blink_interval_s / 4)  # lids rest at least this long from one start to the next
        rows: list[list[float]] = []
        gap_s = pause_s + _log_normal(random, style.blink_interval_s - pause_s)
        # A minute begins in the middle of a gap, like any other instant.
        start_s = gap_s * float(random.random())
        while start_s < _BLOCK_S - longest_s:
            rows.append([start_s, *(float(random.uniform(*span)) for span in phases)])
            start_s += max(longest_s, pause_s) + _log_normal(random, style.blink_interval_s - max(longest_s, pause_s))
        self._rows = np.array(rows).reshape(-1, 4)

    @classmethod
    def of_block(cls, seed: int, style: IdleStyle, block: int) -> _Blinks:
        return cls(_random(seed, _BLINKS, block), style)

    def closure(self, at_s: float) -> float:
        """0 open .. 1 closed."""
        index = int(np.searchsorted(self._rows[:, 0], at_s, side="right")) - 1
        if index < 0:
            return 0.0
        start_s, closing_s, closed_s, opening_s = (float(value) for value in self._rows[index])
        since_s = at_s - start_s
        if since_s < closing_s:
            return _ease(since_s / closing_s)
        return 1.0 - _ease((since_s - closing_s - closed_s) / opening_s)


class _Saccades:
    """Jumps of both eyes within one minute: when, for how long, and to which pitch and yaw (radians)."""

    def __init__(self, random: np.random.Generator, style: IdleStyle) -> None:
        starts_s: list[float] = []
        targets: list[NDArray[np.float64]] = [np.zeros(2)]
        start_s = _log_normal(random, style.attend_s)
        while start_s < _BLOCK_S - 1.0:
            looks_away = bool(random.random() < style.look_away_share)
            starts_s.append(start_s)
            targets.append(_target_rad(random, style, looks_away))
            start_s += 0.2 + _log_normal(random, (style.look_away_s if looks_away else style.attend_s) - 0.2)
        # The last jump of the minute leads back to the middle, where the next minute begins.
        starts_s.append(_BLOCK_S - 0.5)
        targets.append(np.zeros(2))
        self._starts_s = np.array(starts_s)
        self._targets_rad = np.array(targets)
        amplitudes_deg = np.degrees(np.linalg.norm(np.diff(self._targets_rad, axis=0), axis=1))
        self._durations_s = 0.0022 * amplitudes_deg + 0.021

    @classmethod
    def of_block(cls, seed: int, style: IdleStyle, block: int) -> _Saccades:
        return cls(_random(seed, _SACCADES, block), style)

    def gaze_rad(self, at_s: float) -> tuple[float, float]:
        """Pitch and yaw."""
        index = int(np.searchsorted(self._starts_s, at_s, side="right")) - 1
        if index < 0:
            return 0.0, 0.0
        done = _ease((at_s - float(self._starts_s[index])) / float(self._durations_s[index]))
        pitch, yaw = self._targets_rad[index] + done * (self._targets_rad[index + 1] - self._targets_rad[index])
        return float(pitch), float(yaw)


def _target_rad(random: np.random.Generator, style: IdleStyle, looks_away: bool) -> NDArray[np.float64]:
    if not looks_away:
        return random.normal(0.0, style.attend_spread_rad, 2).clip(-style.most_rad, style.most_rad)
    # Small jumps are common and large ones rare; sideways more than up or down.
    distance_rad = min(style.most_rad, float(random.exponential(style.look_away_rad)))
    angle = float(random.uniform(0, 2 * math.pi))
    return distance_rad * np.array([0.5 * math.sin(angle), math.cos(angle)])


class _Sway:
    """Slow drift on three axes: sums of sines whose periods (2 to 11 s) never meet, so that it does not repeat."""

    def __init__(self, random: np.random.Generator, root_mean_square: float) -> None:
        count = 4
        self._frequencies_hz = random.uniform(0.09, 0.5, (3, count))
        self._phases = random.uniform(0, 2 * math.pi, (3, count))
        weights = 1 / self._frequencies_hz  # slow parts are the large ones
        self._amplitudes = root_mean_square * math.sqrt(2) * weights / np.linalg.norm(weights, axis=1, keepdims=True)

    def at(self, now_ns: int) -> NDArray[np.float32]:
        """[3], in the unit of `root_mean_square`."""
        angles = 2 * math.pi * self._frequencies_hz * (now_ns / 1e9) + self._phases
        return (self._amplitudes * np.sin(angles)).sum(axis=1).astype(np.float32)


class _Breath:
    """In and out, without end: a smooth wave that rises faster than it falls, no two breaths quite alike."""

    def __init__(self, random: np.random.Generator, style: IdleStyle) -> None:
        self._rate_hz = 1 / style.breath_interval_s
        self._rad, self._m = style.breath_rad, style.breath_m
        self._phase = float(random.uniform(0, 2 * math.pi))
        # Breaths are longer and shorter by up to a quarter, and deeper and shallower, in waves that take many of them.
        self._wander_hz = random.uniform(0.02, 0.05, 2)
        self._wander_phase = random.uniform(0, 2 * math.pi, 2)

    def at(self, now_ns: int) -> tuple[float, float]:
        """Height (m) and pitch (rad, negative tips back) of the head around their means."""
        now_s = now_ns / 1e9
        slow = np.sin(2 * math.pi * self._wander_hz * now_s + self._wander_phase)
        # The rate is the derivative of the phase: rate * (1 + 0.25 cos), for the first of the slow waves.
        phase = 2 * math.pi * self._rate_hz * now_s + self._phase
        phase += 0.25 * self._rate_hz / float(self._wander_hz[0]) * float(slow[0])
        depth = 0.5 * (1 + 0.25 * float(slow[1])) * math.sin(phase + _LEAN * math.sin(phase))
        return self._m * depth, -self._rad * depth
