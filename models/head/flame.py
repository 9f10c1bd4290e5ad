"""The head: FLAME's arrays and FLAME's forward pass, whatever the vertex count.

A face is  template + shapedirs (identity, expression) + eyeliddirs + posedirs (R - I),  then skinned to the jaw and the
eyeballs, then moved rigidly into the camera frame (Li et al. 2017, "Learning a model of facial shape and expression
from 4D scans", equations 2-5, with the root and the neck at rest).

Metres; +X to the subject's left, +Y up, +Z out of the face.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.head.rotation import matrix_from_axis_angle, matrix_from_gaze

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE = range(5)
JOINT_COUNT = 5
EYELID_COUNT = 2

# What a triangle belongs to; `HeadModel.groups` holds indices into this table.
GROUPS: tuple[str, ...] = ("skin", "eyes", "teeth", "tongue", "lashes")

OPEN_HEAD_PATH = Path(__file__).with_name("open_head.npz")


@dataclass(frozen=True, eq=False)
class HeadModel:
    """A head in FLAME's layout. V vertices, T texture vertices, F triangles, S identity and E expression components.

    id               names the coefficients: those of two different ids are not interchangeable
    v_template       float32 [V, 3], m: the mean head at rest, mouth closed, eyes open and looking ahead
    shapedirs        float32 [V, 3, S + E], m per standard deviation: identity first, then expression
    shape_count      S
    posedirs         float32 [V, 3, 36], m: driven by the flattened R - I of neck, jaw, left eye, right eye
    J_regressor      float32 [5, V]: joints (root, neck, jaw, left eye, right eye) from the shaped vertices
    weights          float32 [V, 5]: skinning weights, rows sum to 1
    kintree_table    int32 [2, 5]: parent and own index of each joint
    f                int32 [F, 3]: triangles, counter-clockwise seen from outside
    eyeliddirs       float32 [V, 3, 2], m: closes the left and the right eye at 1; None where a file has none
    uv, f_uv         float32 [T, 2] in 0..1 with v up, int32 [F, 3]: texture coordinates and their triangles
    texture          uint8 [H, W, 3], sRGB, first row at v = 1
    groups           uint8 [F]: index into GROUPS
    mirror           int32 [V]: the vertex on the other side; None where the mesh is not symmetric
    shape_signs      float32 [S]: +1 where a component is symmetric, -1 where mirroring negates it; None without mirror
    expression_signs float32 [E]: likewise for the expression
    arkit_motion     float32 [52, E + 3 + 2 + 4]: each ARKit shape at weight 1 as expression, jaw, eyelids and gaze
    """

    id: str
    v_template: Floats
    shapedirs: Floats
    shape_count: int
    posedirs: Floats
    J_regressor: Floats
    weights: Floats
    kintree_table: Ints
    f: Ints
    eyeliddirs: Floats | None = None
    uv: Floats | None = None
    f_uv: Ints | None = None
    texture: NDArray[np.uint8] | None = None
    groups: NDArray[np.uint8] | None = None
    mirror: Ints | None = None
    shape_signs: Floats | None = None
    expression_signs: Floats | None = None
    arkit_motion: Floats | None = None

    @property
    def vertex_count(self) -> int:
        return self.v_template.shape[0]

    @property
    def expression_count(self) -> int:
        return self.shapedirs.shape[2] - self.shape_count

    def shaped(self, shape: ArrayLike | None = None) -> Floats:
        """Vertices float32 [V, 3] at rest of the identity `shape` [<= S] in standard deviations."""
        if shape is None:
            return self.v_template.copy()
        coefficients = np.asarray(shape, np.float32)
        if coefficients.ndim != 1 or coefficients.size > self.shape_count:
            raise ValueError(f"shape is {coefficients.shape}; this head takes up to {self.shape_count} values")
        return np.add(self.v_template, self.shapedirs[:, :, : coefficients.size] @ coefficients, dtype=np.float32)


class FaceRig:
    """A head with its identity baked in, ready to be moved; optionally only some of its vertices.

    Use it once a frame: one matrix-vector product for everything linear, then the joints' own vertices are skinned.
    """

    def __init__(self, head: HeadModel, shape: ArrayLike | None = None, vertex_ids: ArrayLike | None = None) -> None:
        rows = np.arange(head.vertex_count) if vertex_ids is None else np.asarray(vertex_ids, np.int64)
        shaped = head.shaped(shape)
        expression_dirs = head.shapedirs[:, :, head.shape_count :]
        self.head = head
        self.rest: Floats = shaped[rows].reshape(-1)
        # FLAME regresses its joints from the vertices with the expression on.
        self._joints_at_rest = head.J_regressor @ shaped
        self._joint_dirs = np.einsum("jv,vce->jce", head.J_regressor, expression_dirs)
        self._pose_columns = np.flatnonzero(np.any(head.posedirs, axis=(0, 1)))
        eyelid_dirs = np.zeros((head.vertex_count, 3, EYELID_COUNT)) if head.eyeliddirs is None else head.eyeliddirs
        self._dirs: Floats = np.ascontiguousarray(
            np.concatenate(
                [expression_dirs[rows], eyelid_dirs[rows], head.posedirs[rows][:, :, self._pose_columns]], axis=2
            ).reshape(self.rest.size, -1),
            dtype=np.float32,
        )
        self._skins = {joint: _skin(head.weights[rows, joint]) for joint in (JAW, LEFT_EYE, RIGHT_EYE)}

    def vertices(
        self,
        expression: ArrayLike,
        jaw: ArrayLike,
        eyelids: ArrayLike,
        gaze: ArrayLike,
        head_rotation: ArrayLike | None = None,
        head_translation: ArrayLike | None = None,
    ) -> Floats:
        """Vertices float32 [N, 3] in metres of one face.

        expression [E] sd; jaw [3] rad axis-angle; eyelids [2] 0..1; gaze [4] rad (left pitch, left yaw, right pitch,
        right yaw); head_rotation [3] rad axis-angle and head_translation [3] m carry the head into the camera frame
        (about the head's origin), and are left out for the head's own frame.
        """
        expression = np.asarray(expression, np.float32)
        gaze = np.asarray(gaze, np.float64)
        turns = {
            JAW: (matrix_from_axis_angle(jaw) - np.eye(3)).astype(np.float32),
            LEFT_EYE: (matrix_from_gaze(gaze[0], gaze[1]) - np.eye(3)).astype(np.float32),
            RIGHT_EYE: (matrix_from_gaze(gaze[2], gaze[3]) - np.eye(3)).astype(np.float32),
        }
        pose_feature = np.zeros(9 * (JOINT_COUNT - 1), np.float32)
        for joint, turn in turns.items():
            pose_feature[9 * (joint - 1) : 9 * joint] = turn.reshape(-1)
        driven = np.concatenate([expression, np.asarray(eyelids, np.float32), pose_feature[self._pose_columns]])
        posed = (self.rest + self._dirs @ driven).reshape(-1, 3)
        joints = self._joints_at_rest + self._joint_dirs @ expression
        # Skinning weights sum to 1 and the other joints rest, so each joint adds w (R - I) (v - joint).
        moves = [
            (rows, weights * ((posed[rows] - joints[joint]) @ turns[joint].T))
            for joint, (rows, weights) in self._skins.items()
        ]
        for rows, move in moves:
            posed[rows] += move
        if head_rotation is not None:
            posed = posed @ matrix_from_axis_angle(head_rotation).T.astype(np.float32)
        if head_translation is not None:
            posed += np.asarray(head_translation, np.float32)
        return posed.astype(np.float32, copy=False)


def _skin(weights: Floats) -> tuple[NDArray[np.int64], Floats]:
    rows = np.flatnonzero(weights)
    return rows, weights[rows, None].astype(np.float32)


@cache
def open_head() -> HeadModel:
    """The head that ships with the package. Loaded once; its arrays are read-only."""
    return load_head(OPEN_HEAD_PATH)


def load_head(path: str | Path) -> HeadModel:
    """The head in `path`, an .npz that `save_head` wrote. Arrays come back as float32, int32 and uint8, read-only."""
    with np.load(path, allow_pickle=False) as archive:
        stored = {name: archive[name] for name in archive.files}
    missing = {"id", "v_template", "shapedirs", "shape_count"} - stored.keys()
    if missing:
        raise ValueError(f"{path} lacks {', '.join(sorted(missing))}; it must be a head that save_head wrote")
    arrays = {name: _widened(array) for name, array in stored.items() if name not in ("id", "shape_count")}
    return HeadModel(id=str(stored["id"]), shape_count=int(stored["shape_count"]), **arrays)


def save_head(path: str | Path, head: HeadModel) -> None:
    """Write `head` as a compressed .npz without pickles. Basis vectors are stored as float16 (steps below 1 um)."""
    stored = {name: value for name, value in vars(head).items() if value is not None}
    for name in ("shapedirs", "posedirs", "eyeliddirs"):
        if name in stored:
            stored[name] = stored[name].astype(np.float16)
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **stored)


def _widened(array: NDArray) -> NDArray:
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    array.setflags(write=False)
    return array
