"""The measures of the table, each with a sentence that defines it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from training.data.lips import lip_gap_mm, lip_width_mm
from training.evaluate import video_metrics as measure
from training.evaluate.video_judged import VideoJudged
from training.evaluate.video_material import CLIPS, COVERED, LOW_LIGHT, PHOTOS, SMALL, STEPS, STILLS, SYNTHETIC
from training.evaluate.video_on_real import (
    blinks_by_dlib,
    blinks_by_eye,
    blinks_by_landmarks,
    clip_error,
    cost_ms,
    head_jitter,
    held,
    held_with_teacher,
    in_still_stretches,
    lip_jitter,
    photo_error,
    settled,
    turn_from_teacher,
    with_dlib,
    with_landmarks,
    with_teacher,
)
from training.evaluate.video_on_synthetic import (
    delay,
    identity_leak,
    region_error,
    synthetic_gaze,
    synthetic_lids,
    synthetic_points,
    synthetic_turn,
    winks,
)


@dataclass(frozen=True)
class VideoColumn:
    """One measure. `part` is what it is measured on, "" for none; `definition` is a sentence for the documentation."""

    title: str
    part: str
    digits: int
    definition: str
    value: Callable[[VideoJudged], float | None]


_LESS_HABITS = "less the mean difference between the landmarks and the marks, taken from the other half of the pictures"
_BLINK = "F1 of blinks (mean lid closure over 0.5, at most 0.5 s; within 120 ms) against those"
_TREMBLE = "distance of each picture from the line between its neighbours, over sqrt(1.5), mm RMS"
_SYNTHETIC = "on synthetic truth, heads within 34 degrees of the front, mouths not covered"

COLUMNS: tuple[VideoColumn, ...] = (
    VideoColumn(
        "NME, marked photographs, %",
        PHOTOS,
        2,
        "mean distance of 48 landmarks (brows, nose, eyes, lips) from hand-made marks, over the "
        "outer-eye distance, where the marked face was found",
        photo_error(measure.mark_error),
    ),
    VideoColumn(
        "NME less habits, marked photographs, %",
        PHOTOS,
        2,
        f"the same, {_LESS_HABITS}",
        photo_error(measure.mark_error_less_habits),
    ),
    VideoColumn(
        "found, marked photographs, %",
        PHOTOS,
        1,
        "share in which a face is found whose eyes are the marked ones",
        held(PHOTOS),
    ),
    VideoColumn(
        "found, low light, %",
        LOW_LIGHT,
        1,
        "the same in 8 % of the light with a sensor's noise",
        held(LOW_LIGHT),
    ),
    VideoColumn(
        "found, small, %",
        SMALL,
        1,
        "the same with 16 pixels between the outer corners of the eyes, in 320 x 240",
        held(SMALL),
    ),
    VideoColumn(
        "found, covered mouth, %",
        COVERED,
        1,
        "the same with a grey card over the mouth",
        held(COVERED),
    ),
    VideoColumn(
        "NME less habits, clips, dlib, %",
        CLIPS,
        2,
        f"median over clips of the distance from dlib's marks, {_LESS_HABITS}",
        clip_error,
    ),
    VideoColumn(
        "aperture r, dlib",
        CLIPS,
        2,
        "Pearson's r of the lips' gap in the told motion with the opening between dlib's inner lips, median over clips",
        with_dlib(lip_gap_mm, 0),
    ),
    VideoColumn(
        "width r, dlib",
        CLIPS,
        2,
        "the same of the mouth's width",
        with_dlib(lip_width_mm, 1),
    ),
    VideoColumn(
        "aperture r, landmarks",
        CLIPS,
        2,
        "the same with MediaPipe's landmarks in dlib's place",
        with_landmarks(lip_gap_mm, 0),
    ),
    VideoColumn(
        "width r, landmarks",
        CLIPS,
        2,
        "the same of the mouth's width",
        with_landmarks(lip_width_mm, 1),
    ),
    VideoColumn(
        "aperture r, MediaPipe + solver",
        CLIPS,
        2,
        "the same with the motion of MediaPipe + solver",
        with_teacher(lip_gap_mm),
    ),
    VideoColumn(
        "head from MediaPipe + solver, deg",
        CLIPS,
        1,
        "mean angle between the two head rotations",
        turn_from_teacher,
    ),
    VideoColumn(
        "held with MediaPipe, %",
        CLIPS,
        1,
        "share of the pictures in which MediaPipe holds a face that the subject holds one too",
        held_with_teacher,
    ),
    VideoColumn(
        "blink F1, landmarks",
        CLIPS,
        2,
        f"{_BLINK} in which MediaPipe's lids are under 0.6 of their usual opening",
        blinks_by_landmarks,
    ),
    VideoColumn(
        "blink F1, by eye",
        CLIPS,
        2,
        f"{_BLINK} that somebody saw in the five clips that were looked through",
        blinks_by_eye,
    ),
    VideoColumn(
        "blink F1, dlib",
        CLIPS,
        2,
        f"{_BLINK} that dlib's lids show by the same rule",
        blinks_by_dlib,
    ),
    VideoColumn(
        "lip jitter, still pictures, mm",
        STILLS,
        3,
        f"photographs shown 24 times with fresh noise: {_TREMBLE}, over 40 lip landmarks of the told motion",
        settled(STILLS, lip_jitter),
    ),
    VideoColumn(
        "head jitter, still pictures, mm",
        STILLS,
        3,
        "the same of four corners of the face's plane, across the line of sight",
        settled(STILLS, head_jitter),
    ),
    VideoColumn(
        "lip jitter, still stretches, mm",
        CLIPS,
        3,
        "the same in stretches of clips in which nine tenths of the landmarks, and of the mouth's, averaged over five "
        "pictures, move by less than 0.4 % of the eye distance a picture",
        in_still_stretches(lip_jitter),
    ),
    VideoColumn(
        "head jitter, still stretches, mm",
        CLIPS,
        3,
        "the same of the head",
        in_still_stretches(head_jitter),
    ),
    VideoColumn(
        "NME, synthetic, %",
        SYNTHETIC,
        2,
        f"mean distance of the points that are seen from the true ones, over the outer-eye distance, {_SYNTHETIC}",
        synthetic_points,
    ),
    VideoColumn(
        "head, synthetic, deg",
        SYNTHETIC,
        1,
        "mean angle between told and true head rotation, all poses",
        synthetic_turn,
    ),
    VideoColumn(
        "gaze, synthetic, deg",
        SYNTHETIC,
        1,
        f"mean angle between told and true gaze of open eyes, {_SYNTHETIC}",
        synthetic_gaze,
    ),
    VideoColumn(
        "lid error, synthetic",
        SYNTHETIC,
        3,
        f"mean absolute error of the closure, {_SYNTHETIC}",
        synthetic_lids,
    ),
    VideoColumn(
        "winks told, synthetic, %",
        SYNTHETIC,
        0,
        "share of the pictures with one eye shut in which the told lids differ by a quarter the right way",
        winks,
    ),
    *(
        VideoColumn(
            f"{region} error, synthetic, mm",
            SYNTHETIC,
            2,
            f"mean distance between told and true places of the surface points of the {region} on the "
            f"mean head, {_SYNTHETIC}",
            region_error(region),
        )
        for region in measure.REGIONS
    ),
    VideoColumn(
        "mouth error, synthetic clips, mm",
        SYNTHETIC,
        2,
        "the same of the mouth, only where there are pictures before it: of heads that were filmed",
        region_error("mouth", in_clips=True),
    ),
    VideoColumn(
        "delay, synthetic steps, pictures",
        STEPS,
        2,
        "from a sudden change of the face until the lips' gap has gone half of its way, look-ahead included",
        delay,
    ),
    VideoColumn(
        "identity leak, clips, mm",
        CLIPS,
        3,
        "RMS change of the resting face by the told shape, second half of each clip",
        identity_leak(CLIPS),
    ),
    VideoColumn(
        "identity leak, synthetic, mm",
        SYNTHETIC,
        3,
        "the same on synthetic clips",
        identity_leak(SYNTHETIC),
    ),
    VideoColumn(
        "ms a picture, p50",
        CLIPS,
        2,
        "processor time of the one thread that a picture of the longest clip costs; all look at one after the other",
        cost_ms(50.0),
    ),
    VideoColumn(
        "ms a picture, p95",
        CLIPS,
        2,
        "the same, 95th percentile",
        cost_ms(95.0),
    ),
    VideoColumn(
        "ms to first face",
        "",
        0,
        "processor time from loading the files to the first face told",
        lambda judged: judged.first_ms,
    ),
    VideoColumn(
        "size, MB",
        "",
        2,
        "of the files that it loads",
        lambda judged: judged.size_mb,
    ),
)
