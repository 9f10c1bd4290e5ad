"""Measures on synthetic faces, whose truth is exact; and how much the told identity moves with the face."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS, LandmarkRig, open_head_landmarks
from training.data.lips import lip_gap_mm
from training.evaluate import video_metrics as measure
from training.evaluate.video_judged import Floats, VideoJudged, mean, rms
from training.evaluate.video_material import STEP_AT, STEPS, SYNTHETIC, Scene

_WINK, _HALF_WINK = 0.5, 0.25
_OPEN = 0.5
_STEP_MM = 1.0  # a step whose lips move less was not seen
_HARDLY_RAD = 0.6  # from the front, beyond which a synthetic head's mouth is no longer asked about


def frontal(scene: Scene) -> NDArray[np.bool_]:
    """[F]: the synthetic head looks roughly at the camera, and its mouth is not covered."""
    turned = np.arccos(np.clip(scene.truths["rotation"][:, 8], -1.0, 1.0))
    covered = np.nan_to_num(scene.truths["visibility"][:, 0], nan=1.0) < 0.5
    return (turned < _HARDLY_RAD) & ~covered


def _true_rotation(scene: Scene) -> NDArray[np.float64]:
    return scene.truths["rotation"].reshape(-1, 3, 3).astype(np.float64)


def _true_motion(scene: Scene) -> Floats:
    return np.concatenate([scene.truths["expression"], scene.truths["jaw"]], axis=1)


def synthetic_points(judged: VideoJudged) -> float:
    errors: list[Floats] = []
    for scene, seen in judged.pairs(SYNTHETIC):
        true = scene.truths["points"].reshape(len(seen.held), -1, 2) * next(scene.frames()).image.shape[0]
        unit = np.linalg.norm(true[:, FACE_POINTS.index(263)] - true[:, FACE_POINTS.index(33)], axis=1)
        apart = np.linalg.norm(seen.points - true, axis=2) / unit[:, None]
        chosen = frontal(scene) & (seen.held > 0.0)
        errors.append(apart[chosen][scene.truths["points_seen"][chosen] > 0.5])
    return 100.0 * mean(errors)


def synthetic_turn(judged: VideoJudged) -> float:
    return mean(
        measure.angle_deg(
            measure.rotations(seen.head_rotation), scene.truths["rotation"].reshape(-1, 3, 3).astype(float)
        )
        for scene, seen in judged.pairs(SYNTHETIC)
    )


def synthetic_gaze(judged: VideoJudged) -> float:
    return mean(
        measure.gaze_error_deg(seen.gaze, scene.truths["gaze"])[
            (scene.truths["eyelids"] < _OPEN) & frontal(scene)[:, None]
        ]
        for scene, seen in judged.pairs(SYNTHETIC)
    )


def synthetic_lids(judged: VideoJudged) -> float:
    return mean(
        np.abs(seen.eyelids - scene.truths["eyelids"])[frontal(scene)] for scene, seen in judged.pairs(SYNTHETIC)
    )


def winks(judged: VideoJudged) -> float:
    told: list[NDArray[np.bool_]] = []
    for scene, seen in judged.pairs(SYNTHETIC):
        true, found = (lids[:, 0] - lids[:, 1] for lids in (scene.truths["eyelids"], seen.eyelids))
        is_wink = (np.abs(true) > _WINK) & frontal(scene)
        told.append((np.sign(true) * np.nan_to_num(found) > _HALF_WINK)[is_wink])
    return 100.0 * mean(told)


def region_error(region: str, *, in_clips: bool = False) -> Callable[[VideoJudged], float]:
    """Of all drawn heads, or of those only that are seen in more than one picture."""

    def value(judged: VideoJudged) -> float:
        return mean(
            measure.region_error_mm(seen.motion, _true_motion(scene), region)[frontal(scene)]
            for scene, seen in judged.pairs(SYNTHETIC)
            if scene.count > 1 or not in_clips
        )

    return value


def delay(judged: VideoJudged) -> float:
    """Pictures from the step until the lips have gone half of their way."""
    delays: list[float] = []
    for _, seen in judged.pairs(STEPS):
        gap = lip_gap_mm(seen.motion).astype(np.float64)
        before, after = gap[STEP_AT - 4 : STEP_AT - 2].mean(), gap[-4:].mean()
        if not np.isfinite(after - before) or abs(after - before) < _STEP_MM:
            continue
        crossed = np.flatnonzero((gap[STEP_AT:] - before) / (after - before) >= 0.5)
        delays.append(float(crossed[0] + judged.lookahead))
    return mean([np.array(delays)])


def identity_leak(part: str) -> Callable[[VideoJudged], float]:
    def value(judged: VideoJudged) -> float:
        rig = LandmarkRig(open_head(), open_head_landmarks(), FACE_POINTS)
        moves: list[Floats] = []
        for _, seen in judged.pairs(part):
            late = seen.shape[len(seen.shape) // 2 :]
            late = late[np.isfinite(late).all(axis=1)]
            if len(late) > 1:
                change = np.einsum("ldk,fk->fld", rig.shape_dirs, late - late.mean(axis=0))
                moves.append(1e3 * np.sqrt((change**2).sum(axis=2).mean(axis=1)))
        return rms(moves)

    return value
