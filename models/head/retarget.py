"""The motion of one head as the motion of another: a linear map, solved once for a pair of heads, applied every frame.

The movements of the source's skin are carried over through the correspondence of the two surfaces, each turned and
stretched as the surface is there (the idea of Sumner & Popovic 2004, "Deformation transfer for triangle meshes"). The
target's expression and jaw are then fitted to many such faces by ridge regression on the vertices, and a linear map is
fitted to what was found. Without an intercept: neutral stays neutral.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.head.flame import EYELID_COUNT, JAW, FaceRig, Floats, HeadModel
from models.head.register import Correspondence, register
from models.head.rotation import matrix_from_axis_angle
from models.head.surface import vertex_normals
from protocol.frame import PART_BY_NAME

Doubles = NDArray[np.float64]

JAW_SIZE, GAZE_SIZE = 3, 4
_FACES = 150
_TEST_FACES = 40
_GAUSS_NEWTON_STEPS = 3
_JAW_STEP_RAD = 1e-2
# What one standard deviation of expression costs, as a mean vertex error: it stops unseen components from running away.
_RIDGE_M = 1e-5
_EXPRESSION, _JAW = PART_BY_NAME["expression"], PART_BY_NAME["jaw"]
_NO_GAZE = np.zeros(GAZE_SIZE)


@dataclass(frozen=True, eq=False)
class MotionMap:
    """From the motion of the head `source_id` to that of the head `target_id`. E and E' expression components.

    matrix    float32 [E' + 3, E + 3 + 2]: (expression, jaw, eyelids) to the target's (expression, jaw)
    rms_mm    distance between where random faces, carried over, put the skin that faces forward and where the target's
    max_mm    own components put it: what the map loses once the surfaces are registered
    """

    source_id: str
    target_id: str
    matrix: Floats
    rms_mm: float
    max_mm: float

    def apply(
        self, expression: ArrayLike, jaw: ArrayLike, eyelids: ArrayLike, gaze: ArrayLike
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """The target's (expression [E'] sd, jaw [3] rad, eyelids [2], gaze [4] rad) for the source's; float32.

        Eyelids and gaze keep their values. Where the target has no lid shapes of its own, closing the lids is part of
        its expression as well, as far as its components can close them. Values are kept in the range that frames allow.
        """
        driven = self.matrix @ np.concatenate([expression, jaw, eyelids], dtype=np.float32)
        return (
            np.clip(driven[:-JAW_SIZE], _EXPRESSION.minimum, _EXPRESSION.maximum),
            np.clip(driven[-JAW_SIZE:], _JAW.minimum, _JAW.maximum),
            np.asarray(eyelids, np.float32),
            np.asarray(gaze, np.float32),
        )


def solve_motion_map(source: HeadModel, target: HeadModel, seed: int = 0) -> MotionMap:
    """Register the two heads and solve the map between their motions. Tens of seconds."""
    fit = FaceFit(source, target, register(source, target))
    faces = random_faces(source, _FACES, np.random.default_rng(seed))
    found = np.stack([fit.solve(fit.wanted(face), face[-EYELID_COUNT:]) for face in faces])
    matrix = np.linalg.lstsq(faces, found, rcond=None)[0].T
    errors_mm = 1e3 * np.stack(
        [
            fit.error_m(face, matrix @ face)
            for face in random_faces(source, _TEST_FACES, np.random.default_rng(seed + 1))
        ]
    )
    return MotionMap(
        source_id=source.id,
        target_id=target.id,
        matrix=matrix.astype(np.float32),
        rms_mm=float(np.sqrt(np.mean(errors_mm**2))),
        max_mm=float(errors_mm.max()),
    )


def carried_arkit_motion(source: HeadModel, motion_map: MotionMap) -> Floats | None:
    """`source.arkit_motion` for the map's target [52, E' + 3 + 2 + 4]; None where the source has none."""
    if source.arkit_motion is None:
        return None
    parts = np.cumsum([source.expression_count, JAW_SIZE, EYELID_COUNT])
    carried = [motion_map.apply(*np.split(row, parts)) for row in source.arkit_motion]
    return np.stack([np.concatenate(parts) for parts in carried])


def random_faces(head: HeadModel, count: int, rng: np.random.Generator) -> Doubles:
    """Plausible motions [count, E + 3 + 2]: expression, jaw and eyelids in `FaceRig.vertices`' units."""
    expression = rng.normal(0.0, 1.0, (count, head.expression_count))
    opening = np.clip(np.abs(rng.normal(0.0, 0.15, (count, 1))), 0.0, 0.4)
    aside = rng.normal(0.0, 0.02, (count, 2))
    eyelids = np.clip(rng.uniform(-0.5, 1.0, (count, EYELID_COUNT)), 0.0, 1.0)
    return np.concatenate([expression, opening, aside, eyelids], axis=1)


def save_motion_map(path: str | Path, motion_map: MotionMap) -> None:
    """Write the map as an .npz without pickles."""
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **vars(motion_map))


def load_motion_map(path: str | Path) -> MotionMap:
    """The map in `path`, an .npz that `save_motion_map` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return MotionMap(
            source_id=str(stored["source_id"]),
            target_id=str(stored["target_id"]),
            matrix=stored["matrix"],
            rms_mm=float(stored["rms_mm"]),
            max_mm=float(stored["max_mm"]),
        )


class FaceFit:
    """Fits the target's expression and jaw to faces of the source, where the two skins correspond.

    `rows` int64 [N]: the vertices of the target's skin that take part.
    """

    def __init__(self, source: HeadModel, target: HeadModel, correspondence: Correspondence) -> None:
        skin, source_skin = correspondence.target, correspondence.source
        self._correspondence = correspondence
        self._source_rig = FaceRig(source, vertex_ids=source_skin.ids)
        self._source_size = source.expression_count
        self._source_rest = self._source_vertices(np.zeros(source.expression_count + JAW_SIZE + EYELID_COUNT))
        self.rows = np.flatnonzero(correspondence.is_believed)
        rows = skin.ids[self.rows]
        self._rest = skin.points[self.rows]
        self._target_rig = FaceRig(target, vertex_ids=rows)
        self._size = target.expression_count
        self._dirs = target.shapedirs[rows][:, :, target.shape_count :].astype(np.float64)
        self._jaw_share = target.weights[rows, JAW].astype(np.float64)
        self._is_face = vertex_normals(skin.points, skin.faces)[self.rows, 2] > 0.0
        self._penalty = np.append(np.full(self._size, len(rows) * _RIDGE_M**2), np.zeros(JAW_SIZE))

    def wanted(self, face: Doubles) -> Doubles:
        """Where the target's vertices [N, 3] belong when the source makes `face` [E + 3 + 2]."""
        movement = self._source_vertices(face) - self._source_rest
        return self._rest + self._correspondence.carried(movement)[self.rows]

    def solve(self, wanted: Doubles, eyelids: Doubles) -> Doubles:
        """The target's expression and jaw [E' + 3] that come closest to `wanted` [N, 3] (Gauss-Newton with a ridge)."""
        motion = np.zeros(self._size + JAW_SIZE)
        for _ in range(_GAUSS_NEWTON_STEPS):
            slopes = self._slopes(motion, eyelids)
            residual = (wanted - self._target_vertices(motion, eyelids)).ravel()
            system = slopes.T @ slopes + np.diag(self._penalty)
            motion = motion + np.linalg.solve(system, slopes.T @ residual - self._penalty * motion)
        return motion

    def error_m(self, face: Doubles, motion: Doubles) -> Doubles:
        """Distances between where `face` should put the face's vertices and where the target's `motion` puts them."""
        misses = self._target_vertices(motion, face[-EYELID_COUNT:]) - self.wanted(face)
        return np.linalg.norm(misses[self._is_face], axis=1)

    def _slopes(self, motion: Doubles, eyelids: Doubles) -> Doubles:
        turn = matrix_from_axis_angle(motion[self._size :]) - np.eye(3)
        by_expression = self._dirs + self._jaw_share[:, None, None] * np.einsum("cd,vde->vce", turn, self._dirs)
        steps = np.zeros((JAW_SIZE, len(motion)))
        steps[:, self._size :] = _JAW_STEP_RAD * np.eye(JAW_SIZE)
        by_jaw = [
            (self._target_vertices(motion + step, eyelids) - self._target_vertices(motion - step, eyelids))
            / (2.0 * _JAW_STEP_RAD)
            for step in steps
        ]
        return np.concatenate([by_expression, np.stack(by_jaw, axis=2)], axis=2).reshape(-1, len(motion))

    def _target_vertices(self, motion: Doubles, eyelids: Doubles) -> Doubles:
        vertices = self._target_rig.vertices(motion[: self._size], motion[self._size :], eyelids, _NO_GAZE)
        return vertices.astype(np.float64)

    def _source_vertices(self, face: Doubles) -> Doubles:
        expression, jaw, eyelids = np.split(face, [self._source_size, self._source_size + JAW_SIZE])
        return self._source_rig.vertices(expression, jaw, eyelids, _NO_GAZE).astype(np.float64)
