"""A recording of one person, as the driver's own tracker reads it, and the sound that goes with it.

Whatever makes it unfit to learn from is one sentence: MediaError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from driver.capture.media import probe
from driver.capture.media_video import VideoFile
from driver.errors import MediaError
from driver.face_adapter import told_of
from driver.face_search import Detector, faces_in
from driver.types import Motion, VideoFrame
from models.head.landmarks import FACE_POINTS
from training.evaluate.real_faces import hear, played

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

SHORTEST_S = 15.0
_SEEN = 0.5  # confidence of every region from which a face teaches
_LONGEST_GAP_S = 0.2  # between pictures; what is longer was not filmed
# Two people: a second face at least half as large as the first, in a tenth of the pictures that are searched.
_SEARCHED_EVERY_S, _SECOND_FACE, _MOST_SECOND = 1.0, 0.5, 0.1


class Face(Protocol):
    """What is asked of `driver.native_face.NativeFace`."""

    points_px: Floats | None

    def process(self, item: VideoFrame) -> list[Motion]: ...


@dataclass(frozen=True, eq=False)
class Seen:
    """F pictures of one person.

    motions      as the tracker told them
    points_px    float32 [F, 140, 2], FACE_POINTS; NaN without a face
    """

    motions: tuple[Motion, ...]
    points_px: Floats

    @cached_property
    def times_s(self) -> Doubles:
        return np.array([motion.capture_ns for motion in self.motions]) / 1e9

    @cached_property
    def told(self) -> Floats:
        """[F, 59]: what corrections read (`driver.face_adapter`)."""
        return np.stack([told_of(motion) for motion in self.motions])

    @cached_property
    def rotation(self) -> Floats:
        """[F, 3] of the head, rad."""
        return np.stack([motion.head_rotation for motion in self.motions])

    @cached_property
    def is_seen(self) -> Flags:
        """[F]: whether all of the face is well seen."""
        sure = np.stack([motion.confidence for motion in self.motions]).min(axis=1) >= _SEEN
        return np.asarray(sure & np.isfinite(self.points_px).all(axis=(1, 2)), np.bool_)

    @property
    def seen_s(self) -> float:
        """For how long the face is well seen."""
        steps = np.minimum(np.diff(self.times_s, append=self.times_s[-1:]), _LONGEST_GAP_S)
        return float(steps[self.is_seen].sum())

    @property
    def shape(self) -> Floats:
        """[100]: the mean identity where the face is well seen."""
        told = [motion.shape for motion, seen in zip(self.motions, self.is_seen, strict=True) if seen]
        return np.mean([shape for shape in told if shape is not None], axis=0).astype(np.float32)

    def without(self, begin_s: float, end_s: float) -> Seen:
        """All other pictures than those of `part`."""
        before, after = self.part(-np.inf, begin_s), self.part(end_s, np.inf)
        return Seen(before.motions + after.motions, np.concatenate([before.points_px, after.points_px]))

    def thirds(self) -> tuple[tuple[float, float], ...]:
        """(begin_s, end_s) of three parts, in each of which the face is well seen in as many pictures."""
        known = self.times_s[self.is_seen]
        inner = [float(known[round(share * len(known))]) for share in (1 / 3, 2 / 3)]
        edges = [-np.inf, *inner, np.inf]
        return tuple(pairwise(edges))

    def part(self, begin_s: float, end_s: float) -> Seen:
        """The pictures of begin_s <= time < end_s."""
        chosen = np.flatnonzero((self.times_s >= begin_s) & (self.times_s < end_s))
        return Seen(tuple(self.motions[row] for row in chosen), self.points_px[chosen])


def watch(
    frames: Iterable[VideoFrame],
    face: Face,
    detector: Detector,
    name: str,
    progress: Callable[[float], None] = lambda seconds: None,
) -> Seen:
    """Every picture through the tracker; `progress` is told the time of each, s.

    Raises MediaError when there is no face, more than one, or too little of one.
    """
    motions: list[Motion] = []
    points: list[Floats] = []
    searched = crowded = 0
    nowhere = np.full((len(FACE_POINTS), 2), np.nan, np.float32)
    for frame in frames:
        motions += face.process(frame)
        points.append(nowhere if face.points_px is None else face.points_px)
        if frame.capture_ns >= searched * _SEARCHED_EVERY_S * 1e9:
            searched += 1
            crowded += _is_crowded(frame, detector)
        progress(frame.capture_ns / 1e9)
    if not motions:
        raise MediaError(f"{name} has no pictures; record about a minute of yourself")
    seen = Seen(tuple(motions), np.stack(points))
    if not seen.is_seen.any():
        raise MediaError(
            f"{name} shows no face well enough; face the camera, in more light or closer, and record again"
        )
    if crowded > _MOST_SECOND * searched:
        raise MediaError(
            f"{name} shows more than one face in {crowded} of {searched} pictures that were looked through; "
            "record yourself alone"
        )
    if seen.seen_s < SHORTEST_S:
        raise MediaError(
            f"{name} shows the face well for {seen.seen_s:.1f} s; it must be {SHORTEST_S:.0f} s at least, "
            "about a minute is good"
        )
    return seen


def watch_file(path: Path, face: Face, detector: Detector, progress: Callable[[float], None]) -> Seen:
    """The same of a video file; MediaError also for one that cannot be read."""
    return watch(played(VideoFile(path, 0, realtime=False)), face, detector, path.name, progress)


def hear_file(path: Path) -> Floats:
    """Its sound, float32 [n] at 16 kHz; empty when it has none."""
    return hear(path) if probe(path).has_audio else np.zeros(0, np.float32)


def _is_crowded(frame: VideoFrame, detector: Detector) -> bool:
    """Whether beside the largest face there is another that is not much smaller."""
    boxes = [face.box for face in faces_in(frame.image, detector)]
    largest = max(boxes, key=_width, default=None)
    return largest is not None and any(
        _width(box) >= _SECOND_FACE * _width(largest) and not _is_inside((box[:2] + box[2:]) / 2, largest)
        for box in boxes
    )


def _width(box: Floats) -> float:
    return float(box[2] - box[0])


def _is_inside(point: NDArray[np.floating], box: Floats) -> bool:
    return bool((box[:2] <= point).all() and (point <= box[2:]).all())
