"""Where the points of a face are in their crop, and the same points without that."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.head.landmarks import FACE_POINTS

POSE_SIZE = 5
_USUAL_SIZE = 0.22
_RIGHT_EYE, _LEFT_EYE = ([FACE_POINTS.index(landmark) for landmark in pair] for pair in ((33, 133), (362, 263)))


@dataclass(frozen=True, eq=False)
class FacePose:
    """middle [B, 2]: of the points, crop coordinates · size [B, 1]: their rms distance from it, crop sides ·
    across [B, 2]: the unit vector from the right eye to the left."""

    middle: Tensor
    size: Tensor
    across: Tensor

    def level(self, points: Tensor) -> Tensor:
        """Points [B, P, 2] with level eyes, about their middle, in fifths of their size: [B, 2 P], all x first.

        Where a crop lies moves all points together, by far more than a lid or a lip moves its own.
        """
        off = points - self.middle[:, None]
        x, y = self.across[:, :1], self.across[:, 1:]
        turned = torch.cat([off[:, :, 0] * x + off[:, :, 1] * y, off[:, :, 1] * x - off[:, :, 0] * y], dim=1)
        return 5.0 * turned / self.size

    def told(self) -> Tensor:
        """The pose itself [B, 5], each number about as large as the level points."""
        return torch.cat([5.0 * (self.middle - 0.5), torch.log(self.size / _USUAL_SIZE), self.across], dim=1)


def pose_of(points: Tensor) -> FacePose:
    """The pose of points [B, 140, 2] in crop coordinates."""
    middle = points.mean(dim=1)
    size = (points - middle[:, None]).square().sum(dim=2).mean(dim=1, keepdim=True).clamp(min=1e-6).sqrt()
    eyes = points[:, _LEFT_EYE].mean(dim=1) - points[:, _RIGHT_EYE].mean(dim=1)
    return FacePose(middle, size, functional.normalize(eyes, dim=1, eps=1e-6))
