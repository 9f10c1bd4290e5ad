"""A second, closer look at mouth and eyes with their brows, at the place where the first look found them.

A cell of the backbone's finest map is as wide as an iris: where in it the iris is, or how far a lid has come down, it
can tell only with effort. Here each region is cut out of the picture again, level and of a fixed size on the face, so
that what is left to tell is the lid, the iris or the lip itself (after the spatial transformers of Grishchenko et al.
2020, "Attention Mesh"). The left eye is seen in the mirror and shares its weights with the right one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.head.landmarks import FACE_POINTS, MOUTH_ROWS, RIGHT_EYE_POINTS, open_head_landmarks
from models.video.backbone import ConvNorm, mixed
from models.video.face_pose import FacePose, pose_of
from protocol.frame import PART_BY_NAME

_FIRST_SCALE = 0.1
_TOLD = 3
_WIDTH = 256
# What a closer look tells of the motion by itself, in this order.
TOLD_PARTS = ("expression", "jaw", "eyelids", "gaze")
TOLD_SIZES = tuple(PART_BY_NAME[name].size for name in TOLD_PARTS)


@dataclass(frozen=True)
class Region:
    """What a close-up shows and how it is looked at.

    places        rows of FACE_POINTS that it tells anew, once for each place where the region is; a second place is
                  the first one's mirror image, point by point
    across, down  samples of the cut, as far apart down as across
    half_width    of the cut, in sizes of the face
    channels      of its convolutions; each but the last halves the resolution
    feature_size  of what it tells besides the points
    """

    places: tuple[tuple[int, ...], ...]
    across: int
    down: int
    half_width: float
    channels: tuple[int, ...]
    feature_size: int


def _eyes() -> tuple[tuple[int, ...], tuple[int, ...]]:
    mirror = open_head_landmarks().mirror
    left = tuple(int(mirror[landmark]) for landmark in RIGHT_EYE_POINTS)
    return tuple(map(FACE_POINTS.index, RIGHT_EYE_POINTS)), tuple(map(FACE_POINTS.index, left))


# A sample is 1.7 mm wide at the eyes, 2.1 mm at the mouth; a pixel of the crop 1.9 mm. What is around the mouth, from
# nose to chin and from cheek to cheek, says whether it or the jaw is drawn aside, and whether a cheek is full.
_EYES = Region(_eyes(), 32, 32, 0.5, (16, 32, 64, 96), 96)
_MOUTH = Region((tuple(range(len(FACE_POINTS))[MOUTH_ROWS]),), 56, 52, 1.1, (16, 32, 64, 96, 128), 160)


class CloseUps(nn.Module):
    """Pictures [B, 3, S, S] and first points [B, 140, 2] with their spread [B, 140] -> the same, told better where
    there is a close-up, and what was seen there [B, feature_size].

    Where it looks is not learnt from what it sees: no gradient reaches the first points through the cut.

    tell   what was seen -> TOLD_PARTS [B, 59], before they are bounded
    """

    order: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.eyes, self.mouth = CloseUp(_EYES), CloseUp(_MOUTH)
        regions = (_EYES, _MOUTH)
        # What is seen begins with the eyes, the right one first.
        self.eyes_size, mouth_size = (len(region.places) * region.feature_size for region in regions)
        self.feature_size = self.eyes_size + mouth_size
        last = nn.Linear(_WIDTH, sum(TOLD_SIZES))
        self.tell = nn.Sequential(*mixed(self.feature_size, _WIDTH), last)
        with torch.no_grad():
            last.weight.mul_(_FIRST_SCALE)
            last.bias.zero_()
        told = [row for region in regions for place in region.places for row in place]
        # Rows that no close-up tells take the zeros after all that are told.
        order = torch.full((len(FACE_POINTS),), len(told))
        order[told] = torch.arange(len(told))
        self.register_buffer("order", order, persistent=False)

    def forward(self, pictures: Tensor, points: Tensor, spread: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        at = points.detach()
        pose = pose_of(at)
        looks = [look(pictures, at, pose) for look in (self.eyes, self.mouth)]
        nothing = points.new_zeros(len(points), 1, _TOLD)
        moved = torch.cat([*(told for told, _ in looks), nothing], dim=1)[:, self.order]
        spread = spread * torch.exp(moved[:, :, 2].clamp(-3.0, 3.0))
        return points + moved[:, :, :2], spread, torch.cat([seen for _, seen in looks], dim=1)


class CloseUp(nn.Module):
    """One region -> how its points move [B, places * P, 3] (crop sides, and the logarithm of the spread's change) and
    what was seen [B, places * feature_size]."""

    grid: Tensor
    sides: Tensor

    def __init__(self, region: Region) -> None:
        super().__init__()
        self.region = region
        layers: list[nn.Module] = []
        inputs = 3
        for number, channels in enumerate(region.channels):
            layers.append(ConvNorm(inputs, channels, 3, 1 if number == len(region.channels) - 1 else 2))
            inputs = channels
        halvings = len(region.channels) - 1
        cells = -(-region.across // 2**halvings) * -(-region.down // 2**halvings)
        self.look = nn.Sequential(*layers, nn.Flatten(), *mixed(cells * inputs, region.feature_size))
        self.move = nn.Linear(region.feature_size, _TOLD * len(region.places[0]))
        with torch.no_grad():
            self.move.weight.mul_(_FIRST_SCALE)
            self.move.bias.zero_()
        self.register_buffer("grid", _grid(region.across, region.down), persistent=False)
        self.register_buffer("sides", torch.tensor([1.0, -1.0])[: len(region.places)], persistent=False)

    def forward(self, pictures: Tensor, points: Tensor, pose: FacePose) -> tuple[Tensor, Tensor]:
        region, places = self.region, len(self.region.places)
        middles = torch.stack([points[:, list(rows)].mean(dim=1) for rows in region.places], dim=1)
        half = region.half_width * pose.size
        # [B, places, 2, 2]: a cut's axes, half its width long, in crop coordinates; a mirror turns the first of them.
        right = (half * pose.across)[:, None] * self.sides[:, None]
        down = half * torch.stack([-pose.across[:, 1], pose.across[:, 0]], dim=1)
        axes = torch.stack([right, down[:, None].expand(-1, places, -1)], dim=2)
        at = middles[:, :, None] + self.grid @ axes
        # What is outside of the picture looks like its edge.
        cuts = functional.grid_sample(
            pictures, 2.0 * at.flatten(1, 2)[:, None] - 1.0, padding_mode="border", align_corners=False
        )
        cuts = cuts.reshape(len(pictures), 3, places, region.down, region.across).transpose(1, 2).flatten(0, 1)
        seen = self.look(cuts)
        told = self.move(seen).reshape(len(pictures), places, -1, _TOLD)
        moves = torch.cat([told[:, :, :, :2] @ axes, told[:, :, :, 2:]], dim=3)
        return moves.flatten(1, 2), seen.reshape(len(pictures), -1)


def _grid(across: int, down: int) -> Tensor:
    """Places of the samples [down * across, 2] in a cut's own axes, row by row: -1..1 across."""
    x = (torch.arange(across) + 0.5) / across * 2.0 - 1.0
    y = ((torch.arange(down) + 0.5) / down * 2.0 - 1.0) * (down / across)
    return torch.cartesian_prod(y, x).flip(1)
