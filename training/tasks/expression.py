"""`python -m training.run expression`: the encoder learns all that one picture of a face tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.head.flame import open_head
from models.video.face import Face
from models.video.face_encoder import FaceEncoder
from training.data.face_batches import FacePairs
from training.data.face_source import FaceData
from training.loop import Batch, Losses, Place, averaged_weights, part_of
from training.losses.face import FaceLoss, FaceWeights
from training.losses.face_surface import FaceSurface
from training.recipe import Recipe, RecipeError, build
from training.tasks.face_export import export_face
from training.tasks.face_figures import FaceFigures
from training.tasks.voice_data import on_device_of

# What the score counts besides mm of the face: a percent of points' error and a degree of the head's as much as these.
_NME_MM, _ROTATION_MM = 0.1, 0.1


@dataclass(frozen=True, kw_only=True)
class ExpressionRecipe(Recipe):
    """data, weights of the losses

    begin    folder of a run whose averaged weights are begun with, as far as their shapes are those of today's encoder
    close_ups    folder of a run of `close_ups` whose closer look is taken; what it tells is begun with
    frozen   parts of the encoder that stay as they are: what sees closely learns three times as fast without the rest
    """

    data: FaceData
    weights: FaceWeights = field(default_factory=FaceWeights)
    begin: str = ""
    close_ups: str = ""
    frozen: list[str] = field(default_factory=list)


class ExpressionStudent(nn.Module):
    """The encoder and its losses."""

    def __init__(self, weights: FaceWeights, frozen: Sequence[str] = ()) -> None:
        super().__init__()
        self.encoder = FaceEncoder()
        parts = dict(self.encoder.named_children())
        for name in frozen:
            if name not in parts:
                raise RecipeError(f"frozen names {name!r}; the encoder's parts are {', '.join(parts)}")
            parts[name].requires_grad_(False)
        self.frozen = frozen
        self.loss = FaceLoss(FaceSurface(open_head()), weights)

    def train(self, mode: bool = True) -> ExpressionStudent:
        """Frozen parts keep their statistics too."""
        super().train(mode)
        for name in self.frozen:
            self.encoder.get_submodule(name).eval()
        return self

    def forward(self, batch: Batch, step: int) -> Losses:
        return self.loss(self.encoder(batch["crop"]), batch)


class ExpressionTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: ExpressionRecipe) -> None:
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        self.batches = FacePairs(data, optim.batch, optim.seed)
        held_out = FacePairs(data, min(32, optim.batch), 0, is_validation=True)
        self._validation = [held_out[number] for number in range(data.validation_batches)]
        torch.manual_seed(optim.seed)
        self.student = ExpressionStudent(recipe.weights, recipe.frozen)
        if recipe.begin:
            begin_with(self.student.encoder, tensors_of(Path(recipe.begin), "expression", "encoder"))
        if recipe.close_ups:
            tensors = tensors_of(Path(recipe.close_ups), "close_ups", "close_ups")
            self.student.encoder.close_ups.load_state_dict(tensors)
            self.student.encoder.leave_to_close_ups()

    def validate(self, student: nn.Module) -> dict[str, float]:
        """Figures on held-out people, in two crops of each picture."""
        assert isinstance(student, ExpressionStudent)
        figures = FaceFigures(student.loss.surface)
        with torch.no_grad():
            for batch in on_device_of(student, self._validation):
                figures.add(student.encoder(batch["crop"]), batch)
        found = figures.figures()
        return {
            **found,
            "score": found["points_mm"] + _NME_MM * found["nme"] + _ROTATION_MM * found["rotation_deg"],
        }

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Export the averaged weights with a residual of nothing: what a picture tells by itself."""
        face = Face(trained_encoder(folder))
        nn.init.zeros_(face.residual.last.weight)
        nn.init.zeros_(face.residual.last.bias)
        return export_face(face, path or folder / "face.onnx")


def prepare(table: dict[str, Any], place: Place) -> ExpressionTask:
    """The task of a recipe's table."""
    return ExpressionTask(build(ExpressionRecipe, table))


def trained_encoder(folder: Path) -> FaceEncoder:
    """The encoder of a run, with its averaged weights. RecipeError when there is none."""
    encoder = FaceEncoder()
    encoder.load_state_dict(tensors_of(folder, "expression", "encoder"))
    return encoder


def begin_with(encoder: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Take over what has the shape that it has in `encoder`; a part whose shape has changed begins anew. RecipeError
    where nothing has.
    """
    own = encoder.state_dict()
    alike = {name: values for name, values in tensors.items() if name in own and own[name].shape == values.shape}
    if not alike:
        raise RecipeError("begin names a run of which nothing fits today's encoder; name a run of expression, or none")
    encoder.load_state_dict(own | alike)


def tensors_of(folder: Path, recipe: str, part: str) -> dict[str, Tensor]:
    """The averaged weights of a part of a run of `recipe`. RecipeError when there is no such run."""
    try:
        return part_of(averaged_weights(folder), part)
    except FileNotFoundError as error:
        raise RecipeError(f"{error}: run python -m training.run {recipe} first") from error
