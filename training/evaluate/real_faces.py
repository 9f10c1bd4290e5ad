"""What a real face does while it talks: a clip's pictures through tracker and solver, on the hops of its sound.

No fusion and no live smoothing, which would make the mouth late: the solver's own motion, twice through the clip (the
second time the solver knows the person), resampled by a kernel that looks both ways. Beside the motion, the opening
and the width of the lips as the tracker's landmarks show them: truth that owes nothing to our head or solver.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driver.capture.media_audio import AudioFile
from driver.capture.media_video import VideoFile
from driver.capture.playback import Item, Playback
from driver.landmark_solver import LandmarkSolver
from driver.mailbox import Mailbox
from driver.track import FaceTracker
from driver.types import FaceTrack, Motion
from models.head.rotation import matrix_from_axis_angle
from protocol.frame import REGIONS
from training.data.clips import HOP_S, HOP_SAMPLES, MOTION_SIZE, SAMPLE_RATE_HZ, hop_times_s

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Inner contours of the lips, upper and lower, at the middle and a little to both sides; corners of mouth and eyes.
_UPPER_INNER, _LOWER_INNER = [13, 82, 312], [14, 87, 317]
_MOUTH_CORNERS = (61, 291)
_EYE_CORNERS = (33, 263)
_MOUTH = REGIONS.index("mouth")

# Turned further than this the far half of the lips is guessed; between the two the weight falls.
_YAW_RANGE_RAD = (np.radians(25.0), np.radians(45.0))
# A second look at the clip begins this long after the first: the pose is found anew, the person is kept.
_SECOND_LOOK_S = 1.0
# The kernel's standard deviation in picture periods: as light as joins pictures without a ripple.
_KERNEL_PERIODS = 0.5
# An instant further than this from any picture, in periods, has not been seen.
_SEEN_PERIODS = 1.1

# Silence is this little over the clip's own floor, and this far under its voice.
_QUIET_OVER_DB, _QUIET_UNDER_DB = 12.0, 15.0
_REST_PERCENTILE = 20.0
_REST_ROWS_MINIMUM = 10

# The search for a clip's sync, and when it has found one.
_SEARCHED_S = 0.5
_VOICE_HZ = (500.0, 4000.0)
_LOUDNESS_EXPONENT = 0.2
_LEVEL_RANGE_DB = 40.0
_SYLLABLE_S = (0.03, 0.24)
_CLEAR_R = 0.25
_LAG_TOLERANCE_S = 0.06


@dataclass(frozen=True, eq=False)
class Seen:
    """A clip's pictures, F of them.

    times_s  float64 [F] since the file's beginning        motion  float32 [F, 53], open head
    weight   float32 [F] 0..1, how far the mouth is to be believed; 0 without a face
    gap, width  float32 [F]: opening between the lips and distance of the mouth's corners, along the head's own axes,
             in distances between the eyes' outer corners
    """

    times_s: Doubles
    motion: Floats
    weight: Floats
    gap: Floats
    width: Floats


@dataclass(frozen=True, eq=False)
class FaceRows:
    """The same on hop ends: motion [hops, 53] and weight, gap, width [hops]; unseen rows are 0 with weight 0."""

    motion: Floats
    weight: Floats
    gap: Floats
    width: Floats


def hear(clip: Path) -> Floats:
    """The clip's sound, float32 [hops * 320] at 16 kHz, from the file's beginning; empty when it has none."""
    chunks = list(played(AudioFile(clip, 0, realtime=False)))
    if not chunks:
        return np.zeros(0, np.float32)
    count = chunks[-1].first_sample + HOP_SAMPLES
    sound = np.zeros(-(-count // HOP_SAMPLES) * HOP_SAMPLES, np.float32)
    for chunk in chunks:
        sound[chunk.first_sample : chunk.first_sample + HOP_SAMPLES] = chunk.samples
    return sound


def see(clip: Path, face_model: Path) -> Seen:
    """Every picture of the clip through tracker and solver. ValueError when it has fewer than two."""
    tracker, solver = FaceTracker(face_model), LandmarkSolver()
    tracks = [tracker.process(frame) for frame in played(VideoFile(clip, 0, realtime=False))]
    if len(tracks) < 2:
        raise ValueError(f"{clip} has {len(tracks)} pictures; a moving face needs at least 2")
    for track in tracks:
        solver.process(track)
    again_ns = tracks[-1].capture_ns - tracks[0].capture_ns + round(_SECOND_LOOK_S * 1e9)
    motions = [
        solver.process(FaceTrack(track.landmarks, track.presence, track.image_size, track.capture_ns + again_ns))
        for track in tracks
    ]
    lips = np.array([_lips(track, motion) for track, motion in zip(tracks, motions, strict=True)], np.float32)
    return Seen(
        times_s=np.array([track.capture_ns for track in tracks]) / 1e9,
        motion=np.stack([np.concatenate([motion.expression, motion.jaw]) for motion in motions]),
        weight=np.array([_weight(*pair) for pair in zip(tracks, motions, strict=True)], np.float32),
        gap=lips[:, 0],
        width=lips[:, 1],
    )


def on_hops(seen: Seen, hops: int) -> FaceRows:
    """`seen` at the ends of `hops` hops, by local straight lines under a Gaussian kernel: no lag, whatever the rate.

    Pictures count by their weight; a row's own weight is that of the pictures around it.
    """
    period_s = float(np.median(np.diff(seen.times_s)))
    at = hop_times_s(hops)
    away = (seen.times_s - at[:, None]) / (_KERNEL_PERIODS * period_s)
    kernel = np.exp(-0.5 * away**2) + 1e-12
    weight = (kernel @ seen.weight) / kernel.sum(axis=1)
    is_seen = np.abs(away).min(axis=1) <= _SEEN_PERIODS / _KERNEL_PERIODS
    values = np.concatenate([seen.motion, seen.gap[:, None], seen.width[:, None]], axis=1).astype(np.float64)
    # Pictures without a face say nothing; those that are hardly believed say little.
    kernel *= np.maximum(seen.weight, 1e-3 * (seen.weight > 0.0))
    rows = _local_line(away, kernel, values)
    weight = np.where(is_seen & (kernel.sum(axis=1) > 1e-6), weight, 0.0).astype(np.float32)
    rows = np.where(weight[:, None] > 0.0, rows, 0.0).astype(np.float32)
    return FaceRows(rows[:, :MOTION_SIZE], weight, rows[:, MOTION_SIZE], rows[:, MOTION_SIZE + 1])


def level_db(audio: Floats) -> Floats:
    """Loudness of each hop, dBFS [hops], of the 40 ms that end with it; never below -80."""
    power = np.mean(np.square(audio.reshape(-1, HOP_SAMPLES), dtype=np.float64), axis=1)
    before = np.concatenate([power[:1], power[:-1]])
    return (10.0 * np.log10(0.5 * (power + before) + 1e-8)).astype(np.float32)


def resting(rows: FaceRows, loudness_db: Floats) -> Floats:
    """Motion [53] of the person at rest: the median over silent rows with the most closed lips.

    Where the clip is never silent, over the most closed lips of all: a clip has no neutral face but that.
    """
    believed = rows.weight > 0.5 * rows.weight.max(initial=0.0)
    if not believed.any():
        return np.zeros(MOTION_SIZE, np.float32)
    floor_db, loud_db = np.percentile(loudness_db, [5.0, 95.0])
    quiet = believed & (loudness_db < min(floor_db + _QUIET_OVER_DB, loud_db - _QUIET_UNDER_DB))
    chosen = quiet if np.count_nonzero(quiet) >= _REST_ROWS_MINIMUM else believed
    limit = np.percentile(rows.gap[chosen], _REST_PERCENTILE if chosen is believed else 50.0)
    return np.median(rows.motion[chosen & (rows.gap <= limit)], axis=0).astype(np.float32)


@dataclass(frozen=True)
class Sync:
    """How a clip's lips follow its sound.

    lag_s    how much later than the voice the lips move, where both agree best, and Pearson's r there
    level_lag_s  the same by loudness alone
    """

    lag_s: float
    r: float
    level_lag_s: float

    @property
    def is_clear(self) -> bool:
        """Whether somebody here is heard and seen talking: both ways of listening agree, and well inside the range."""
        agree = abs(self.lag_s - self.level_lag_s) <= _LAG_TOLERANCE_S + 1e-9
        return agree and self.r >= _CLEAR_R and abs(self.lag_s) <= _SEARCHED_S - _LAG_TOLERANCE_S


def sync_of(audio: Floats, rows: FaceRows) -> Sync:
    """Where the lips' opening follows the sound best, within half a second either way."""
    opening = syllabic(rows.gap)
    voice, level = syllabic(voice_strength(audio)), syllabic(np.maximum(level_db(audio), _level_floor_db(audio)))
    lag_s, r = best_lag(voice, opening, rows.weight, _SEARCHED_S)
    return Sync(lag_s, r, best_lag(level, opening, rows.weight, _SEARCHED_S)[0])


def voice_strength(audio: Floats) -> Floats:
    """Strength [hops] of what an open mouth lets out, 500..4000 Hz at each hop's end, compressed as by the ear."""
    padded = np.concatenate([audio, np.zeros(HOP_SAMPLES, np.float32)]).reshape(-1, HOP_SAMPLES)
    frames = np.concatenate([padded[:-1], padded[1:]], axis=1) * np.hanning(2 * HOP_SAMPLES)
    frequency_hz = np.fft.rfftfreq(2 * HOP_SAMPLES, 1.0 / SAMPLE_RATE_HZ)
    is_voice = (frequency_hz >= _VOICE_HZ[0]) & (frequency_hz < _VOICE_HZ[1])
    power = np.sum(np.abs(np.fft.rfft(frames)[:, is_voice]) ** 2, axis=1)
    return (power**_LOUDNESS_EXPONENT).astype(np.float32)


def _level_floor_db(audio: Floats) -> float:
    return float(np.max(level_db(audio))) - _LEVEL_RANGE_DB


def syllabic(values: Floats) -> Doubles:
    """What of `values` [hops] moves at the rate of syllables: 30 ms means less 240 ms means."""
    return _blurred(values, _SYLLABLE_S[0]) - _blurred(values, _SYLLABLE_S[1])


def _blurred(values: Floats, sigma_s: float) -> Doubles:
    reach = int(np.ceil(4.0 * sigma_s / HOP_S))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * HOP_S / sigma_s) ** 2)
    padded = np.pad(values.astype(np.float64), reach, mode="reflect" if len(values) > reach else "edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid").astype(np.float64)


def best_lag(
    heard: NDArray[np.floating], shown: NDArray[np.floating], weight: Floats, most_s: float
) -> tuple[float, float]:
    """(seconds, r): how much later `shown` [hops] is than `heard`, where they agree best within `most_s`, and Pearson's
    r there over the rows with weight.
    """
    most = round(most_s / HOP_S)
    tried = [(lag * HOP_S, lagged_r(heard, shown, weight, lag)) for lag in range(-most, most + 1)]
    return max(tried, key=lambda pair: pair[1])


def lagged_r(heard: NDArray[np.floating], shown: NDArray[np.floating], weight: Floats, lag: int) -> float:
    """Pearson's r of shown[t + lag] with heard[t] over rows whose weight is above 0; 0 when nothing moves."""
    count = min(len(heard), len(shown))
    low, high = max(0, -lag), min(count, count - lag)
    if high - low < 3:
        return 0.0
    x, y = heard[low:high], shown[low + lag : high + lag]
    used = weight[low + lag : high + lag] > 0.0
    x, y = x[used].astype(np.float64), y[used].astype(np.float64)
    if len(x) < 3 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def _local_line(away: Doubles, kernel: Doubles, values: Doubles) -> Doubles:
    """Weighted straight line through `values` [F, C] at each row of `away`, `kernel` [hops, F]: its value at 0."""
    s0, s1, s2 = (np.sum(kernel * away**power, axis=1) for power in range(3))
    spread = s0 * s2 - s1**2
    slope_free = (kernel * s2[:, None] - kernel * away * s1[:, None]) / np.maximum(spread, 1e-30)[:, None]
    flat = kernel / np.maximum(s0, 1e-30)[:, None]
    # With one picture in reach a line has no direction, and an extrapolated one runs away.
    is_line = (spread > 1e-3 * s0**2) & (np.abs(s1) < s0)
    return np.where(is_line[:, None], slope_free, flat) @ values


def _lips(track: FaceTrack, motion: Motion) -> tuple[float, float]:
    """(gap, width) over the eyes' distance; the landmarks' own depth turns them to the front."""
    if track.landmarks is None:
        return 0.0, 0.0
    points = track.landmarks.astype(np.float64) * [1.0, -1.0, -1.0]
    frontal = points @ matrix_from_axis_angle(motion.head_rotation.astype(np.float64))
    right_eye, left_eye = frontal[list(_EYE_CORNERS)]
    unit = float(np.linalg.norm(left_eye - right_eye))
    gap = frontal[_UPPER_INNER, 1].mean() - frontal[_LOWER_INNER, 1].mean()
    right, left = frontal[list(_MOUTH_CORNERS)]
    return float(gap) / unit, float(left[0] - right[0]) / unit


def _weight(track: FaceTrack, motion: Motion) -> float:
    """The solver's own confidence (presence, landmark error, size), less for turned heads and mouths out of sight."""
    if track.landmarks is None:
        return 0.0
    yaw = abs(np.arcsin(np.clip(matrix_from_axis_angle(motion.head_rotation.astype(np.float64))[0, 2], -1.0, 1.0)))
    low, high = _YAW_RANGE_RAD
    frontal = float(np.clip((high - yaw) / (high - low), 0.0, 1.0))
    mouth = track.landmarks[[*_UPPER_INNER, *_LOWER_INNER, *_MOUTH_CORNERS], :2]
    is_inside = bool(np.all((mouth >= 0.0) & (mouth < np.array(track.image_size))))
    return float(motion.confidence[_MOUTH]) * frontal * is_inside


def played(source: Playback[Item]) -> Iterator[Item]:
    """What a file gives, in order; raises what it failed with."""
    outbox: Mailbox[Item] = Mailbox(8, "wait")
    errors: list[BaseException] = []
    source.start(outbox, lambda name, error: errors.append(error))
    try:
        yield from outbox
    finally:
        source.stop()
    if errors:
        raise errors[0]
