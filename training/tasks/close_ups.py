"""`python -m training.run close_ups`: the closer look by itself, where a first look might have found the face.

What is cut out is level and of one size, so that all there is to learn is what eyes, brows and mouth do; and it is
a small part of the picture seen by small networks, which learn from five times as many pictures in the time that the
whole encoder takes. `expression` takes it over (`close_ups`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.head.flame import open_head
from models.head.landmarks import MOUTH_ROWS
from models.video.backbone import normalised
from models.video.close_up import TOLD_PARTS, TOLD_SIZES, CloseUps
from models.video.face_encoder import EYES_OPEN
from protocol.frame import PART_BY_NAME
from training.data.face_batches import FacePairs
from training.data.face_source import FaceData
from training.loop import Batch, Losses, Place
from training.losses.face import FaceLoss, FaceWeights
from training.losses.face_surface import FaceSurface
from training.losses.motion import weighted_mean
from training.recipe import Recipe, RecipeError, build
from training.tasks.expression import begin_with, tensors_of
from training.tasks.voice_data import on_device_of


@dataclass(frozen=True)
class FirstLook:
    """How far a first look is off: standard deviations.

    shift   of all points, and as much again of the mouth, crop sides
    size    logarithm of the size
    roll_rad   about the middle
    """

    shift: float = 0.012
    size: float = 0.05
    roll_rad: float = 0.04

    def at(self, points: Tensor) -> Tensor:
        """Points [B, 140, 2] as a first look may tell them."""
        batch = len(points)

        def drawn(*size: int) -> Tensor:
            return torch.randn(*size, device=points.device)

        middle = points.mean(dim=1, keepdim=True)
        scale = torch.exp(self.size * drawn(batch, 1, 1))
        angle = self.roll_rad * drawn(batch)
        cos, sin = torch.cos(angle), torch.sin(angle)
        turn = torch.stack([cos, sin, -sin, cos], dim=1).reshape(-1, 2, 2)
        at = middle + scale * (points - middle) @ turn + self.shift * drawn(batch, 1, 2)
        at[:, MOUTH_ROWS] += self.shift * drawn(batch, 1, 2)
        return at


@dataclass(frozen=True, kw_only=True)
class CloseUpsRecipe(Recipe):
    """data, weights of the losses, and how far the first look is off

    begin    folder of a run whose averaged weights are begun with, as far as their shapes are those of today's
    """

    data: FaceData
    weights: FaceWeights = field(default_factory=FaceWeights)
    first: FirstLook = field(default_factory=FirstLook)
    begin: str = ""


class CloseUpsStudent(nn.Module):
    """The closer look and the losses of what it tells."""

    def __init__(self, weights: FaceWeights, first: FirstLook) -> None:
        super().__init__()
        self.close_ups = CloseUps()
        self.loss = FaceLoss(FaceSurface(open_head()), weights)
        self.first = first

    def told(self, batch: Batch) -> dict[str, Tensor]:
        """Expression, jaw, eyelids, gaze, points and their spread of a batch of `FacePairs`."""
        points = torch.nan_to_num(batch["points"], nan=0.5)
        at = self.first.at(points)
        at, spread, seen = self.close_ups(normalised(batch["crop"]), at, torch.full_like(at[:, :, 0], 0.01))
        told = dict(zip(TOLD_PARTS, self.close_ups.tell(seen).split(list(TOLD_SIZES), dim=1), strict=True))
        return {
            "expression": told["expression"],
            "jaw": PART_BY_NAME["jaw"].maximum * torch.tanh(told["jaw"]),
            "eyelids": torch.sigmoid(told["eyelids"] + EYES_OPEN),
            "gaze": PART_BY_NAME["gaze"].maximum * torch.tanh(told["gaze"]),
            "points": at,
            "points_spread": spread,
        }

    def forward(self, batch: Batch, step: int) -> Losses:
        return self.loss.closely(self.told(batch), batch)


class CloseUpsTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: CloseUpsRecipe) -> None:
        if recipe.data.nobody:
            raise RecipeError(f"data.nobody is {recipe.data.nobody}; there is no closer look at nobody, take 0")
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        self.batches = FacePairs(data, optim.batch, optim.seed)
        held_out = FacePairs(data, min(64, optim.batch), 0, is_validation=True)
        self._validation = [held_out[number] for number in range(data.validation_batches)]
        torch.manual_seed(optim.seed)
        self.student = CloseUpsStudent(recipe.weights, recipe.first)
        if recipe.begin:
            begin_with(self.student.close_ups, tensors_of(Path(recipe.begin), "close_ups", "close_ups"))

    def validate(self, student: nn.Module) -> dict[str, float]:
        """On held-out people: squared error of the expression over its mean square; points' error, crop sides."""
        assert isinstance(student, CloseUpsStudent)
        kept: dict[str, list[Tensor]] = {"error": [], "size": [], "points": []}
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)  # the same first looks, whoever judges
            for batch in on_device_of(student, self._validation):
                told = student.told(batch)
                sure = torch.isfinite(batch["expression"]).all(dim=1).float() * batch["belief"]
                truth = torch.nan_to_num(batch["expression"])
                kept["error"].append(weighted_mean((told["expression"] - truth).square().mean(dim=1), sure))
                kept["size"].append(weighted_mean(truth.square().mean(dim=1), sure))
                kept["points"].append(student.loss.closely(told, batch)["points"] / self.recipe.weights.points)
        error, size, points = (float(torch.stack(values).mean()) for values in kept.values())
        return {"expression": error / size, "points": points, "score": error / size}

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Nothing to export: `expression` reads the checkpoint."""
        return folder / "last.safetensors"


def prepare(table: dict[str, Any], place: Place) -> CloseUpsTask:
    """The task of a recipe's table."""
    return CloseUpsTask(build(CloseUpsRecipe, table))
