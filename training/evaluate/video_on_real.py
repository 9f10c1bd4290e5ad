"""Measures on real photographs and clips: against marks made by hand, dlib's marks, and MediaPipe with our solver."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.head.landmarks import FACE_POINTS, MOUTH_ROWS
from training.evaluate import video_metrics as measure
from training.evaluate.checked_blinks import BLINKS
from training.evaluate.video_judged import Floats, VideoJudged, mean, median, rms
from training.evaluate.video_material import CLIPS, PHOTOS, Scene
from training.evaluate.video_watch import Watched

# A stretch of a clip is still when nine tenths of its points, and of its mouth alone, averaged over five pictures, move
# less than so many eye distances in each picture.
_STILL_SPEED, _STILL_SHARE, _STILL_PICTURES, _STILL_MEAN = 0.004, 90.0, 10, 5


def held(part: str) -> Callable[[VideoJudged], float]:
    """Share of the photographs whose marked face was found."""

    def value(judged: VideoJudged) -> float:
        return 100.0 * mean(measure.is_same_face(seen.points, _marks(scene)) for scene, seen in judged.pairs(part))

    return value


def _marks(scene: Scene) -> Floats:
    assert scene.marks is not None
    return scene.marks


def photo_error(error: Callable[[Floats, Floats], Floats]) -> Callable[[VideoJudged], float]:
    def value(judged: VideoJudged) -> float:
        pairs = list(judged.pairs(PHOTOS))
        points = np.concatenate([seen.points for _, seen in pairs])
        marks = np.concatenate([_marks(scene) for scene, _ in pairs])
        is_same = measure.is_same_face(points, marks)
        return 100.0 * mean([error(points[is_same], marks[is_same])])

    return value


def clip_error(judged: VideoJudged) -> float:
    return 100.0 * median(
        mean([measure.mark_error_less_habits(seen.points, marks)]) for seen, marks in judged.beside_dlib()
    )


def with_dlib(of_motion: Callable[[Floats], Floats], number: int) -> Callable[[VideoJudged], float]:
    """Median r of a measure of the lips with dlib's opening (0) or width (1)."""

    def value(judged: VideoJudged) -> float:
        return median(
            measure.correlation(of_motion(seen.motion), measure.lips_of_marks(marks)[number])
            for seen, marks in judged.beside_dlib()
        )

    return value


def with_landmarks(of_motion: Callable[[Floats], Floats], number: int) -> Callable[[VideoJudged], float]:
    """The same with the lips of MediaPipe's landmarks."""

    def value(judged: VideoJudged) -> float:
        return median(
            measure.correlation(of_motion(seen.motion), measure.lips_of_points(teacher.points)[number])
            for seen, teacher in judged.beside_teacher()
        )

    return value


def with_teacher(of_motion: Callable[[Floats], Floats]) -> Callable[[VideoJudged], float]:
    def value(judged: VideoJudged) -> float:
        return median(
            measure.correlation(of_motion(seen.motion), of_motion(teacher.motion))
            for seen, teacher in judged.beside_teacher()
        )

    return value


def turn_from_teacher(judged: VideoJudged) -> float:
    return mean(
        measure.angle_deg(measure.rotations(seen.head_rotation), measure.rotations(teacher.head_rotation))
        for seen, teacher in judged.beside_teacher()
    )


def held_with_teacher(judged: VideoJudged) -> float:
    return 100.0 * mean(seen.held[teacher.held > 0.0] for seen, teacher in judged.beside_teacher())


def blinks_by_landmarks(judged: VideoJudged) -> float:
    return measure.f1(
        [
            measure.matched(
                measure.blinks_of_eyelids(seen.eyelids, seen.times_s),
                measure.blinks_of_openness(measure.openness_of_points(teacher.points), seen.times_s),
            )
            for seen, teacher in judged.beside_teacher()
        ]
    )


def blinks_by_dlib(judged: VideoJudged) -> float:
    return measure.f1(
        [
            measure.matched(
                measure.blinks_of_eyelids(seen.eyelids, seen.times_s),
                measure.blinks_of_openness(measure.openness_of_marks(marks), seen.times_s),
            )
            for seen, marks in judged.beside_dlib()
        ]
    )


def blinks_by_eye(judged: VideoJudged) -> float:
    return measure.f1(
        [
            measure.matched(
                measure.blinks_of_eyelids(seen.eyelids, seen.times_s),
                [float(seen.times_s[picture]) for picture in BLINKS[scene.name]],
            )
            for scene, seen in judged.pairs(CLIPS)
            if scene.name in BLINKS
        ]
    )


def lip_jitter(seen: Watched) -> Floats:
    return measure.lip_jitter_mm(seen.motion)


def head_jitter(seen: Watched) -> Floats:
    return measure.head_jitter_mm(measure.rotations(seen.head_rotation), seen.head_translation)


def settled(part: str, jitter: Callable[[Watched], Floats]) -> Callable[[VideoJudged], float]:
    """Root mean square over the second half of the still scenes, when a solver knows the person."""

    def value(judged: VideoJudged) -> float:
        return rms(jitter(seen)[len(seen.held) // 2 :] for _, seen in judged.pairs(part))

    return value


def in_still_stretches(jitter: Callable[[Watched], Floats]) -> Callable[[VideoJudged], float]:
    def value(judged: VideoJudged) -> float:
        return rms(jitter(seen)[is_still(teacher.points)[1:-1]] for seen, teacher in judged.beside_teacher())

    return value


def is_still(points: Floats) -> NDArray[np.bool_]:
    """[F]: in a stretch of at least ten pictures in which the points [F, 140, 2], averaged over five, hardly move: nine
    tenths of all of them, and of the mouth's, which may speak in a face that is still otherwise.
    """
    still = np.zeros(len(points), bool)
    known = np.isfinite(points).all(axis=(1, 2))
    if len(points) < _STILL_PICTURES + _STILL_MEAN or not known.any():
        return still
    unit = np.linalg.norm(points[:, FACE_POINTS.index(263)] - points[:, FACE_POINTS.index(33)], axis=1)
    kernel = np.ones(_STILL_MEAN) / _STILL_MEAN
    smooth = np.apply_along_axis(lambda values: np.convolve(values, kernel, "valid"), 0, points.astype(np.float64))
    speed = np.linalg.norm(np.diff(smooth, axis=0), axis=2) / np.median(unit[known])
    speed = np.nan_to_num(speed, nan=np.inf)
    fastest = [np.percentile(some, _STILL_SHARE, axis=1) for some in (speed, speed[:, MOUTH_ROWS])]
    slow = np.maximum(*fastest) < _STILL_SPEED
    edges = np.flatnonzero(np.diff(np.concatenate([[False], slow, [False]]).astype(int)))
    for start, end in zip(*[iter(edges)] * 2, strict=True):
        if end - start >= _STILL_PICTURES:
            still[start + _STILL_MEAN // 2 : end + _STILL_MEAN // 2] = True
    return still


def cost_ms(percentile: float) -> Callable[[VideoJudged], float | None]:
    def value(judged: VideoJudged) -> float | None:
        costs_ms = judged.costs_ms
        return None if costs_ms is None or not len(costs_ms) else float(np.percentile(costs_ms, percentile))

    return value
