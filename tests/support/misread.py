"""A person whose face a network misreads in a known way, with the points that it sees rightly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from support.acting import ARKIT

from driver.types import Motion
from models.head.flame import JAW, open_head
from models.head.landmarks import FACE_POINTS, LandmarkRig, open_head_landmarks
from models.head.rotation import matrix_from_axis_angle
from protocol.frame import ARKIT_SHAPES, Floats
from training.personalise.recording import Seen

RATE_HZ = 25.0
_PX_PER_M = 1500.0
_ROW = ARKIT_SHAPES.index


@dataclass(frozen=True)
class Habits:
    """How the network errs: a jaw that is told too closed, a weak smile, and lids that never shut.

    jaw, smile, lids   share of the true value that is told
    noise              sd of what it tells, of each number
    """

    jaw: float = 0.6
    smile: float = 0.5
    lids: float = 0.7
    noise: float = 0.02


def misread_person(seconds: float = 24.0, habits: Habits | None = None, seed: int = 0) -> Seen:
    """Talks, smiles, raises the brows and blinks for so long, seen from nearly the front."""
    habits = Habits() if habits is None else habits
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE_HZ)
    weights = np.zeros((count, len(ARKIT_SHAPES)), np.float32)
    weights[:, _ROW("jawOpen")] = _wave(rng, count, 4.0)
    for side in ("Left", "Right"):
        weights[:, _ROW(f"mouthSmile{side}")] = 0.8 * _wave(np.random.default_rng(seed + 1), count, 25.0)
        weights[:, _ROW(f"browOuterUp{side}")] = 0.8 * _wave(np.random.default_rng(seed + 2), count, 25.0)
    lids = np.zeros(count, np.float32)
    for begin in range(20, count - 5, 50):
        lids[begin : begin + 5] = (0.5, 1.0, 1.0, 0.9, 0.4)
    told = weights.copy()
    told[:, _ROW("jawOpen")] *= habits.jaw
    told[:, [_ROW("mouthSmileLeft"), _ROW("mouthSmileRight")]] *= habits.smile
    motions: list[Motion] = []
    points: list[Floats] = []
    for row in range(count):
        turn = 0.05 * np.array([np.sin(row / 20), np.sin(row / 33), 0.2], np.float32)
        expression, jaw, _, gaze = ARKIT.to_motion(weights[row])
        points.append(_seen(expression, jaw, np.full(2, lids[row]), gaze, turn))
        expression, jaw, _, gaze = ARKIT.to_motion(told[row])
        motions.append(
            Motion(
                round(row / RATE_HZ * 1e9) + 1,
                expression=expression + rng.normal(0.0, habits.noise, 50).astype(np.float32),
                jaw=jaw,
                eyelids=np.full(2, habits.lids * lids[row], np.float32),
                gaze=gaze,
                head_rotation=turn,
                head_translation=np.array([0.0, 0.0, -0.6], np.float32),
                shape=np.full(100, 0.1, np.float32),
                confidence=np.ones(4, np.float32),
            )
        )
    return Seen(tuple(motions), np.stack(points))


def noisy_person(seconds: float = 24.0, seed: int = 0) -> Seen:
    """The same, read rightly, but whose points are those of other instants: what they show teaches nothing."""
    seen = misread_person(seconds, Habits(1.0, 1.0, 1.0), seed)
    order = np.random.default_rng(seed).permutation(len(seen.motions))
    return Seen(seen.motions, seen.points_px[order])


def _wave(rng: np.random.Generator, count: int, pictures: float) -> Floats:
    """0..1, smooth over so many pictures, at 0 for a third of the time."""
    reach = np.arange(-4 * pictures, 4 * pictures + 1)
    kernel = np.exp(-0.5 * (reach / pictures) ** 2)
    wave = np.convolve(rng.normal(size=count + len(reach) - 1), kernel, mode="valid")
    wave = (wave - np.quantile(wave, 0.33)) / (np.quantile(wave, 0.98) - np.quantile(wave, 0.33))
    return np.clip(wave, 0.0, 1.0).astype(np.float32)


_RIG = LandmarkRig(open_head(), open_head_landmarks(), FACE_POINTS)
_REST = _RIG.at_rest(np.zeros(0, np.float32))
_JOINT = _RIG.joint(JAW, np.zeros(0, np.float32), np.zeros(50, np.float32))


def _seen(expression: Floats, jaw: Floats, lids: Floats, gaze: Floats, turn: Floats) -> Floats:
    placed = _RIG.posed(_REST, _JOINT, expression, jaw, lids, gaze).points @ matrix_from_axis_angle(turn).T
    return (placed[:, :2] * (_PX_PER_M, -_PX_PER_M) + 300.0).astype(np.float32)
