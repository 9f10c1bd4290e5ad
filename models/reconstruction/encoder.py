"""A picture of a face -> its code: DECA's E_c (and, with other outputs, its E_d; EMOCA's expression encoder).

    picture [B, 3, H, W] in 0..1 -> features -> Linear 1024 -> ReLU -> Linear -> code

The seed's features are a ResNet-50's; `Features` are those of our face encoder, which learn on a processor. Nothing
bounds the numbers that come out, but the lids.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.head.crop import CROP_MIDDLE_M, CROP_SIDE_M
from models.reconstruction.code import CODE_SIZE, COLUMNS, WHOLE_SIZE
from models.reconstruction.resnet import ResNet50
from models.video.backbone import Backbone, Stage

HIDDEN_SIZE = 1024
_STEM = 16
# Those of `models.video.face_encoder`, so that its weights are a beginning.
_STAGES = (Stage(32, 2, 2, 0), Stage(48, 3, 2, 3), Stage(96, 3, 2, 3), Stage(128, 2, 1, 3), Stage(192, 2, 2, 3))
_CELLS = 4
# The last layer begins small: a mean face, as the crop expects it, in even light.
_FIRST_SCALE = 0.1
_EVEN_LIGHT = 3.0
_LIDS_OPEN = -2.0
# What one of the last layer is in each part: Adam moves all its outputs alike, and a head that is a radian or a tenth
# of a metre off explains nothing.
_UNITS = {"pose": (0.2,) * 6, "cam": (1.0, 0.02, 0.02), "light": (0.5,) * 27}

NETWORKS = ("backbone", "resnet50")


class Features(nn.Module):
    """Pictures float32 [B, 3, H, W] in 0..1 -> [B, 4 * 4 * 192]: the last map, in so many cells whatever its size.

    Where in the picture a thing is tells the pose; a mean over the whole map, as in a ResNet, learns that slowly. The
    backbone is that of our face encoder and may begin at its weights, as DECA's begins at a face recogniser's.
    """

    feature_size = _CELLS**2 * _STAGES[-1].channels

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(_STEM, _STAGES)

    def forward(self, pictures: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(self.maps(pictures)[-1], _CELLS).flatten(1)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """After each stage; the backbone takes -1..1."""
        return self.backbone(2.0 * pictures - 1.0)


class PictureEncoder(nn.Module):
    """Pictures float32 [B, 3, H, W] in 0..1 -> [B, outputs]. `network` is one of NETWORKS; ValueError for another."""

    def __init__(self, outputs: int, network: str = "backbone") -> None:
        super().__init__()
        if network not in NETWORKS:
            raise ValueError(f"there is no network {network!r}; it is one of {', '.join(NETWORKS)}")
        self.encoder = ResNet50() if network == "resnet50" else Features()
        first, last = nn.Linear(self.encoder.feature_size, HIDDEN_SIZE), nn.Linear(HIDDEN_SIZE, outputs)
        self.layers = nn.Sequential(first, nn.ReLU(), last)
        with torch.no_grad():
            last.weight.mul_(_FIRST_SCALE)
            last.bias.zero_()

    def forward(self, pictures: Tensor) -> Tensor:
        return self.layers(self.encoder(pictures))


class CoarseEncoder(PictureEncoder):
    """Pictures [B, 3, H, W] in 0..1 -> codes [B, 238]: see `models.reconstruction.code`.

    It begins at a mean face in the middle of the crop that `models.head.crop` describes.
    """

    units: Tensor

    def __init__(self, network: str = "backbone") -> None:
        super().__init__(WHOLE_SIZE, network)
        units, rest = torch.ones(WHOLE_SIZE), torch.zeros(WHOLE_SIZE)
        for part, steps in _UNITS.items():
            units[COLUMNS[part]] = torch.tensor(steps)
        rest[COLUMNS["cam"]] = torch.tensor([2.0 / CROP_SIDE_M, -CROP_MIDDLE_M[0], -CROP_MIDDLE_M[1]])
        rest[COLUMNS["light"]][:3] = _EVEN_LIGHT
        rest[CODE_SIZE:] = _LIDS_OPEN
        self.register_buffer("units", units)
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.bias.copy_(rest / units)

    def forward(self, pictures: Tensor) -> Tensor:
        told = self.units * super().forward(pictures)
        code, lids = told.split([CODE_SIZE, WHOLE_SIZE - CODE_SIZE], dim=1)
        return torch.cat([code, torch.sigmoid(lids)], dim=1)
