"""What is known of a subject when the table is made, and how numbers are summed up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluate.video_material import CLIPS, Scene, VideoMaterial
from training.evaluate.video_watch import Watched

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class VideoJudged:
    """A subject's answers for each part. `teacher` has those of MediaPipe with our solver, `dlib` dlib's 68 points;
    either is empty where it is missing. `first_ms` is from the start to the first face, `costs_ms` of some pictures
    (`training.evaluate.video_cost`).
    """

    name: str
    material: VideoMaterial
    answers: dict[str, list[Watched]]
    teacher: dict[str, list[Watched]]
    dlib: dict[str, list[Floats]]
    lookahead: int = 0
    size_mb: float | None = None
    first_ms: float | None = None
    costs_ms: Floats | None = None

    def pairs(self, part: str) -> Iterator[tuple[Scene, Watched]]:
        yield from zip(self.material.scenes.get(part, []), self.answers.get(part, []), strict=False)

    def beside_teacher(self) -> Iterator[tuple[Watched, Watched]]:
        """(the subject's, the teacher's) of every real clip."""
        yield from zip(self.answers.get(CLIPS, []), self.teacher.get(CLIPS, []), strict=False)

    def beside_dlib(self) -> Iterator[tuple[Watched, Floats]]:
        yield from zip(self.answers.get(CLIPS, []), self.dlib.get(CLIPS, []), strict=False)


def median(values: Iterable[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")


def mean(pieces: Iterable[Floats | NDArray[np.bool_]]) -> float:
    listed = [np.ravel(piece) for piece in pieces]
    values = np.concatenate(listed) if listed else np.zeros(0)
    values = values[np.isfinite(values)]
    return float(np.mean(values)) if len(values) else float("nan")


def rms(pieces: Iterable[Floats]) -> float:
    return float(np.sqrt(mean(np.square(piece) for piece in pieces)))
