"""Channel by channel: does a shape of ARKit's that a face makes come out, and how much of it?

`by_channel` asks it of many faces at once, whose people look different at rest too; `by_act` of each person against
their own face at rest, as whoever wears an avatar sees it. Told and true motions are both turned into the 52 weights by
the same map, so that what is judged is the reading of the picture and not the map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES, PART_BY_NAME
from training.evaluate.video_judged import Floats, VideoJudged
from training.evaluate.video_material import ACT, ACTED, REST, SYNTHETIC
from training.evaluate.video_on_synthetic import frontal
from training.render.acting import EACH

# What MediaPipe's own blendshapes leave at rest whatever the face does.
DEAD = ("cheekPuff", "jawLeft", "jawRight", "mouthLeft", "mouthRight", "noseSneerLeft", "noseSneerRight")
DEAD += ("eyeWideLeft", "eyeWideRight", "tongueOut")
# A channel that no face in the material makes this much says nothing.
_MADE = 0.2
# A weight that rises by this much is seen on an avatar; of a shape it is told at the last so many pictures.
_SEEN, _LAST = 0.1, 2
_PARTS = ("expression", "jaw", "eyelids", "gaze")


def by_channel(rows: Sequence[VideoJudged]) -> list[list[str]]:
    """Lines of a table: channel, how many pictures make it, then each subject's correlation and response to it.

    The response is the slope of what is told over what is true: 1 is all of it.
    """
    if not rows or not rows[0].answers.get(SYNTHETIC):
        return []
    arkit = ArkitMap(open_head())
    shown = rows[0].material.scenes[SYNTHETIC]
    chosen = np.concatenate([frontal(scene) for scene in shown])
    true = np.concatenate([weights_of(arkit, whole(scene.truths)) for scene in shown])
    told = [np.concatenate([weights_of(arkit, whole(vars(seen))) for _, seen in row.pairs(SYNTHETIC)]) for row in rows]
    lines: list[list[str]] = []
    for number, name in enumerate(ARKIT_SHAPES):
        made = int((true[chosen, number] > _MADE).sum())
        if not made:
            continue
        figures = [response(true[chosen, number], weights[chosen, number]) for weights in told]
        dead = "**" if name in DEAD else ""
        lines.append([f"{dead}{name}{dead}", str(made), *(f"{r:.2f} ({slope:.2f})" for r, slope in figures)])
    return lines


def by_act(rows: Sequence[VideoJudged]) -> list[list[str]]:
    """Lines of a table: channel, then of each subject how much of a shape it tells more than of the same face at rest
    (median over people; 1 is all of it) and, in %, for how many of them that is at least a tenth.
    """
    if not rows or not rows[0].answers.get(ACTED):
        return []
    arkit = ArkitMap(open_head())
    told = [[acted_changes(arkit, vars(seen)) for _, seen in row.pairs(ACTED)] for row in rows]
    true = [acted_changes(arkit, scene.truths) for scene in rows[0].material.scenes[ACTED]]
    lines: list[list[str]] = []
    for number, name in enumerate(EACH):
        cells: list[str] = []
        for people in told:
            shares = np.array([one[number] / asked[number] for one, asked in zip(people, true, strict=True)])
            cells.append(f"{np.median(shares):.2f} ({100.0 * np.mean(shares >= _SEEN):.0f})")
        dead = "**" if name in DEAD else ""
        lines.append([f"{dead}{name}{dead}", *cells])
    return lines


def acted_changes(arkit: ArkitMap, parts: Mapping[str, Floats]) -> NDArray[np.float32]:
    """By how much each of EACH rises from rest to the shape, float32 [len(EACH)], in a scene of ACTED; a face that was
    not found is at rest.
    """
    turns = np.nan_to_num(weights_of(arkit, whole(parts))).reshape(len(EACH), REST + ACT, len(ARKIT_SHAPES))
    rises = turns[:, -_LAST:].mean(axis=1) - turns[:, REST - _LAST : REST].mean(axis=1)
    return rises[np.arange(len(EACH)), [ARKIT_SHAPES.index(name) for name in EACH]]


def response(true: Floats, told: Floats) -> tuple[float, float]:
    """Pearson's r, and the slope of the straight line through (true, told); a face that was not found is at rest."""
    told = np.nan_to_num(told)
    spread, about = true.std(), (true - true.mean())
    slope = float((about * told).mean() / spread**2) if spread > 0.0 else float("nan")
    return (slope * float(spread / told.std()) if told.std() > 0.0 else 0.0), slope


def weights_of(arkit: ArkitMap, motions: Floats) -> NDArray[np.float32]:
    """Motions [F, 50 + 3 + 2 + 4] -> [F, 52]; NaN where a motion is unknown."""
    weights = np.full((len(motions), len(ARKIT_SHAPES)), np.nan, np.float32)
    cuts = np.cumsum([PART_BY_NAME[name].size for name in _PARTS[:-1]])
    for row, motion in enumerate(motions):
        if np.isfinite(motion).all():
            weights[row] = arkit.to_arkit(*np.split(motion, cuts))
    return weights


def whole(parts: Mapping[str, Floats]) -> Floats:
    """The parts of motions that ARKit knows, [F, 59]."""
    return np.concatenate([parts[name] for name in _PARTS], axis=1)
