"""Losses of the face detector: where faces are, and what their boxes and points are there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.head.face_boxes import GRID
from training.loop import Batch, Losses
from training.losses.motion import weighted_mean

# A face's centre is a hill this wide (share of its size, and cells at least), and boxes are learnt above this height.
_HILL, _LEAST_HILL_CELLS = 0.1, 0.5
_NEAR = 0.4
_FOCUS, _LENIENCE = 2.0, 4.0
_FLOOR = 1e-4


@dataclass(frozen=True)
class DetectionWeights:
    """How much each part counts: score a focal cross-entropy; box and points errors over the face's size."""

    score: float = 1.0
    box: float = 2.0
    points: float = 2.0


class DetectionLoss(nn.Module):
    """`forward(told, batch)`: the losses by name, of a `FaceDetector`'s outputs and a batch of `DetectorScenes`."""

    cells: Tensor

    def __init__(self, weights: DetectionWeights) -> None:
        super().__init__()
        self.weights = weights
        line = (torch.arange(GRID) + 0.5) / GRID
        self.register_buffer("cells", torch.cartesian_prod(line, line).flip(1), persistent=False)

    def forward(self, told: dict[str, Tensor], batch: Batch) -> Losses:
        with torch.autocast(batch["picture"].device.type, enabled=False):
            told = {name: values.float() for name, values in told.items()}
            hill, owner = self.hills(batch["boxes"])
            height, _ = hill.max(dim=1)
            rows = torch.arange(len(owner), device=owner.device)[:, None]
            boxes = torch.nan_to_num(batch["boxes"])[rows, owner]
            points = torch.nan_to_num(batch["points"])[rows, owner]
            near = height * (height > _NEAR)
            size = (boxes[:, :, 2:] - boxes[:, :, :2]).clamp(min=0.01)
            box = ((told["boxes"] - boxes) / size.repeat(1, 1, 2)).abs().mean(dim=2)
            points_error = ((told["points"] - points) / size[:, :, None]).abs().mean(dim=(2, 3))
            losses = {
                "score": self.weights.score * _focal(told["score"], height),
                "box": self.weights.box * weighted_mean(box, near),
                "points": self.weights.points * weighted_mean(points_error, near),
            }
            return {**losses, "total": torch.stack(list(losses.values())).sum()}

    def hills(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes [B, F, 4] -> a hill of each face over the cells [B, F, N], 1 at its centre's cell, and whose each cell
        is [B, N].
        """
        is_there = torch.isfinite(boxes).all(dim=2)
        boxes = torch.nan_to_num(boxes)
        centre, size = 0.5 * (boxes[:, :, :2] + boxes[:, :, 2:]), boxes[:, :, 2:] - boxes[:, :, :2]
        width = (_HILL * size).clamp(min=_LEAST_HILL_CELLS / GRID)
        off = (self.cells - centre[:, :, None]) / width[:, :, None]
        squared = off.square().sum(dim=3)
        hill = torch.exp(-0.5 * (squared - squared.min(dim=2, keepdim=True).values)) * is_there[:, :, None]
        return hill, hill.argmax(dim=1)


def _focal(score: Tensor, height: Tensor) -> Tensor:
    """CenterNet's: cross-entropy that forgets what is known already, lenient near a face, a face's worth each."""
    score = score.clamp(_FLOOR, 1.0 - _FLOOR)
    is_centre = height >= 1.0
    found = -((1.0 - score) ** _FOCUS) * torch.log(score)
    invented = -((1.0 - height) ** _LENIENCE) * score**_FOCUS * torch.log(1.0 - score)
    return torch.where(is_centre, found, invented).sum() / is_centre.sum().clamp(min=1)
