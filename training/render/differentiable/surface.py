"""What of a head does not move: triangles, edges, places in the texture, what is skin and what is face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.head.flame import GROUPS, HeadModel
from training.head.unwrap import AXIS_Z_M, SKIN_TOP_V

NOTHING = -1
# The face, on the mean head: before the ears, from the chin's underside to the hairline; soft over the last 15 mm.
_FACE_MIDDLE_M, _FACE_HALF_M, _FACE_SOFT_M = (0.0, -0.005), (0.066, 0.092), 0.015
_FACE_BEHIND_M = 0.0


@dataclass(frozen=True, eq=False)
class Surface:
    """F triangles over V vertices, with E edges.

    triangles        int64 [F, 3], counter-clockwise seen from outside
    uv               float32 [F, 3, 2]: places of the corners in the texture, v up; u goes on beyond 1 at the seam
    is_skin          bool [F]: outer skin, not eyes, teeth, tongue nor the inside of mouth and sockets
    face             float32 [V]: 1 on the face, 0 on neck, ears and scalp, soft between
    outward          float32 [V], m: from the axis of the unwrapping; of what shares texels, the outer has them
    edges            int64 [E, 2]: vertices         beside   int64 [E, 2]: triangles, the second NOTHING at a border
    """

    triangles: Tensor
    uv: Tensor
    is_skin: Tensor
    face: Tensor
    outward: Tensor
    edges: Tensor
    beside: Tensor

    @classmethod
    def of(cls, head: HeadModel) -> Surface:
        """That of a head with texture coordinates; ValueError without."""
        if head.uv is None or head.f_uv is None:
            raise ValueError(f"the head {head.id!r} has no texture coordinates (uv, f_uv); take the open head")
        uv = head.uv[head.f_uv]
        is_skin = (uv[:, :, 1] < SKIN_TOP_V).all(axis=1)
        if head.groups is not None:
            is_skin &= head.groups == GROUPS.index("skin")
        edges, beside = _edges(head.f)
        return cls(
            torch.from_numpy(head.f.astype(np.int64)),
            torch.from_numpy(uv.astype(np.float32)),
            torch.from_numpy(is_skin),
            torch.from_numpy(_face(head)),
            torch.from_numpy(np.hypot(head.v_template[:, 0], head.v_template[:, 2] - AXIS_Z_M)),
            torch.from_numpy(edges),
            torch.from_numpy(beside),
        )


def _edges(triangles: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every edge once, [E, 2], and the (first) two triangles beside it."""
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).astype(np.int64)
    owner = np.tile(np.arange(len(triangles)), 3)
    edges, first, which = np.unique(np.sort(sides, axis=1), axis=0, return_index=True, return_inverse=True)
    beside = np.full((len(edges), 2), NOTHING)
    beside[:, 0] = owner[first]
    is_other = owner != beside[which.reshape(-1), 0]
    beside[which.reshape(-1)[is_other], 1] = owner[is_other]
    return edges, beside


def _face(head: HeadModel) -> NDArray[np.float32]:
    place = head.v_template
    across = (place[:, :2] - np.array(_FACE_MIDDLE_M)) / np.array(_FACE_HALF_M)
    # An ellipse seen from the front; how far within its rim, in metres of its narrower half.
    within = (1.0 - np.linalg.norm(across, axis=1)) * _FACE_HALF_M[0]
    depth = np.minimum(within, place[:, 2] - _FACE_BEHIND_M) / _FACE_SOFT_M
    share = np.clip(depth, 0.0, 1.0)
    return (share * share * (3.0 - 2.0 * share)).astype(np.float32)


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Unit normals [B, V, 3] of vertices [B, V, 3], the mean of the adjoining triangles' weighted by area."""
    one, two, three = vertices[:, triangles].unbind(dim=2)
    faces = torch.linalg.cross(two - one, three - one, dim=2)
    spread = faces[:, :, None].expand(-1, -1, 3, -1).reshape(len(vertices), -1, 3)
    normals = torch.zeros_like(vertices).index_add(1, triangles.reshape(-1), spread)
    return functional.normalize(normals, dim=2, eps=1e-12)
