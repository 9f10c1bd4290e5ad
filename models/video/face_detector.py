"""Finds faces in a whole picture when none is held: a box and five points for each cell that a face is centred in.

CenterNet's idea (Zhou et al. 2019, "Objects as points") on one map of 32 x 32 cells, which sees both near and far:
coarser maps are added to it from above (Lin et al. 2017, feature pyramids). What its outputs mean, and how faces are
read from them, is `models.head.face_boxes`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.head.face_boxes import DETECTOR_PX, GRID
from models.video.backbone import Backbone, ConvNorm, Stage, normalised

_STEM = 16
_STAGES = (Stage(16, 1, 2, 0), Stage(32, 2, 2, 0), Stage(64, 3, 2), Stage(96, 3, 2))
_WIDTH = 48
_POINTS = 5
# A face is expected in one cell of a thousand, and as a fifth of the picture.
_FIRST_SCORE = -5.0
_USUAL_SIZE = 0.2


class FaceDetector(nn.Module):
    """Pictures uint8 [B, 256, 256, 3] RGB -> `score` [B, 1024] 0..1, `boxes` [B, 1024, 4], `points` [B, 1024, 5, 2]."""

    cells: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(_STEM, _STAGES)
        self.lateral = nn.ModuleList([ConvNorm(stage.channels, _WIDTH, is_active=False) for stage in _STAGES[1:]])
        self.smooth = nn.ModuleList(
            [nn.Sequential(ConvNorm(_WIDTH, _WIDTH, 3, groups=_WIDTH), ConvNorm(_WIDTH, _WIDTH)) for _ in _STAGES[1:]]
        )
        self.out = nn.Conv2d(_WIDTH, 1 + 4 + 2 * _POINTS, 1)
        bias = torch.zeros(self.out.out_channels)
        bias[0] = _FIRST_SCORE
        self.out.bias = nn.Parameter(bias)
        with torch.no_grad():
            self.out.weight.mul_(0.1)
        line = (torch.arange(GRID) + 0.5) / GRID
        self.register_buffer("cells", torch.cartesian_prod(line, line).flip(1), persistent=False)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        if pictures.shape[1:] != (DETECTOR_PX, DETECTOR_PX, 3):
            raise ValueError(
                f"pictures are {tuple(pictures.shape)}; the detector takes [B, {DETECTOR_PX}, {DETECTOR_PX}, 3]"
            )
        maps = self.backbone(normalised(pictures))[1:]
        x = self.smooth[-1](functional.relu(self.lateral[-1](maps[-1])))
        for level in range(len(maps) - 2, -1, -1):
            above = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.smooth[level](functional.relu(self.lateral[level](maps[level]) + above))
        told = self.out(x).flatten(2).transpose(1, 2)
        centre = self.cells + told[:, :, 1:3] / GRID
        size = _USUAL_SIZE * torch.exp(told[:, :, 3:5].clamp(-4.0, 2.0))
        points = told[:, :, 5:].unflatten(2, (_POINTS, 2))
        return {
            "score": torch.sigmoid(told[:, :, 0]),
            "boxes": torch.cat([centre - 0.5 * size, centre + 0.5 * size], dim=2),
            "points": centre[:, :, None] + points * size[:, :, None],
        }
