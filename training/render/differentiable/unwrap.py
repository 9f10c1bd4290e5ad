"""From vertices to texels: what the head's surface is at each place of its texture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from training.head.raster import rasterize
from training.render.differentiable.surface import Surface


class Unwrap(nn.Module):
    """Values at vertices [B, V, C] -> at texels of the skin [B, C, T, T], first row at v = 1; 0 where there is no skin.

    is_skin  bool [T, T]
    """

    corners: Tensor
    shares: Tensor
    is_skin: Tensor

    def __init__(self, surface: Surface, size_px: int = 256) -> None:
        super().__init__()
        rows = surface.is_skin.nonzero()[:, 0]
        uv = surface.uv[rows].numpy().astype(np.float64)
        pixels = np.stack([uv[..., 0] * size_px - 0.5, (1.0 - uv[..., 1]) * size_px - 0.5], axis=2)
        nearness = surface.outward[surface.triangles[rows]].numpy().astype(np.float64)
        triangle, shares = rasterize(pixels, nearness, (size_px, size_px), wraps=True)
        is_skin = torch.from_numpy(triangle >= 0)
        corners = surface.triangles[rows][torch.from_numpy(triangle).clamp(min=0)]
        self.register_buffer("corners", corners[is_skin], persistent=False)
        self.register_buffer("shares", torch.from_numpy(shares).float()[is_skin], persistent=False)
        self.register_buffer("is_skin", is_skin, persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        at_texels = (values[:, self.corners] * self.shares[:, :, None]).sum(dim=2)
        whole = values.new_zeros(len(values), values.shape[2], *self.is_skin.shape)
        whole[:, :, self.is_skin] = at_texels.mT
        return whole
