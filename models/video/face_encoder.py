"""One picture of a face -> all that can be told of it from that picture alone.

The motion is read from what the whole crop looks like and from where the points are: expression, jaw and lids are small
shifts of lips, brows and lids, which the points know best.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.head.crop import CROP_MIDDLE_M, CROP_SIDE_M
from models.head.landmarks import FACE_POINTS
from models.video.backbone import Backbone, ConvNorm, Stage
from models.video.point_head import PointHead
from protocol.frame import PART_BY_NAME, REGIONS

CROP_PX = 128
FEATURE_SIZE = 256
_IDENTITY_SIZE = 128
_STEM = 16
_STAGES = (
    Stage(32, 2, 2, 0),
    Stage(48, 3, 2, 3),  # 16 x 16 cells: the points' fine map
    Stage(96, 3, 2, 3),
    Stage(128, 2, 1, 3),  # 8 x 8: their coarse map
    Stage(192, 2, 2, 3),  # 4 x 4: what the whole looks like
)
_FINE, _COARSE = 1, 3
_POINTS_WIDTH = 64
_FRAME_SIZE = 5
_RIGHT_EYE, _LEFT_EYE = ([FACE_POINTS.index(landmark) for landmark in pair] for pair in ((33, 133), (362, 263)))
# name: size, of what is a linear reading of the features before it is bounded.
HEAD_SIZES = {
    "expression": PART_BY_NAME["expression"].size,
    "jaw": PART_BY_NAME["jaw"].size,
    "eyelids": PART_BY_NAME["eyelids"].size,
    "gaze": PART_BY_NAME["gaze"].size,
    "rotation": 6,
    "place": 3,
    "presence": 1,
    "visibility": len(REGIONS),
    "valence": 1,
    "arousal": 1,
}
# A mean face: eyes open, looking into the camera, in the middle of its crop.
_EYES_OPEN = -2.0
_FORWARD = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class FaceEncoder(nn.Module):
    """Crops uint8 [B, 128, 128, 3] RGB -> outputs by name, float32 [B, ...], in the terms of `models.head.crop`:

    expression [50] sd · jaw [3], gaze [4] rad, within the ranges of `protocol.frame` · eyelids [2] 0..1 ·
    rotation [3, 3] head to the crop's camera · place [3] · shape [100] sd · points [140, 2], points_spread [140] in
    crop coordinates · presence, visibility [4] 0..1 · valence, arousal -1..1 · feature [256], for the residual
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(_STEM, _STAGES)
        fine, coarse, last = (_STAGES[number].channels for number in (_FINE, _COARSE, -1))
        self.from_fine = ConvNorm(fine, _POINTS_WIDTH, is_active=False)
        self.from_coarse = ConvNorm(coarse, _POINTS_WIDTH, is_active=False)
        self.points = PointHead(_POINTS_WIDTH, CROP_PX // 8)
        cells = (CROP_PX // 32) ** 2
        self.whole = nn.Sequential(nn.Flatten(), *_mixed(cells * last, FEATURE_SIZE))
        known = FEATURE_SIZE + 2 * len(FACE_POINTS) + _FRAME_SIZE
        self.mix = nn.Sequential(*_mixed(known, FEATURE_SIZE), *_mixed(FEATURE_SIZE, FEATURE_SIZE))
        self.heads = nn.Linear(FEATURE_SIZE, sum(HEAD_SIZES.values()))
        to_shape = nn.Linear(_IDENTITY_SIZE, PART_BY_NAME["shape"].size)
        self.identity = nn.Sequential(*_mixed(known, _IDENTITY_SIZE), to_shape)
        with torch.no_grad():
            for layer in (self.heads, to_shape):
                layer.weight.mul_(0.1)
                layer.bias.zero_()
            for name, values in (("eyelids", (_EYES_OPEN,) * 2), ("rotation", _FORWARD)):
                begin = list(HEAD_SIZES).index(name)
                first = sum(list(HEAD_SIZES.values())[:begin])
                self.heads.bias[first : first + len(values)] = torch.tensor(values)

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        maps = self.backbone(crops)
        coarse = functional.interpolate(self.from_coarse(maps[_COARSE]), scale_factor=2.0, mode="nearest")
        points, spread = self.points(functional.relu(self.from_fine(maps[_FINE]) + coarse))
        # The points tell the motion what they know, but a wrong motion does not pull them.
        known = torch.cat([self.whole(maps[-1]), *aligned(points.detach())], dim=1)
        feature = self.mix(known)
        told = dict(zip(HEAD_SIZES, self.heads(feature).split(list(HEAD_SIZES.values()), dim=1), strict=True))
        return {
            "expression": told["expression"],
            "jaw": PART_BY_NAME["jaw"].maximum * torch.tanh(told["jaw"]),
            "eyelids": torch.sigmoid(told["eyelids"]),
            "gaze": PART_BY_NAME["gaze"].maximum * torch.tanh(told["gaze"]),
            "rotation": rotation_of(told["rotation"]),
            "place": place_of(told["place"]),
            "shape": self.identity(known),
            "points": points,
            "points_spread": spread,
            "presence": torch.sigmoid(told["presence"][:, 0]),
            "visibility": torch.sigmoid(told["visibility"]),
            "valence": torch.tanh(told["valence"][:, 0]),
            "arousal": torch.tanh(told["arousal"][:, 0]),
            "feature": feature,
        }


def aligned(points: Tensor) -> tuple[Tensor, Tensor]:
    """Points [B, 140, 2] with level eyes, about their middle, in fifths of their size [B, 280]; and that frame [B, 5].

    Where a crop lies moves all points together, by far more than a lid or a lip moves its own.
    """
    middle = points.mean(dim=1, keepdim=True)
    off = points - middle
    size = off.square().sum(dim=2).mean(dim=1).clamp(min=1e-6).sqrt()
    across = functional.normalize(off[:, _LEFT_EYE].mean(dim=1) - off[:, _RIGHT_EYE].mean(dim=1), dim=1, eps=1e-6)
    x, y = across[:, :1], across[:, 1:]
    level = torch.cat([off[:, :, 0] * x + off[:, :, 1] * y, off[:, :, 1] * x - off[:, :, 0] * y], dim=1)
    frame = torch.cat([5.0 * (middle[:, 0] - 0.5), torch.log(size)[:, None], across], dim=1)
    return 5.0 * level / size[:, None], frame


def _mixed(inputs: int, outputs: int) -> nn.Sequential:
    """Every input in every output. Normalised picture by picture: those that show nobody come out ten times as large,
    and would, in a BatchNorm, leave next to nothing of the others.
    """
    return nn.Sequential(nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.ReLU())


def rotation_of(six: Tensor) -> Tensor:
    """Rotation matrices [B, 3, 3] whose first two columns are those of `six` [B, 6], made orthonormal.

    Zhou et al. 2019, "On the continuity of rotation representations in neural networks", equation 15.
    """
    first = functional.normalize(six[:, :3], dim=1, eps=1e-6)
    second = six[:, 3:] - (first * six[:, 3:]).sum(dim=1, keepdim=True) * first
    second = functional.normalize(second, dim=1, eps=1e-6)
    return torch.stack([first, second, torch.linalg.cross(first, second, dim=1)], dim=2)


def place_of(told: Tensor) -> Tensor:
    """`HeadInCrop.place` [B, 3] of three numbers that are zero for a head exactly where its crop expects it."""
    x = 0.5 + told[:, 0] - CROP_MIDDLE_M[0] / CROP_SIDE_M
    y = 0.5 + told[:, 1] + CROP_MIDDLE_M[1] / CROP_SIDE_M
    scale = torch.exp(told[:, 2].clamp(-2.0, 2.0) - math.log(CROP_SIDE_M))
    return torch.stack([x, y, scale], dim=1)
