"""MediaPipe's 478 face landmarks on a head: where each sits on the surface, and how it moves with the face.

A landmark is a fixed point of a triangle (its index and barycentric coordinates, as in FLAME's own landmark
embeddings), so it moves with the same template, bases and skinning as the vertices. Landmarks 0..467 lie on the skin,
468..472 are the right eye's iris and 473..477 the left eye's, centre first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.head.flame import EYELID_COUNT, JAW, JOINT_COUNT, LEFT_EYE, RIGHT_EYE, HeadModel
from models.head.rotation import matrix_from_axis_angle, matrix_from_gaze

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

LANDMARK_COUNT = 478
SKIN_COUNT = 468
# Pairs above each other on the inner contours of upper and lower lip, from the subject's right to the left.
INNER_LIPS = ((191, 80, 81, 82, 13, 312, 311, 310, 415), (95, 88, 178, 87, 14, 317, 402, 318, 324))
_OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 146, 91, 181, 84, 17, 314, 405, 321, 375)
LIPS = (78, 308, *INNER_LIPS[0], *INNER_LIPS[1], *_OUTER_LIPS)
EYE_CORNERS = (33, 133, 263, 362)
_RIGHT_LIDS = (246, 161, 160, 159, 158, 157, 173, 155, 154, 153, 145, 144, 163, 7)
_LEFT_LIDS = (466, 388, 387, 386, 385, 384, 398, 382, 381, 380, 374, 373, 390, 249)
_LIDS = frozenset(_RIGHT_LIDS + _LEFT_LIDS)
_BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
_NOSE = (168, 6, 197, 195, 5, 4, 1, 2, 48, 278, 98, 327)
_CHEEKS = (50, 205, 280, 425)
_OUTLINE = (10, 109, 338, 54, 284, 127, 356, 234, 454, 132, 361, 58, 288, 136, 365, 150, 379, 149, 378, 148, 377, 152)
IRISES = tuple(range(468, 478))
# The landmarks that the face networks tell: enough to see every shape by, few enough to be learnt well.
FACE_POINTS = (*LIPS, *EYE_CORNERS, *_RIGHT_LIDS, *_LEFT_LIDS, *IRISES, *_BROWS, *_NOSE, *_CHEEKS, *_OUTLINE)
# One eye's and its brow's, of them: the other's are their mirror images.
RIGHT_EYE_POINTS = (*EYE_CORNERS[:2], *_RIGHT_LIDS, *IRISES[:5], *_BROWS[: len(_BROWS) // 2])
# Where among them some regions are.
MOUTH_ROWS = slice(0, len(LIPS))
EYE_ROWS = slice(MOUTH_ROWS.stop, FACE_POINTS.index(IRISES[-1]) + 1)
BROW_ROWS = slice(EYE_ROWS.stop, EYE_ROWS.stop + len(_BROWS))
OUTLINE_ROWS = slice(len(FACE_POINTS) - len(_OUTLINE), len(FACE_POINTS))

_ERRORS = ("habits", "slips", "person_slips")
_IDENTITY = np.eye(3, dtype=np.float32)
EMBEDDING_PATH = Path(__file__).with_name("landmarks.npz")


@dataclass(frozen=True, eq=False)
class LandmarkEmbedding:
    """Where the landmarks of one head lie, and how the tracker errs about them.

    head         id of the head
    fingerprint  of the head that they were placed on (see `fingerprint`)
    triangles    int32 [478]: row of the head's `f`
    barycentric  float32 [478, 3]: weights of the triangle's corners, each 0..1, sum 1
    spread_m     float32 [478]: how far the landmark wanders over the surface between faces and views (rms)
    mirror       int32 [478]: the landmark on the other side of the face
    habits       float32 [478, 2, E], m per standard deviation: how an expression moves a landmark, to the tracker's
                 eye, beyond the surface point that it is tied to (the forehead follows the brows, for example); along
                 the head's x and y
    slips        float32 [478, 2, K], m: how the tracker's landmarks slide over a face together, each direction as far
                 as its standard deviation; a slip is no expression
    person_slips float32 [478, 2, M], m: likewise, but the same in all pictures of a person; it is not the head's shape
    """

    head: str
    fingerprint: str
    triangles: Ints
    barycentric: Floats
    spread_m: Floats
    mirror: Ints
    habits: Floats
    slips: Floats
    person_slips: Floats


@cache
def open_head_landmarks() -> LandmarkEmbedding:
    """The embedding on the head that ships with the package."""
    return load_embedding(EMBEDDING_PATH)


def load_embedding(path: Path) -> LandmarkEmbedding:
    """The embedding in an .npz that `save_embedding` wrote; its arrays are read-only."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    head, placed_on = str(arrays.pop("head")), str(arrays.pop("fingerprint"))
    for name in _ERRORS:
        arrays[name] = arrays[name].astype(np.float32)
    for array in arrays.values():
        array.setflags(write=False)
    return LandmarkEmbedding(head=head, fingerprint=placed_on, **arrays)


def save_embedding(path: Path, embedding: LandmarkEmbedding) -> None:
    """Write `embedding` as a compressed .npz without pickles; errors as float16 (steps below 10 um)."""
    stored: dict[str, Any] = dict(vars(embedding))
    for name in _ERRORS:
        stored[name] = stored[name].astype(np.float16)
    np.savez_compressed(path, **stored)


def fingerprint(head: HeadModel) -> str:
    """Sixteen hexadecimal digits that change with the head's surface and its bases."""
    digest = hashlib.sha256()
    for array in (head.v_template, head.shapedirs, head.posedirs, head.f):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class PosedLandmarks:
    """points      float32 [L, 3], m, in the head's frame
    turn        float32 [3, 3]: the jaw's rotation less the identity; a small offset of a landmark at rest turns by it,
                times the landmark's `jaw_share`
    from_joint  float32 [L, 3]: from the jaw's joint to each landmark before the jaw turns, times the jaw's share in it
    """

    points: Floats
    turn: Floats
    from_joint: Floats


class LandmarkRig:
    """Some of a head's landmarks, as the tracker sees them, as linear bases, and their motion with derivatives.

    L landmarks, S identity and E expression components, K slips.

    shape_dirs       float32 [L, 3, S], m per standard deviation of identity
    expression_dirs  float32 [L, 3, E], m per standard deviation of expression
    slip_dirs, person_slip_dirs   float32 [L, 3, K] and [L, 3, M], m per standard deviation of the tracker's slips
    outward          float32 [L, 3]: see `outward_directions`, of the mean head
    jaw_share        float32 [L]: how much each landmark turns with the jaw, 0..1
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
        self.expression_dirs[:, :2] += embedding.habits[self.ids]
        self.slip_dirs = _in_depth(embedding.slips[self.ids])
        self.person_slip_dirs = _in_depth(embedding.person_slips[self.ids])
        eyelid_dirs = np.zeros((head.vertex_count, 3, EYELID_COUNT)) if head.eyeliddirs is None else head.eyeliddirs
        pose_dirs = at_landmarks(head.posedirs)
        self._pose_columns = np.flatnonzero(np.any(pose_dirs, axis=(0, 1)))
        self._dirs = np.ascontiguousarray(
            np.concatenate(
                [self.expression_dirs, at_landmarks(eyelid_dirs), pose_dirs[:, :, self._pose_columns], self.slip_dirs],
                axis=2,
            ).reshape(3 * len(self.ids), -1)
        )
        # [9, 3 L]: landmarks last, as numpy is fastest along long rows.
        jaw_dirs = pose_dirs[:, :, 9 * (JAW - 1) : 9 * JAW].transpose(2, 1, 0)
        self._jaw_dirs = np.ascontiguousarray(jaw_dirs).reshape(9, -1)
        self.jaw_share = at_landmarks(head.weights[:, JAW])
        self._joints = {
            joint: (
                head.J_regressor[joint] @ head.v_template,
                np.einsum("v,vcd->cd", head.J_regressor[joint], head.shapedirs),
            )
            for joint in (JAW, LEFT_EYE, RIGHT_EYE)
        }
        self._shape_count = head.shape_count
        self.outward = outward_directions(self._template, self._joints[JAW][0])

    def rows_of(self, landmarks: Sequence[int]) -> NDArray[np.int64]:
        """Where these landmarks are among the rig's; ValueError when one is not."""
        rows = {landmark: row for row, landmark in enumerate(self.ids.tolist())}
        missing = [landmark for landmark in landmarks if landmark not in rows]
        if missing:
            raise ValueError(f"the rig lacks the landmarks {missing}")
        return np.array([rows[landmark] for landmark in landmarks])

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
        slips: Floats | None = None,
    ) -> PosedLandmarks:
        """The landmarks of a face, in the head's frame; the irises stay where they are when the eyes look ahead.

        rest [L, 3] and jaw_joint [3] are the person's (`at_rest`, `joint`); `slips` [K] are the tracker's, none if left
        out; the others as in `FaceRig.vertices`.
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
        slips = np.zeros(self.slip_dirs.shape[2], np.float32) if slips is None else slips
        driven = np.concatenate([expression, np.asarray(eyelids, np.float32), pose_feature[self._pose_columns], slips])
        unposed = rest + (self._dirs @ driven).reshape(-1, 3)
        from_joint = self.jaw_share[:, None] * (unposed - jaw_joint)
        return PosedLandmarks(
            points=(unposed + from_joint @ turn.T).astype(np.float32, copy=False),
            turn=turn,
            from_joint=from_joint.astype(np.float32, copy=False),
        )

    def by_jaw(self, posed: PosedLandmarks, jaw: ArrayLike) -> Floats:
        """Derivative float32 [3, 3, L] of `posed.points` (axis first) by the jaw's axis-angle (second), m/rad."""
        by_angle = _rotation_derivatives(np.asarray(jaw, np.float64))
        correctives = (by_angle.reshape(3, 9) @ self._jaw_dirs).reshape(3, 3, -1)
        turned = by_angle @ posed.from_joint.T
        by_jaw = turned + correctives + self.jaw_share * (posed.turn @ correctives)
        return by_jaw.swapaxes(0, 1).astype(np.float32, copy=False)


def spaced(head: HeadModel, embedding: LandmarkEmbedding, distance_m: float) -> NDArray[np.int64]:
    """Landmarks of the skin at least `distance_m` apart on the mean head: the contours of the lips and the corners of
    the eyes, all of them, then the others in pairs of left and right. MediaPipe's are dense where that says little, as
    along the nose. The lids' contours are left out: they show blinks, and are measured by themselves.
    """
    points = LandmarkRig(head, embedding, np.arange(SKIN_COUNT)).at_rest(())
    kept = [*LIPS, *EYE_CORNERS]
    for landmark in range(SKIN_COUNT):
        pair = sorted({landmark, int(embedding.mirror[landmark])})
        near = np.linalg.norm(points[kept, None] - points[pair], axis=2).min()
        if landmark == pair[0] and near >= distance_m and landmark not in _LIDS:
            kept += pair
    return np.array(sorted(kept))


def outward_directions(points: NDArray, jaw_joint: NDArray) -> Floats:
    """Unit vectors [L, 3] from the middle of the head, at the jaw's hinge and half way up the face, to points of it.

    They say which landmarks a camera sees. Surface normals would not: the margins of lips and lids face up and down.
    """
    middle = np.array([0.0, points[:, 1].mean(), jaw_joint[2]])
    outward = points - middle
    return (outward / np.linalg.norm(outward, axis=1, keepdims=True)).astype(np.float32)


def _in_depth(flat: Floats) -> Floats:
    """[L, 2, K] along x and y as [L, 3, K]."""
    return np.concatenate([flat, np.zeros_like(flat[:, :1])], axis=1)


def _rotation_derivatives(axis_angle: NDArray[np.float64]) -> Floats:
    """dR/dw_k float32 [3 (k), 3, 3] of R = exp([w]x): [J e_k]x R with SO(3)'s left Jacobian J."""
    angle = float(np.linalg.norm(axis_angle))
    cross = _cross_matrix(axis_angle)
    if angle < 1e-4:
        left = _IDENTITY + 0.5 * cross
    else:
        left = (
            np.eye(3) + (1.0 - np.cos(angle)) / angle**2 * cross + (angle - np.sin(angle)) / angle**3 * (cross @ cross)
        )
    matrix = matrix_from_axis_angle(axis_angle)
    return np.stack([_cross_matrix(left[:, k]) @ matrix for k in range(3)]).astype(np.float32)


def _cross_matrix(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
