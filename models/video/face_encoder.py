"""One picture of a face -> all that can be told of it from that picture alone.

The motion is read from what the whole crop looks like, from where the points are (expression, jaw and lids are small
shifts of lips, brows and lids, which the points know best), and from a closer look at eyes and mouth.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.head.crop import CROP_MIDDLE_M, CROP_SIDE_M
from models.head.landmarks import FACE_POINTS
from models.video.backbone import Backbone, ConvNorm, Stage, in_full_precision, mixed, normalised
from models.video.close_up import TOLD_PARTS, TOLD_SIZES, CloseUps
from models.video.face_pose import POSE_SIZE, pose_of
from models.video.point_head import PointHead, mean_points
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
# What a face is like at rest is the larger part of where its points are, and would drown what it does in the mixing
# layers; what is left is made about as large as the other features.
_MOVED = 4.0
# A mean face: eyes open, looking into the camera, in the middle of its crop.
EYES_OPEN = -2.0
_FORWARD = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class FaceEncoder(nn.Module):
    """Crops uint8 [B, 128, 128, 3] RGB -> outputs by name, float32 [B, ...], in the terms of `models.head.crop`:

    expression [50] sd · jaw [3], gaze [4] rad, within the ranges of `protocol.frame` · eyelids [2] 0..1 ·
    rotation [3, 3] head to the crop's camera · place [3] · shape [100] sd · points [140, 2], points_spread [140] in
    crop coordinates · presence, visibility [4] 0..1 · valence, arousal -1..1 · feature [256], for the residual
    """

    rest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(_STEM, _STAGES)
        fine, coarse, last = (_STAGES[number].channels for number in (_FINE, _COARSE, -1))
        self.from_fine = ConvNorm(fine, _POINTS_WIDTH, is_active=False)
        self.from_coarse = ConvNorm(coarse, _POINTS_WIDTH, is_active=False)
        self.points = PointHead(_POINTS_WIDTH, CROP_PX // 8)
        rest = mean_points()[None]
        self.register_buffer("rest", pose_of(rest).level(rest), persistent=False)
        cells = (CROP_PX // 32) ** 2
        self.whole = nn.Sequential(nn.Flatten(), *mixed(cells * last, FEATURE_SIZE))
        self.close_ups = CloseUps()
        known = FEATURE_SIZE + 2 * len(FACE_POINTS) + POSE_SIZE + self.close_ups.feature_size
        self.mix = nn.Sequential(*mixed(known, FEATURE_SIZE), *mixed(FEATURE_SIZE, FEATURE_SIZE))
        self.heads = nn.Linear(FEATURE_SIZE, sum(HEAD_SIZES.values()))
        to_shape = nn.Linear(_IDENTITY_SIZE, PART_BY_NAME["shape"].size)
        self.identity = nn.Sequential(*mixed(known, _IDENTITY_SIZE), to_shape)
        with torch.no_grad():
            for layer in (self.heads, to_shape):
                layer.weight.mul_(0.1)
                layer.bias.zero_()
            for name, values in (("eyelids", (EYES_OPEN,) * 2), ("rotation", _FORWARD)):
                self.heads.bias[_rows_of(name)] = torch.tensor(values)

    def leave_to_close_ups(self) -> None:
        """Add nothing to what the closer look tells, until more is learnt."""
        with torch.no_grad():
            for name in TOLD_PARTS:
                self.heads.weight[_rows_of(name)] = 0.0
                self.heads.bias[_rows_of(name)] = EYES_OPEN if name == "eyelids" else 0.0

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        pictures = normalised(crops)
        maps = self.backbone(pictures)
        # Eight bits of mantissa, as training may have them, are half a pixel of the crop: an iris looks as far aside.
        with in_full_precision(crops.device):
            return self._told(pictures, [features.float() for features in maps])

    def _told(self, pictures: Tensor, maps: list[Tensor]) -> dict[str, Tensor]:
        coarse = functional.interpolate(self.from_coarse(maps[_COARSE]), scale_factor=2.0, mode="nearest")
        points, spread = self.points(functional.relu(self.from_fine(maps[_FINE]) + coarse))
        points, spread, seen_closely = self.close_ups(pictures, points, spread)
        # The points tell the motion what they know, but a wrong motion does not pull them.
        at = points.detach()
        pose = pose_of(at)
        moved = _MOVED * (pose.level(at) - self.rest)
        known = torch.cat([self.whole(maps[-1]), moved, pose.told(), seen_closely], dim=1)
        feature = self.mix(known)
        told = dict(zip(HEAD_SIZES, self.heads(feature).split(list(HEAD_SIZES.values()), dim=1), strict=True))
        closely = self.close_ups.tell(seen_closely).split(list(TOLD_SIZES), dim=1)
        told |= {name: told[name] + more for name, more in zip(TOLD_PARTS, closely, strict=True)}
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


def _rows_of(name: str) -> slice:
    """Where a part is among the heads' outputs."""
    first = sum(list(HEAD_SIZES.values())[: list(HEAD_SIZES).index(name)])
    return slice(first, first + HEAD_SIZES[name])


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
