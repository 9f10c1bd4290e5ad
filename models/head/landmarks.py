"""MediaPipe's 478 face landmarks on a head: where each sits on the surface, and how it moves with the face.

A landmark is a fixed point of a triangle (its index and barycentric coordinates, as in FLAME's own landmark
embeddings), so it moves with the same template, bases and skinning as the vertices. Landmarks 0..467 lie on the skin,
468..472 are the right eye's iris and 473..477 the left eye's, centre first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.head.flame import EYELID_COUNT, JAW, JOINT_COUNT, LEFT_EYE, RIGHT_EYE, HeadModel
from models.head.rotation import matrix_from_axis_angle, matrix_from_gaze

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

LANDMARK_COUNT = 478
SKIN_COUNT = 468
_IDENTITY = np.eye(3, dtype=np.float32)
EMBEDDING_PATH = Path(__file__).with_name("landmarks.npz")


@dataclass(frozen=True, eq=False)
class LandmarkEmbedding:
    """Where the landmarks of one head lie.

    head         id of the head
    triangles    int32 [478]: row of the head's `f`
    barycentric  float32 [478, 3]: weights of the triangle's corners, each 0..1, sum 1
    spread_m     float32 [478]: how far the landmark wanders over the surface between faces and views (rms)
    mirror       int32 [478]: the landmark on the other side of the face
    """

    head: str
    triangles: Ints
    barycentric: Floats
    spread_m: Floats
    mirror: Ints


@cache
def open_head_landmarks() -> LandmarkEmbedding:
    """The embedding on the head that ships with the package."""
    return load_embedding(EMBEDDING_PATH)


def load_embedding(path: Path) -> LandmarkEmbedding:
    """The embedding in an .npz that `save_embedding` wrote; its arrays are read-only."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    head = str(arrays.pop("head"))
    for array in arrays.values():
        array.setflags(write=False)
    return LandmarkEmbedding(head=head, **arrays)


def save_embedding(path: Path, embedding: LandmarkEmbedding) -> None:
    """Write `embedding` as a compressed .npz without pickles."""
    np.savez_compressed(path, **vars(embedding))


@dataclass(frozen=True, eq=False)
class PosedLandmarks:
    """points   float32 [L, 3], m, in the head's frame
    blends   float32 [L, 3, 3]: how the jaw turns a small offset of each landmark at rest (its skinning rotation)
    by_jaw   float32 [L, 3, 3]: derivative of the points by the jaw's axis-angle, m/rad
    """

    points: Floats
    blends: Floats
    by_jaw: Floats


class LandmarkRig:
    """Some of a head's landmarks as linear bases, and their motion with derivatives.

    L landmarks, S identity and E expression components.

    shape_dirs       float32 [L, 3, S], m per standard deviation of identity
    expression_dirs  float32 [L, 3, E], m per standard deviation of expression
    outward          float32 [L, 3]: see `outward_directions`, of the mean head
    """

    def __init__(self, head: HeadModel, embedding: LandmarkEmbedding, ids: ArrayLike | None = None) -> None:
        if head.id != embedding.head:
            raise ValueError(f"the landmarks are those of {embedding.head!r}; the head is {head.id!r}")
        self.ids = np.arange(LANDMARK_COUNT) if ids is None else np.asarray(ids, np.int64)
        corners = head.f[embedding.triangles[self.ids]]
        shares = embedding.barycentric[self.ids]

        def at_landmarks(values: NDArray) -> Floats:
            return np.einsum("lk,lk...->l...", shares, values[corners]).astype(np.float32)

        dirs = at_landmarks(head.shapedirs)
        self._template = at_landmarks(head.v_template)
        self.shape_dirs = np.ascontiguousarray(dirs[:, :, : head.shape_count])
        self.expression_dirs = np.ascontiguousarray(dirs[:, :, head.shape_count :])
        eyelid_dirs = np.zeros((head.vertex_count, 3, EYELID_COUNT)) if head.eyeliddirs is None else head.eyeliddirs
        pose_dirs = at_landmarks(head.posedirs)
        self._pose_columns = np.flatnonzero(np.any(pose_dirs, axis=(0, 1)))
        self._dirs = np.ascontiguousarray(
            np.concatenate(
                [self.expression_dirs, at_landmarks(eyelid_dirs), pose_dirs[:, :, self._pose_columns]], axis=2
            ).reshape(3 * len(self.ids), -1)
        )
        self._jaw_dirs = np.ascontiguousarray(pose_dirs[:, :, 9 * (JAW - 1) : 9 * JAW].reshape(-1, 9))
        self._jaw_share = at_landmarks(head.weights[:, JAW])[:, None]
        self._joints = {
            joint: (
                head.J_regressor[joint] @ head.v_template,
                np.einsum("v,vcd->cd", head.J_regressor[joint], head.shapedirs),
            )
            for joint in (JAW, LEFT_EYE, RIGHT_EYE)
        }
        self._shape_count = head.shape_count
        self.outward = outward_directions(self._template, self._joints[JAW][0])

    def at_rest(self, shape: ArrayLike) -> Floats:
        """Landmarks float32 [L, 3] of the identity `shape` [<= S], everything else zero."""
        coefficients = np.asarray(shape, np.float32)
        return np.add(self._template, self.shape_dirs[:, :, : len(coefficients)] @ coefficients, dtype=np.float32)

    def joint(self, joint: int, shape: ArrayLike, expression: ArrayLike) -> Floats:
        """Where a joint is, float32 [3] in the head's frame."""
        place, dirs = self._joints[joint]
        shape, expression = np.asarray(shape, np.float32), np.asarray(expression, np.float32)
        return (
            place
            + dirs[:, : len(shape)] @ shape
            + dirs[:, self._shape_count : self._shape_count + len(expression)] @ expression
        ).astype(np.float32)

    def posed(
        self,
        rest: Floats,
        jaw_joint: Floats,
        expression: Floats,
        jaw: ArrayLike,
        eyelids: ArrayLike,
        gaze: ArrayLike,
    ) -> PosedLandmarks:
        """The landmarks of a face, in the head's frame; the irises stay where the eyes look ahead (see `irises`).

        rest [L, 3] and jaw_joint [3] are the person's (`at_rest`, `joint`); the others as in `FaceRig.vertices`.
        """
        jaw = np.asarray(jaw, np.float64)
        gaze = np.asarray(gaze, np.float64)
        jaw_matrix = matrix_from_axis_angle(jaw)
        turn = (jaw_matrix - _IDENTITY).astype(np.float32)
        pose_feature = np.zeros(9 * (JOINT_COUNT - 1), np.float32)
        for joint, matrix in (
            (JAW, jaw_matrix),
            (LEFT_EYE, matrix_from_gaze(gaze[0], gaze[1])),
            (RIGHT_EYE, matrix_from_gaze(gaze[2], gaze[3])),
        ):
            pose_feature[9 * (joint - 1) : 9 * joint] = (matrix - _IDENTITY).reshape(-1)
        driven = np.concatenate([expression, np.asarray(eyelids, np.float32), pose_feature[self._pose_columns]])
        unposed = rest + (self._dirs @ driven).reshape(-1, 3)
        from_joint = self._jaw_share * (unposed - jaw_joint)
        blends = _IDENTITY + self._jaw_share[:, :, None] * turn
        by_angle = _rotation_derivatives(jaw, jaw_matrix)
        correctives = (self._jaw_dirs @ by_angle.reshape(3, 9).T).reshape(-1, 3, 3)
        by_jaw = (from_joint @ by_angle.transpose(2, 1, 0).reshape(3, 9)).reshape(-1, 3, 3) + blends @ correctives
        return PosedLandmarks(
            points=(unposed + from_joint @ turn.T).astype(np.float32, copy=False),
            blends=blends.astype(np.float32, copy=False),
            by_jaw=by_jaw.astype(np.float32, copy=False),
        )


def outward_directions(points: NDArray, jaw_joint: NDArray) -> Floats:
    """Unit vectors [L, 3] from the middle of the head, at the jaw's hinge and half way up the face, to points of it.

    They say which landmarks a camera sees. Surface normals would not: the margins of lips and lids face up and down.
    """
    middle = np.array([0.0, points[:, 1].mean(), jaw_joint[2]])
    outward = points - middle
    return (outward / np.linalg.norm(outward, axis=1, keepdims=True)).astype(np.float32)


def _rotation_derivatives(axis_angle: NDArray[np.float64], matrix: NDArray[np.float64]) -> Floats:
    """dR/dw_k float32 [3 (k), 3, 3] of R = exp([w]x): [J e_k]x R with SO(3)'s left Jacobian J."""
    angle = float(np.linalg.norm(axis_angle))
    cross = _cross_matrix(axis_angle)
    if angle < 1e-4:
        left = _IDENTITY + 0.5 * cross
    else:
        left = (
            np.eye(3) + (1.0 - np.cos(angle)) / angle**2 * cross + (angle - np.sin(angle)) / angle**3 * (cross @ cross)
        )
    return np.stack([_cross_matrix(left[:, k]) @ matrix for k in range(3)]).astype(np.float32)


def _cross_matrix(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
