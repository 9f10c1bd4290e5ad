"""A head as meshes of one colour each: a page that moves vertices sixty kilobytes at a time takes no textures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.head.flame import GROUPS, Floats, HeadModel

Colour = tuple[int, int, int]

# How many colours each group is painted in, and its only one on a head without a texture.
_COLOURS = {"skin": 3, "eyes": 4, "teeth": 1, "tongue": 1, "lashes": 1}
_PLAIN: dict[str, Colour] = {
    "skin": (214, 170, 148),
    "eyes": (235, 235, 235),
    "teeth": (240, 236, 226),
    "tongue": (190, 95, 95),
    "lashes": (40, 30, 28),
}
_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class Part:
    """`ids` int64 [N] are the head's vertices, `faces` uint32 [F, 3] index into them."""

    name: str
    ids: NDArray[np.int64]
    faces: NDArray[np.uint32]
    colour: Colour


def parts_of(head: HeadModel) -> tuple[Part, ...]:
    """The whole head; every triangle is in one part."""
    groups = np.zeros(len(head.f), np.uint8) if head.groups is None else head.groups
    painted = _face_colours(head)
    parts: list[Part] = []
    for number, group in enumerate(GROUPS):
        faces = np.flatnonzero(groups == number)
        if not faces.size:
            continue
        if painted is None:
            parts.append(_part(group, head, faces, _PLAIN[group]))
            continue
        colours, nearest = _palette(painted[faces], _COLOURS[group])
        for index, colour in enumerate(colours):
            chosen = faces[nearest == index]
            if chosen.size:
                red, green, blue = (round(value) for value in colour.tolist())
                parts.append(_part(f"{group}{index}", head, chosen, (red, green, blue)))
    return tuple(parts)


def _part(name: str, head: HeadModel, faces: NDArray[np.int64], colour: Colour) -> Part:
    ids, corners = np.unique(head.f[faces], return_inverse=True)
    return Part(name, ids.astype(np.int64), corners.reshape(-1, 3).astype(np.uint32), colour)


def _face_colours(head: HeadModel) -> Floats | None:
    """float32 [F, 3]: the texture in the middle of each triangle; None without one."""
    if head.texture is None or head.uv is None:
        return None
    u, v = head.uv[head.f if head.f_uv is None else head.f_uv].mean(axis=1).T
    height, width, _ = head.texture.shape
    rows = np.clip((1.0 - v) * height, 0, height - 1).astype(int)
    columns = np.clip(u * width, 0, width - 1).astype(int)
    return head.texture[rows, columns].astype(np.float32)


def _palette(colours: Floats, count: int) -> tuple[Floats, NDArray[np.int64]]:
    """`count` colours that stand for `colours` [N, 3], and the nearest one of each.

    k-means from the most usual colour and those that are farthest from all chosen before (Gonzalez 1985).
    """
    chosen = np.median(colours, axis=0, keepdims=True)
    while len(chosen) < count:
        farthest = np.argmax(_distances(colours, chosen).min(axis=1))
        chosen = np.concatenate([chosen, colours[farthest, None]])
    for _ in range(_ROUNDS):
        nearest = np.argmin(_distances(colours, chosen), axis=1)
        groups = [colours[nearest == index] for index in range(count)]
        chosen = np.stack([group.mean(axis=0) if len(group) else chosen[k] for k, group in enumerate(groups)])
    return chosen.astype(np.float32), np.argmin(_distances(colours, chosen), axis=1)


def _distances(colours: Floats, chosen: Floats) -> Floats:
    return np.linalg.norm(colours[:, None] - chosen, axis=2)
