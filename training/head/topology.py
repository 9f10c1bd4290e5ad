"""The head's mesh: which part of the base mesh it keeps, its triangles, its mirror map, and eyeballs of its own.

The neck ends along one closed edge loop, so the cut is a clean ring. The source's eyeballs are octagons of 72 vertices;
they are replaced by spheres of the same centre and radius whose front pole is the pupil.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.head.flame import GROUPS
from training.head.source import BaseMesh, Doubles, Longs, Source

# The edge loop at the neck's base begins at this vertex of the base mesh, on the mid-plane at the nape.
_NECK_LOOP_START = 1496
# Angle of each ring of an eyeball from the pupil; the ring at 90 degrees has the eyeball's centre as its mean.
_EYE_RING_ANGLES_DEG = (9.0, 16.0, 22.0, 30.0, 42.0, 57.0, 73.0, 90.0, 108.0)
_EYE_SEGMENTS = 24
# The source's teeth touch the corners of the closed lips and shine through.
_TEETH_SCALE = 0.9


@dataclass(frozen=True, eq=False)
class Topology:
    """How the head's V vertices come from the base mesh's N.

    source_ids        int64 [V - 2 K]: vertices taken as they are (skin, teeth, tongue); then K of each eyeball
    source_eyes       vertices of the base mesh's left and right eyeball
    triangles         int64 [F, 3], counter-clockwise from outside, each the mirror image of another (or of itself)
    groups            uint8 [F], index into GROUPS
    mirror            int64 [V]
    parts             vertex indices of "skin", "upper_teeth", "lower_teeth", "tongue", "left_eye", "right_eye"
    neck_loop         vertex indices along the cut
    """

    source_ids: Longs
    source_eyes: tuple[Longs, Longs]
    triangles: Longs
    groups: NDArray[np.uint8]
    mirror: Longs
    parts: dict[str, Longs]
    neck_loop: Longs

    @property
    def vertex_count(self) -> int:
        return len(self.mirror)

    def vertices(self, base_vertices: Doubles) -> Doubles:
        """The head's vertices [V, 3] for a shape of the whole base mesh [N, 3]."""
        eyes = [
            _eyeball(*fit_sphere(base_vertices[ids]), flip=side < 0)
            for side, ids in zip((1, -1), self.source_eyes, strict=True)
        ]
        return np.concatenate([self._taken(base_vertices), *eyes])

    def offsets(self, base_offsets: Doubles) -> Doubles:
        """A target's offsets [V, 3] on the head; eyeballs do not take part (their joints turn them)."""
        offsets = np.zeros((self.vertex_count, 3))
        offsets[: len(self.source_ids)] = self._taken(base_offsets)
        return offsets

    def _taken(self, base_values: Doubles) -> Doubles:
        taken = base_values[self.source_ids]
        for part in ("upper_teeth", "lower_teeth"):
            teeth = taken[self.parts[part]]
            taken[self.parts[part]] = teeth.mean(axis=0) + _TEETH_SCALE * (teeth - teeth.mean(axis=0))
        return taken

    def mirrored(self, offsets: Doubles) -> Doubles:
        """Positions or offsets [..., V, 3] seen in the mirror."""
        return offsets[..., self.mirror, :] * np.array([-1.0, 1.0, 1.0])


def build_topology(source: Source) -> Topology:
    base = source.base
    skin_quads, loop = _cut_at_neck(base)
    quads_of = {
        "skin": skin_quads,
        "upper_teeth": base.quads["helper-upper-teeth"],
        "lower_teeth": base.quads["helper-lower-teeth"],
        "tongue": base.quads["helper-tongue"],
    }
    source_ids = np.unique(np.concatenate([np.unique(quads) for quads in quads_of.values()]))
    renumbered = np.full(len(base.vertices), -1)
    renumbered[source_ids] = np.arange(len(source_ids))
    group_of = {"skin": "skin", "upper_teeth": "teeth", "lower_teeth": "teeth", "tongue": "tongue"}

    triangles, groups, parts = [], [], {}
    for name, quads in quads_of.items():
        part = renumbered[_triangulated(quads, base.vertices, source.mirror)]
        triangles.append(part)
        groups.append(np.full(len(part), GROUPS.index(group_of[name]), np.uint8))
        parts[name] = np.unique(part)

    eye_triangles, eye_mirror = _eyeball_triangles()
    eye_size = len(eye_mirror)
    mirror = [renumbered[source.mirror[source_ids]]]
    for side, name in enumerate(("left_eye", "right_eye")):
        first = len(source_ids) + side * eye_size
        triangles.append(eye_triangles[:, ::-1] + first if side else eye_triangles + first)
        groups.append(np.full(len(eye_triangles), GROUPS.index("eyes"), np.uint8))
        parts[name] = np.arange(first, first + eye_size)
        # The right eyeball is the left one's mirror image, vertex by vertex.
        mirror.append(np.arange(eye_size) + len(source_ids) + (1 - side) * eye_size)
    return Topology(
        source_ids=source_ids,
        source_eyes=(np.unique(base.quads["helper-l-eye"]), np.unique(base.quads["helper-r-eye"])),
        triangles=np.concatenate(triangles),
        groups=np.concatenate(groups),
        mirror=np.concatenate(mirror),
        parts=parts,
        neck_loop=renumbered[loop],
    )


def fit_sphere(points: Doubles) -> tuple[Doubles, float]:
    """Centre [3] and radius of the sphere closest to `points` [K, 3] (linear least squares on |p|^2)."""
    system = np.concatenate([2.0 * points, np.ones((len(points), 1))], axis=1)
    *centre, rest = np.linalg.lstsq(system, np.sum(points**2, axis=1), rcond=None)[0]
    centre = np.array(centre)
    return centre, float(np.sqrt(rest + centre @ centre))


def eyeball_angles() -> tuple[Doubles, Doubles]:
    """Of an eyeball's vertices [K]: the angle from the pupil, and the direction around it (0 = outwards), in rad."""
    rings = np.repeat(np.radians(_EYE_RING_ANGLES_DEG), _EYE_SEGMENTS)
    around = np.tile(np.arange(_EYE_SEGMENTS) * (2.0 * np.pi / _EYE_SEGMENTS), len(_EYE_RING_ANGLES_DEG))
    return np.concatenate([[0.0], rings]), np.concatenate([[0.0], around])


def _eyeball(centre: Doubles, radius: float, flip: bool) -> Doubles:
    polar, around = eyeball_angles()
    unit = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=1)
    return centre + radius * unit * np.array([-1.0 if flip else 1.0, 1.0, 1.0])


def _eyeball_triangles() -> tuple[Longs, Longs]:
    segment = np.arange(_EYE_SEGMENTS)
    after = (segment + 1) % _EYE_SEGMENTS
    triangles = [np.stack([np.zeros_like(segment), 1 + segment, 1 + after], axis=1)]
    for ring in range(len(_EYE_RING_ANGLES_DEG) - 1):
        inner, outer = 1 + ring * _EYE_SEGMENTS, 1 + (ring + 1) * _EYE_SEGMENTS
        triangles.append(np.stack([inner + segment, outer + segment, outer + after], axis=1))
        triangles.append(np.stack([inner + segment, outer + after, inner + after], axis=1))
    return np.concatenate(triangles), np.arange(1 + len(_EYE_RING_ANGLES_DEG) * _EYE_SEGMENTS)


def _cut_at_neck(base: BaseMesh) -> tuple[Longs, list[int]]:
    """Quads of the body above the neck's edge loop, and the loop's vertices in order."""
    quads = base.quads["body"]
    quads_at: dict[frozenset[int], list[int]] = {}
    neighbours: dict[int, set[int]] = {}
    for index, corners in enumerate(quads.tolist()):
        for one, other in _edges_around(corners):
            quads_at.setdefault(frozenset((one, other)), []).append(index)
            neighbours.setdefault(one, set()).add(other)
            neighbours.setdefault(other, set()).add(one)

    second = max(neighbours[_NECK_LOOP_START], key=lambda vertex: base.vertices[vertex, 0])
    loop = [_NECK_LOOP_START, second]
    while True:
        before, here = loop[-2:]
        beside = set(quads[quads_at[frozenset((before, here))]].ravel().tolist())
        (ahead,) = neighbours[here] - beside  # one edge goes straight on, as every vertex of the loop has four
        if ahead == loop[0]:
            break
        loop.append(ahead)

    fence = {frozenset(edge) for edge in _edges_around(loop)}
    crown = max(neighbours, key=lambda vertex: base.vertices[vertex, 1])
    waiting = [index for edge, indices in quads_at.items() if crown in edge for index in indices]
    kept = set(waiting)
    while waiting:
        corners = quads[waiting.pop()].tolist()
        for edge in map(frozenset, _edges_around(corners)):
            if edge not in fence:
                fresh = [index for index in quads_at[edge] if index not in kept]
                kept.update(fresh)
                waiting.extend(fresh)
    return quads[sorted(kept)], loop


def _edges_around(corners: list[int]) -> list[tuple[int, int]]:
    return list(zip(corners, corners[1:] + corners[:1], strict=True))


def _triangulated(quads: Longs, vertices: Doubles, mirror: Longs) -> Longs:
    """Each quad split along its shorter diagonal; ties go by a key that a quad and its mirror image share."""
    lengths = np.linalg.norm(vertices[quads[:, [0, 1]]] - vertices[quads[:, [2, 3]]], axis=2).round(9)
    key = np.minimum(quads, mirror[quads])
    tie = np.minimum(key[:, 0], key[:, 2]) < np.minimum(key[:, 1], key[:, 3])
    first = (lengths[:, 0] < lengths[:, 1]) | ((lengths[:, 0] == lengths[:, 1]) & tie)
    turned = np.where(first[:, None], quads, np.roll(quads, -1, axis=1))
    return np.concatenate([turned[:, [0, 1, 2]], turned[:, [0, 2, 3]]])
