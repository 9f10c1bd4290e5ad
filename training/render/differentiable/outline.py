"""The soft outline: how much of a pixel near the head's edge the head covers, as a smooth function of the edge's place.

An edge of the mesh is on the outline where one side faces the viewer, the other does not (or is not there), and the
picture beyond it is empty. A pixel within `edge_px` of the nearest such edge is covered by a smooth step of its signed
distance to it: 0 outside, a half on the edge, 1 inside. Pixels outside take their colour from the nearest place on it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.render.differentiable.surface import NOTHING, Surface
from training.render.differentiable.visibility import doubled_area, least, pixels_of_boxes

# An edge is on the outline if nothing is seen so far beyond its middle.
_BEYOND_PX = 1.0
_LEAST_LENGTH_PX = 1e-6


@torch.no_grad()
def find_outline(place: Tensor, shown: Tensor, surface: Surface, edge_px: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels near the outline: (pixel of the batch's, edge, triangle), int64 [R] each.

    place [B, V, 2]: vertices in pixels; shown [B, S, S]: triangles, or NOTHING.
    """
    batch, size, _ = shown.shape
    faces = doubled_area(place[:, surface.triangles]) < 0.0
    # NOTHING looks up the last column, which says that nobody faces the viewer there.
    faces = torch.cat([faces, faces.new_zeros(batch, 1)], dim=1)
    one, other = faces[:, surface.beside[:, 0]], faces[:, surface.beside[:, 1]]
    which, edge = (one ^ other).nonzero(as_tuple=True)
    front = torch.where(one[which, edge], surface.beside[edge, 0], surface.beside[edge, 1])
    begin, end = place[which, surface.edges[edge, 0]], place[which, surface.edges[edge, 1]]
    inward = place[which[:, None], surface.triangles[front]].mean(dim=1) - begin
    along = end - begin
    across = torch.stack([-along[:, 1], along[:, 0]], dim=1)
    across = across / across.norm(dim=1, keepdim=True).clamp(min=_LEAST_LENGTH_PX)
    across = torch.where((across * inward).sum(dim=1, keepdim=True) > 0.0, -across, across)
    beyond = (0.5 * (begin + end) + _BEYOND_PX * across).floor().long()
    is_within = ((beyond >= 0) & (beyond < size)).all(dim=1)
    beyond = beyond.clamp(0, size - 1)
    kept = is_within & (shown[which, beyond[:, 1], beyond[:, 0]] == NOTHING)
    which, edge, front, begin, end = (values[kept] for values in (which, edge, front, begin, end))
    low = (torch.minimum(begin, end) - edge_px - 0.5).ceil().clamp(min=0)
    high = (torch.maximum(begin, end) + edge_px - 0.5).floor().clamp(max=size - 1)
    row, x, y = pixels_of_boxes(low.long(), (high - low + 1).clamp(min=0).long())
    middles = torch.stack([x, y], dim=1) + 0.5
    off = distance(middles, nearest_on(middles, begin[row], end[row]))
    near = off < edge_px
    row, x, y, off = row[near], x[near], y[near], off[near]
    # From every pixel to the nearest edge's row.
    nearest = least(which[row] * size**2 + y * size + x, off / size, row, batch * size**2)
    pixel = (nearest != NOTHING).nonzero()[:, 0]
    row = nearest[pixel]
    return pixel, edge[row], front[row]


def nearest_on(points: Tensor, begin: Tensor, end: Tensor) -> Tensor:
    """The nearest places [N, 2] to points [N, 2] on the segments begin [N, 2] .. end [N, 2]."""
    along = end - begin
    share = ((points - begin) * along).sum(dim=1) / along.square().sum(dim=1).clamp(min=_LEAST_LENGTH_PX**2)
    return begin + share.clamp(0.0, 1.0)[:, None] * along


def distance(points: Tensor, others: Tensor) -> Tensor:
    """Between points [N, 2] and others, [N], with a finite slope at 0."""
    return ((points - others).square().sum(dim=1) + _LEAST_LENGTH_PX**2).sqrt()


def covered(signed_px: Tensor, edge_px: float) -> Tensor:
    """How much of a pixel is covered, 0..1, that is so far inside (positive) of the outline."""
    share = (0.5 + 0.5 * signed_px / edge_px).clamp(0.0, 1.0)
    return share.square() * (3.0 - 2.0 * share)
