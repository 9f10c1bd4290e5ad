"""Which triangle each pixel shows: a depth buffer in plain torch, for a batch at once. No gradients here.

Each triangle lists the pixels of its bounding box, all lists are one, and the nearest wins by a scattered minimum over
numbers that hold depth and triangle together. Triangles that face away are not seen.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from training.render.differentiable.camera import in_pixels
from training.render.differentiable.surface import NOTHING

# (seen [B, V, 3] as `in_picture` gives it, triangles [F, 3], size_px) -> int64 [B, S, S]: a triangle's row, or NOTHING.
Visibility = Callable[[Tensor, Tensor, int], Tensor]

# A number holds the value (a depth in halves of the picture, say) in steps of 2^-28, above the index of what is there.
_STEPS = float(1 << 28)
_MOST = 15.0
_INDEX_BITS = 31
_EMPTY = torch.iinfo(torch.int64).max
_LEAST_AREA_PX = 1e-9


@torch.no_grad()
def visible_by_depth(seen: Tensor, triangles: Tensor, size_px: int) -> Tensor:
    """See `Visibility`. The middles of pixels count; one on an edge belongs to either triangle."""
    batch, count = len(seen), len(triangles)
    # From here on a pixel's middle is a whole number.
    corners = torch.cat([in_pixels(seen, size_px) - 0.5, seen[..., 2:]], dim=2)[:, triangles].reshape(-1, 3, 3)
    place = corners[:, :, :2]
    low, high = place.amin(dim=1).ceil().clamp(min=0), place.amax(dim=1).floor().clamp(max=size_px - 1)
    area = doubled_area(place)
    # y goes down: what runs counter-clockwise seen from outside runs clockwise here, and its area is negative.
    box = torch.where((area < -_LEAST_AREA_PX)[:, None], (high - low + 1).clamp(min=0), 0.0).long()
    which, x, y = pixels_of_boxes(low.long(), box)
    one, two, three = corners[which].unbind(dim=1)
    point = torch.stack([x, y], dim=1).to(seen.dtype)
    share_two = _cross(point - one[:, :2], three[:, :2] - one[:, :2])
    share_three = _cross(two[:, :2] - one[:, :2], point - one[:, :2])
    shares = torch.stack([area[which] - share_two - share_three, share_two, share_three], dim=1) / area[which, None]
    inside = (shares >= -1e-6).all(dim=1)
    which, shares = which[inside], shares[inside]
    depth = (shares * torch.stack([one[inside, 2], two[inside, 2], three[inside, 2]], dim=1)).sum(dim=1)
    pixel = (which // count) * size_px**2 + y[inside] * size_px + x[inside]
    nearest = least(pixel, depth, which % count, batch * size_px**2)
    return nearest.reshape(batch, size_px, size_px)


def doubled_area(corners: Tensor) -> Tensor:
    """Twice the signed area [...] of triangles [..., 3, 2]."""
    one, two, three = corners.unbind(dim=-2)
    return _cross(two - one, three - one)


def pixels_of_boxes(low: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All pixels of N boxes at `low` [N, 2] of `size` [N, 2] (x, y), int64: (box, x, y), each [pixels of all]."""
    counts = size.prod(dim=1)
    filled = counts.nonzero()[:, 0]
    counts, low, width = counts[filled], low[filled], size[filled, 0]
    row = torch.repeat_interleave(counts)
    begin = counts.cumsum(dim=0) - counts
    offset = torch.arange(len(row), device=row.device) - begin[row]
    down = torch.div(offset, width[row], rounding_mode="floor")
    return filled[row], low[row, 0] + offset - down * width[row], low[row, 1] + down


def least(place: Tensor, value: Tensor, index: Tensor, places: int) -> Tensor:
    """At each of so many places the `index` whose `value` is least there, int64; NOTHING where there is none."""
    number = ((value.clamp(-_MOST, _MOST).double() * _STEPS).long() << _INDEX_BITS) | index
    best = torch.full((places,), _EMPTY, dtype=torch.int64, device=place.device)
    best.scatter_reduce_(0, place, number, "amin")
    return torch.where(best == _EMPTY, NOTHING, best & ((1 << _INDEX_BITS) - 1))


def _cross(one: Tensor, other: Tensor) -> Tensor:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
