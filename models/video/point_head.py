"""Points of the face from a feature map: each point looks at the map with its own attention.

Pooling a map to one vector loses where things were, and a regression from it learns places slowly. Here a point is the
centre of its attention plus an offset that is read from what it attends to: an average over the map of the places and
offsets that the cells vote for, without a heat map that must be decoded.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.head.crop import CROP_MIDDLE_M, CROP_SIDE_M
from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS, LandmarkRig, open_head_landmarks

# The expected error before anything is learnt, and the least one, in crop sides (0.02 is 2.6 of 128 pixels).
_FIRST_SPREAD, _LEAST_SPREAD = 0.02, 0.0005


class PointHead(nn.Module):
    """Map [B, width, H, W] -> points [B, 140, 2] in crop coordinates (0..1, y down) and their spread [B, 140].

    spread   the error that the network expects of each point, crop sides
    """

    cells: Tensor

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        count = len(FACE_POINTS)
        self.attention = nn.Conv2d(width, count, 1)
        self.read = nn.Parameter(torch.randn(count, width, 3) * 0.1 * width**-0.5)
        spread = torch.full((count, 1), math.log(math.expm1(_FIRST_SPREAD)))
        self.bias = nn.Parameter(torch.cat([mean_points() - 0.5, spread], dim=1))
        line = (torch.arange(height) + 0.5) / height
        self.register_buffer("cells", torch.cartesian_prod(line, line).flip(1), persistent=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        shares = torch.softmax(self.attention(features).flatten(2), dim=2)
        seen = shares @ features.flatten(2).transpose(1, 2)
        told = (seen[:, :, None] @ self.read)[:, :, 0] + self.bias
        spread = nn.functional.softplus(told[:, :, 2]) + _LEAST_SPREAD
        return shares @ self.cells + told[:, :, :2], spread


def mean_points() -> Tensor:
    """Where the points of a mean head at rest, seen from the front, are in its crop, [140, 2]."""
    rest = torch.from_numpy(LandmarkRig(open_head(), open_head_landmarks(), FACE_POINTS).at_rest(()))
    x = 0.5 + (rest[:, 0] - CROP_MIDDLE_M[0]) / CROP_SIDE_M
    y = 0.5 - (rest[:, 1] - CROP_MIDDLE_M[1]) / CROP_SIDE_M
    return torch.stack([x, y], dim=1).float()
