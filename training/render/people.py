"""Random people: identity, skin, hair, beard, brows, glasses, headwear, clothes, as solids on a canvas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from models.head.flame import LEFT_EYE, RIGHT_EYE, FaceRig, HeadModel, open_head
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from training.render import wear
from training.render.canvas import HEAD, Canvas, Finish, Solid
from training.render.light import load_environments
from training.render.makehuman import Growth, load_growths, load_skins
from training.render.meshes import Floats, Mesh, normals
from training.render.skin import draw_complexion, paint_coat

Doubles = NDArray[np.float64]

_GLOSS_OF_GROUPS = np.array([0.0, 1.0, 0.55, 0.4, 0.0], np.float32)
_BEARDS = ("Full_beard", "Moustache")
_HAIRS = {"bald": 0.08, "cropped": 0.14, "shell": 0.24, "mesh": 0.54}
_GLASSES, _BEARD, _BROWS, _HEADPHONES, _CAP, _SCARF = 0.3, 0.22, 0.5, 0.12, 0.1, 0.06
# Hair that falls over the eyes is worn by few.
_VEILED = 0.15
# The neck's turning point in the head's frame, and how much of the head's turn the shoulders take part in.
_NECK_M, _SHOULDERS_TURN = (0.0, -0.10, -0.055), 0.35


@dataclass(frozen=True, eq=False)
class _Follower:
    """Something that moves with the skin: vertices on the mean head [N, 3] and how they follow it [N, V]."""

    solid: Solid
    vertices: Floats
    follow: csr_matrix


class Person:
    """One person's rig and everything that is seen of them.

    shape   float32 [100]          hands   linear colour of the skin
    """

    def __init__(self, shape: Floats, rig: FaceRig, hands: tuple[float, float, float]) -> None:
        self.shape, self.rig, self.hands = shape, rig, hands
        self.fixed, self.body = list[Solid](), list[Solid]()
        self._followers = list[_Follower]()
        self._head: Solid | None = None

    def wear_coat(self, canvas: Canvas, coat: NDArray[np.uint8], finish: Finish) -> None:
        vertices, mesh, gloss = _head_mesh()
        placed = Mesh(self.rig.rest.reshape(-1, 3)[vertices], mesh.triangles, mesh.uv)
        self._head = canvas.solid(placed, coat, finish, gloss)

    def grow(self, canvas: Canvas, growth: Growth, finish: Finish, with_face: bool) -> None:
        """Hair that stays with the skull, or, `with_face`, moves with the skin below it."""
        head = open_head()
        vertices = growth.mesh.vertices + growth.follow @ (self.rig.rest.reshape(-1, 3) - head.v_template)
        solid = canvas.solid(Mesh(vertices, growth.mesh.triangles, growth.mesh.uv), growth.texture, finish)
        if with_face:
            self._followers.append(_Follower(solid, growth.mesh.vertices, growth.follow))
        else:
            self.fixed.append(solid)

    def solids(self, vertices: Floats, rotation: Doubles, translation: Doubles) -> list[Solid]:
        """Everything in its place: `vertices` [V, 3] in the head's frame, the head at [3, 3], [3] before the camera."""
        assert self._head is not None
        head = open_head()
        rows, _, _ = _head_mesh()
        self._head.move(vertices[rows], normals(vertices, head.f)[rows])
        for follower in self._followers:
            follower.solid.move(follower.vertices + follower.follow @ (vertices - head.v_template))
        carried = [self._head, *self.fixed, *(follower.solid for follower in self._followers)]
        for solid in carried:
            solid.model = rigid(rotation, translation)
        turned = matrix_from_axis_angle(_SHOULDERS_TURN * axis_angle_from_matrix(rotation))
        neck = np.array(_NECK_M)
        for solid in self.body:
            solid.model = rigid(turned, translation + rotation @ neck - turned @ neck)
        return [*carried, *self.body]


class Cast:
    """Draws people. Without `data` (SHARED) skins are tones alone and hair is painted or a shell."""

    def __init__(self, canvas: Canvas, data: Path | None) -> None:
        self.canvas, self.head = canvas, open_head()
        growths = load_growths(data, "hair") if data else []
        self._beards = [growth for growth in growths if growth.name in _BEARDS]
        self._hairs = [growth for growth in growths if growth.name not in _BEARDS]
        weights = np.array([_VEILED if _veils(growth, self.head) else 1.0 for growth in self._hairs])
        self._hair_shares = weights / max(weights.sum(), 1.0)
        self._brows = load_growths(data, "eyebrows") if data else []
        self._skins = load_skins(data) if data else []
        self.environments = load_environments(data)

    def person(self, rng: np.random.Generator) -> Person:
        spread = rng.choice([0.6, 1.0, 1.5], p=[0.2, 0.7, 0.1])
        shape = np.clip(rng.normal(0.0, spread, self.head.shape_count), -3.5, 3.5).astype(np.float32)
        rig = FaceRig(self.head, shape)
        rest = rig.rest.reshape(-1, 3)
        hair = wear.hair_colour(rng)
        kind = rng.choice(list(_HAIRS), p=list(_HAIRS.values()))
        if kind == "mesh" and not self._hairs:
            kind = "shell"
        covered = rng.uniform() < _SCARF
        scalp = {"bald": 0.0, "cropped": float(rng.uniform(0.3, 1.0))}.get(str(kind), 0.95)
        shown = tuple((np.array(hair) ** (1.0 / 2.2)).tolist())
        complexion = draw_complexion(rng, shown, scalp, len(self._skins))
        coat = paint_coat(rng, complexion, self._skins)
        cheek = coat[300:340, 240:272].reshape(-1, 3).mean(axis=0) / 255.0
        person = Person(shape, rig, tuple((cheek**2.2).tolist()))
        skin = Finish(gloss=float(rng.uniform(0.0, 0.25)), scatter=1.0, owner=HEAD)
        person.wear_coat(self.canvas, coat, skin)
        tint = (2.0 * hair[0], 2.0 * hair[1], 2.0 * hair[2])
        lies = Finish(gloss=float(rng.uniform(0.05, 0.3)), tint=tint)
        grows = Finish(tint=tint, owner=HEAD)
        capped = rng.uniform() < _CAP
        garments = wear.clothes(rng, rest)
        if covered:
            person.fixed.append(self._dress(wear.scarf_shell(rng, rest)))
        elif kind == "mesh":
            person.grow(
                self.canvas, self._hairs[rng.choice(len(self._hairs), p=self._hair_shares)], lies, with_face=False
            )
        elif kind == "shell":
            person.fixed.append(self._dress(wear.hair_shell(rng, rest, hair)))
        if self._beards and not covered and rng.uniform() < _BEARD:
            for beard in self._beards if rng.uniform() < 0.4 else [self._beards[rng.integers(len(self._beards))]]:
                person.grow(self.canvas, beard, grows, with_face=True)
        if self._brows and rng.uniform() < _BROWS:
            person.grow(self.canvas, self._brows[rng.integers(len(self._brows))], grows, with_face=True)
        extras = list[wear.Garment]()
        if capped and not covered:
            extras += wear.cap_shell(rng, rest)
        if rng.uniform() < _GLASSES:
            extras += wear.glasses(rng, rest)
        if rng.uniform() < _HEADPHONES:
            extras += wear.headphones(rng, rest)
        person.fixed += [self._dress(garment) for garment in extras]
        person.body = [self._dress(garment) for garment in garments]
        return person

    def _dress(self, garment: wear.Garment) -> Solid:
        return self.canvas.solid(garment.mesh, garment.texture, garment.finish)


def rigid(rotation: Doubles, translation: Doubles) -> Floats:
    """[3, 3] and [3] as one matrix [4, 4]."""
    model = np.eye(4, dtype=np.float32)
    model[:3, :3], model[:3, 3] = rotation, translation
    return model


def _veils(growth: Growth, head: HeadModel) -> bool:
    """Whether a hair's mesh hangs before the eyes."""
    joints = head.J_regressor @ head.v_template
    aside = np.stack([np.abs(growth.mesh.vertices[:, :2] - joints[eye, :2]) for eye in (LEFT_EYE, RIGHT_EYE)])
    before = (aside < [0.018, 0.012]).all(axis=2).any(axis=0) & (growth.mesh.vertices[:, 2] > joints[LEFT_EYE, 2])
    return int(before.sum()) > 3


@cache
def _head_mesh() -> tuple[NDArray[np.int64], Mesh, Floats]:
    """(the head's vertex of each of the mesh's [N], the mesh with its seams cut, gloss [N])."""
    head: HeadModel = open_head()
    assert head.uv is not None
    assert head.f_uv is not None
    assert head.groups is not None
    pairs, index = np.unique(np.stack([head.f.ravel(), head.f_uv.ravel()], axis=1), axis=0, return_inverse=True)
    gloss = np.zeros(len(pairs), np.float32)
    gloss[index.ravel()] = np.repeat(_GLOSS_OF_GROUPS[head.groups], 3)
    mesh = Mesh(head.v_template[pairs[:, 0]], index.reshape(-1, 3).astype(np.int32), head.uv[pairs[:, 1]])
    return pairs[:, 0].astype(np.int64), mesh, gloss
