"""The weak perspective: all of a head is as far from the camera as its middle. DECA's camera (Feng et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor


def in_picture(points: Tensor, camera: Tensor) -> Tensor:
    """Points [B, N, 3] (m; +X right, +Y up, +Z to the viewer) seen by `camera` [B, 3] = (s, tx, ty): [B, N, 3].

    u = s (x + tx) and v = -s (y + ty) are -1..1 within the picture, v down; the third is the depth -s z, less is
    nearer. The head is shifted first, then scaled: tx and ty are metres.
    """
    scale = camera[:, None, :1]
    x, y, z = points.unbind(dim=2)
    shift_x, shift_y = camera[:, 1, None], camera[:, 2, None]
    return scale * torch.stack([x + shift_x, -(y + shift_y), -z], dim=2)


def in_pixels(seen: Tensor, size_px: int) -> Tensor:
    """u, v [..., >= 2] as pixels [..., 2] from the top left corner of a square picture: 112 (u + 1) for one of 224.

    The middle of the first pixel is at 0.5.
    """
    return 0.5 * size_px * (seen[..., :2] + 1.0)
