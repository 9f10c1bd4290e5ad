"""Light from far away, as nine spherical harmonics a colour (Ramamoorthi & Hanrahan 2001); skin is Lambertian.

The constants are those of the harmonics times those of the cosine lobe over pi, in DECA's order.
"""

from __future__ import annotations

import torch
from torch import Tensor

BANDS = 9
# 1 · nx, ny, nz · nx ny, nx nz, ny nz · nx^2 - ny^2 · 3 nz^2 - 1
CONSTANTS = (0.28209, 1.02333, 1.02333, 1.02333, 0.85809, 0.85809, 0.85809, 0.42904, 0.24771)


def shading(normals: Tensor, light: Tensor) -> Tensor:
    """What falls on surfaces facing along unit `normals` [B, N, 3] in `light` [B, 9, 3]: [B, N, 3], 1 leaves a colour
    as it is. Normals are in the camera's axes: +X right, +Y up, +Z to the viewer.
    """
    x, y, z = normals.unbind(dim=2)
    terms = torch.stack(
        [torch.ones_like(x), x, y, z, x * y, x * z, y * z, x.square() - y.square(), 3.0 * z.square() - 1.0], dim=2
    )
    return (terms * normals.new_tensor(CONSTANTS)) @ light


def even_light(batch: int) -> Tensor:
    """Light [B, 9, 3] that shows every colour as it is, from all sides."""
    light = torch.zeros(batch, BANDS, 3)
    light[:, 0] = 1.0 / CONSTANTS[0]
    return light
