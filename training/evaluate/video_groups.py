"""The same measures by group: portraits by the skin and the age that their data set says, synthetic heads by pose.

What a portrait's points should be nobody has marked; dlib's marks stand in, so that a group's figure also has dlib's
own trouble with it in it. Compare subjects within a group rather than groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from models.head.landmarks import FACE_POINTS
from training.evaluate import video_metrics as measure
from training.evaluate.video_judged import VideoJudged, mean
from training.evaluate.video_material import PORTRAITS, SYNTHETIC

# UTKFace writes age, gender and this code of race into its files' names.
_SKIN = ("White", "Black", "Asian", "Indian", "others")
_AGES = ((0, 13), (13, 60), (60, 120))
_TURNS_DEG = ((0, 20), (20, 40), (40, 90))


def portrait_groups(name: str) -> list[str]:
    """The groups that a portrait `UTKFace.AGE_GENDER_RACE_DATE` is in; none when its name says nothing."""
    parts = name.split(".", 1)[-1].split("_")
    if len(parts) < 3 or not (parts[0].isdigit() and parts[2].isdigit() and int(parts[2]) < len(_SKIN)):
        return []
    ages = [f"age {low} to {high - 1}" for low, high in _AGES if low <= int(parts[0]) < high]
    return [f"skin {_SKIN[int(parts[2])]}", *ages]


def by_group(rows: Sequence[VideoJudged]) -> list[list[str]]:
    """Lines of a table: group, pictures, then found (%) and NME (%) of each subject."""
    groups = [f"skin {name}" for name in _SKIN] + [f"age {low} to {high - 1}" for low, high in _AGES]
    lines = [_portraits(rows, group) for group in groups]
    lines += [_turned(rows, low, high) for low, high in _TURNS_DEG]
    return [line for line in lines if line[1] != "0"]


def _portraits(rows: Sequence[VideoJudged], group: str) -> list[str]:
    scenes = rows[0].material.scenes.get(PORTRAITS, []) if rows[0].dlib.get(PORTRAITS) else []
    marks = rows[0].dlib.get(PORTRAITS, [])
    chosen = [
        n for n, scene in enumerate(scenes) if group in portrait_groups(scene.name) and np.isfinite(marks[n]).all()
    ]

    def figures(row: VideoJudged) -> tuple[float, float]:
        points = np.concatenate([row.answers[PORTRAITS][n].points for n in chosen])
        true = np.concatenate([marks[n] for n in chosen])
        is_same = measure.is_same_face(points, true)
        return mean([is_same]), mean([measure.mark_error_less_habits(points[is_same], true[is_same])])

    return _line(group, len(chosen), rows, figures)


def _turned(rows: Sequence[VideoJudged], low_deg: float, high_deg: float) -> list[str]:
    def figures(row: VideoJudged) -> tuple[float, float]:
        found: list[np.ndarray] = []
        errors: list[np.ndarray] = []
        for scene, seen in row.pairs(SYNTHETIC):
            chosen = _is_turned(scene.truths["rotation"], low_deg, high_deg)
            true = scene.truths["points"].reshape(len(seen.held), -1, 2) * next(scene.frames()).image.shape[0]
            unit = np.linalg.norm(true[:, FACE_POINTS.index(152)] - true[:, FACE_POINTS.index(10)], axis=1)
            apart = np.linalg.norm(seen.points - true, axis=2) / unit[:, None]
            found.append(seen.held[chosen])
            errors.append(apart[chosen][scene.truths["points_seen"][chosen] > 0.5])
        return mean(found), mean(errors)

    count = sum(
        int(_is_turned(scene.truths["rotation"], low_deg, high_deg).sum())
        for scene in rows[0].material.scenes.get(SYNTHETIC, [])
    )
    return _line(f"synthetic, turned {low_deg} to {high_deg} deg", count, rows, figures)


def _is_turned(rotation: measure.Floats, low_deg: float, high_deg: float) -> measure.Flags:
    turned_deg = np.degrees(np.arccos(np.clip(rotation[:, 8], -1.0, 1.0)))
    return (turned_deg >= low_deg) & (turned_deg < high_deg)


def _line(
    group: str, count: int, rows: Sequence[VideoJudged], figures: Callable[[VideoJudged], tuple[float, float]]
) -> list[str]:
    cells: list[str] = []
    for row in rows if count else ():
        found, error = figures(row)
        cells += [f"{100.0 * found:.0f}", f"{100.0 * error:.2f}" if np.isfinite(error) else "n/a"]
    return [group, str(count), *cells]
