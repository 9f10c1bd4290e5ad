"""A made-up head in FLAME's format whose true motion is known: what the motion map is tested with.

The open head's skin is bent smoothly into another head, given another topology of FLAME's 5023 vertices, an expression
basis of unrelated mixtures, and another rig. Because every new vertex lies on the open head's surface, the open head's
own motion, bent the same way, is what a perfect transfer would give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.head.flame import GROUPS, JOINT_COUNT, LEFT_EYE, RIGHT_EYE, FaceRig, HeadModel
from models.head.rotation import matrix_from_axis_angle
from training.head.remesh import Doubles, Longs, Remeshed, remesh

VERTEX_COUNT = 5023
IDENTITY_COUNT = 300
EXPRESSION_COUNT = 100
_EYE_SEGMENTS, _EYE_RINGS = 32, 17  # with the poles 546 vertices, as in FLAME
_BASIS_SAMPLES = 400


@dataclass(frozen=True, eq=False)
class Bend:
    """A smooth map of space: bumps, then unequal growth along the axes, then a small turn and shift.

    centres [B, 3] m, offsets [B, 3] m and width_m of the bumps; growth [3, 3]; shift [3] m.
    """

    centres: Doubles
    offsets: Doubles
    width_m: float
    growth: Doubles
    shift: Doubles

    def __call__(self, points: ArrayLike) -> Doubles:
        points = np.asarray(points, np.float64)
        distances = np.linalg.norm(points[..., None, :] - self.centres, axis=-1)
        bumps = np.exp(-0.5 * (distances / self.width_m) ** 2) @ self.offsets
        return (points + bumps) @ self.growth.T + self.shift


def random_bend(head: HeadModel, rng: np.random.Generator) -> Bend:
    """Features a few millimetres elsewhere, proportions a few per cent different."""
    centres = rng.choice(head.v_template[np.unique(_skin_faces(head))], 40)
    turn = matrix_from_axis_angle(rng.normal(0.0, 0.02, 3))
    return Bend(
        centres=centres.astype(np.float64),
        offsets=rng.normal(0.0, 0.002, (40, 3)),
        width_m=0.025,
        growth=turn @ np.diag(rng.uniform(0.95, 1.12, 3)),
        shift=rng.normal(0.0, 0.008, 3),
    )


@dataclass(frozen=True, eq=False)
class FlameLike:
    """`arrays`: what a FLAME file holds, under FLAME's names. The first `skin_count` vertices are skin."""

    arrays: Mapping[str, NDArray]
    skin_count: int
    _bend: Bend
    _mesh: Remeshed
    _skin_faces: Longs
    _open_rig: FaceRig

    def true_skin(self, expression: ArrayLike, jaw: ArrayLike, eyelids: ArrayLike) -> Doubles:
        """Where the skin [skin_count, 3] of this head belongs, in m, when the open head makes this face."""
        vertices = self._open_rig.vertices(expression, jaw, eyelids, np.zeros(4))
        return self._bend(self._mesh.carried(vertices.astype(np.float64), self._skin_faces))


def flame_like(head: HeadModel, seed: int = 0, vertex_count: int = VERTEX_COUNT) -> FlameLike:
    """The open head `head` as another head in FLAME's format, the same for the same `seed`."""
    rng = np.random.default_rng(seed)
    skin_faces = _skin_faces(head)
    eye_faces = _sphere_faces()
    eye_size = int(eye_faces.max()) + 1
    template = head.v_template.astype(np.float64)
    mesh = remesh(template, skin_faces, vertex_count - 2 * eye_size, rng)
    skin_count = len(mesh.source_faces)
    bend = random_bend(head, rng)
    carried = partial(mesh.carried, old_faces=skin_faces)
    flat_skin = carried(template)

    skin = bend(flat_skin)

    def bent(offsets: Doubles) -> Doubles:
        return bend(flat_skin + offsets) - skin

    eyes = [_eyeball(bend, template[head.weights[:, joint] > 0.5]) for joint in (LEFT_EYE, RIGHT_EYE)]
    vertices = np.concatenate([skin, *eyes])
    weights = np.zeros((vertex_count, JOINT_COUNT))
    # Another rigger: the jaw's influence falls off a little differently.
    weights[:skin_count] = carried(head.weights.astype(np.float64)) ** 1.15
    weights[skin_count : skin_count + eye_size, LEFT_EYE] = 1.0
    weights[skin_count + eye_size :, RIGHT_EYE] = 1.0

    dirs = np.zeros((vertex_count, 3, IDENTITY_COUNT + EXPRESSION_COUNT))
    dirs[:skin_count, :, :IDENTITY_COUNT] = _identity_dirs(head, carried, bent, rng)
    dirs[:skin_count, :, IDENTITY_COUNT:] = _expression_dirs(head, flat_skin, carried, bent, rng)
    posedirs = np.zeros((vertex_count, 3, 36))
    posedirs[:skin_count] = 0.9 * carried(head.posedirs.astype(np.float64))
    joints = bend(head.J_regressor.astype(np.float64) @ template) + rng.normal(0.0, 0.001, (JOINT_COUNT, 3))
    arrays = {
        "v_template": vertices,
        "shapedirs": dirs,
        "posedirs": posedirs,
        "J_regressor": _regressor(joints, vertices, skin_count, eye_size),
        "weights": weights / weights.sum(axis=1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], range(JOINT_COUNT)], np.uint32),
        "f": np.concatenate([mesh.faces, eye_faces + skin_count, eye_faces + skin_count + eye_size]).astype(np.uint32),
        "J": joints,
    }
    return FlameLike(arrays, skin_count, bend, mesh, skin_faces, FaceRig(head))


def _skin_faces(head: HeadModel) -> Longs:
    faces = head.f.astype(np.int64)
    return faces if head.groups is None else faces[head.groups == GROUPS.index("skin")]


def _expression_dirs(head, flat_skin, carried, bent, rng) -> Doubles:
    """Principal components of random faces that the open head does not quite make: each part moves more or less."""
    basis = carried(head.shapedirs[:, :, head.shape_count :].astype(np.float64))
    if head.eyeliddirs is not None:
        basis = np.concatenate([basis, carried(head.eyeliddirs.astype(np.float64))], axis=2)
    samples = np.empty((_BASIS_SAMPLES, flat_skin.size))
    for sample in samples:
        coefficients = rng.normal(0.0, 1.0, basis.shape[2])
        coefficients[head.expression_count :] = rng.uniform(0.0, 1.0, basis.shape[2] - head.expression_count)
        gain = 1.0 + _smooth_field(flat_skin, 6, 0.3, 0.03, rng)
        sample[:] = bent(basis @ coefficients * gain).ravel()
    _, spread, components = np.linalg.svd(samples - samples.mean(axis=0), full_matrices=False)
    dirs = components[:EXPRESSION_COUNT].T * (spread[:EXPRESSION_COUNT] / np.sqrt(_BASIS_SAMPLES))
    return dirs.reshape(*flat_skin.shape, EXPRESSION_COUNT)


def _identity_dirs(head, carried, bent, rng) -> Doubles:
    """The open head's identity components, mixed; the rest of FLAME's 300 stay empty."""
    basis = carried(head.shapedirs[:, :, : head.shape_count].astype(np.float64))
    mix, _ = np.linalg.qr(rng.normal(size=(head.shape_count, head.shape_count)))
    dirs = np.zeros((*basis.shape[:2], IDENTITY_COUNT))
    for column, coefficients in enumerate(mix.T[:IDENTITY_COUNT]):
        dirs[:, :, column] = bent(basis @ coefficients)
    return dirs


def _smooth_field(points: Doubles, bumps: int, height: float, width_m: float, rng: np.random.Generator) -> Doubles:
    """One value a point [N, 1]: a few Gaussian bumps of either sign."""
    centres = rng.choice(points, bumps)
    distances = np.linalg.norm(points[:, None] - centres, axis=2)
    return np.exp(-0.5 * (distances / width_m) ** 2) @ rng.normal(0.0, height, (bumps, 1))


def _sphere_faces() -> Longs:
    """A sphere of rings between two poles: vertex 0 and the last."""
    segment = np.arange(_EYE_SEGMENTS)
    after = (segment + 1) % _EYE_SEGMENTS
    last = 1 + _EYE_RINGS * _EYE_SEGMENTS
    triangles = [np.stack([np.zeros_like(segment), 1 + segment, 1 + after], axis=1)]
    for ring in range(_EYE_RINGS - 1):
        inner, outer = 1 + ring * _EYE_SEGMENTS, 1 + (ring + 1) * _EYE_SEGMENTS
        triangles.append(np.stack([inner + segment, outer + segment, outer + after], axis=1))
        triangles.append(np.stack([inner + segment, outer + after, inner + after], axis=1))
    rim = last - _EYE_SEGMENTS
    triangles.append(np.stack([rim + segment, np.full_like(segment, last), rim + after], axis=1))
    return np.concatenate(triangles)


def _eyeball(bend: Bend, old_eyeball: Doubles) -> Doubles:
    """A sphere [546, 3] where the bent head has its eyeball, pole forward."""
    low, high = old_eyeball.min(axis=0), old_eyeball.max(axis=0)
    radius = 0.5 * (high[0] - low[0])
    centre = bend(np.array([0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]), high[2] - radius]))
    polar = np.repeat(np.linspace(0.0, np.pi, _EYE_RINGS + 2)[1:-1], _EYE_SEGMENTS)
    around = np.tile(np.arange(_EYE_SEGMENTS) * (2.0 * np.pi / _EYE_SEGMENTS), _EYE_RINGS)
    rings = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=1)
    return centre + radius * np.concatenate([[[0.0, 0.0, 1.0]], rings, [[0.0, 0.0, -1.0]]])


def _regressor(joints: Doubles, vertices: Doubles, skin_count: int, eye_size: int) -> Doubles:
    """Rows [5, V] that add up to 1 and give the joints: eyeballs' means; for the others, 60 skin vertices nearby."""
    regressor = np.zeros((JOINT_COUNT, len(vertices)))
    for joint, place in enumerate(joints):
        if joint in (LEFT_EYE, RIGHT_EYE):
            first = skin_count + (joint - LEFT_EYE) * eye_size
            regressor[joint, first : first + eye_size] = 1.0 / eye_size
            continue
        near = np.argsort(np.linalg.norm(vertices[:skin_count] - place, axis=1))[:60]
        system = np.concatenate([vertices[near].T, np.ones((1, len(near)))])
        even = np.full(len(near), 1.0 / len(near))
        regressor[joint, near] = even + np.linalg.pinv(system) @ (np.append(place, 1.0) - system @ even)
    return regressor
