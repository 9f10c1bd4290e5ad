"""`python -m training.run emotion`: a small network learns which emotion a picture of a face shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from models.perceptual.emotion import EmotionNetwork
from training.data.emotion_batches import EmotionBatches, EmotionData, LabelledPictures, labelled_pictures, placed
from training.emotion_checkpoints import begin_at_faces, trained_emotion, trained_emotion_from_coefficients
from training.loop import Batch, Losses, Place
from training.losses.emotion import class_figures, emotion_losses, mood_figures
from training.recipe import Recipe, build

_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class EmotionRecipe(Recipe):
    """data; each store of data.validation is judged by itself, and `score` is of the first

    expression_run   a run of `expression` whose backbone is where this one begins; "" begins at random
    is_frozen        leave the backbone as it is: a third of the time, and enough where faces are drawn
    """

    data: EmotionData
    expression_run: str = ""
    is_frozen: bool = False


class EmotionStudent(nn.Module):
    """The network and its losses."""

    def __init__(self, expression_run: str = "", is_frozen: bool = False) -> None:
        super().__init__()
        self.network, self.is_frozen = EmotionNetwork(), is_frozen
        if expression_run:
            begin_at_faces(self.network, Path(expression_run))
        self.network.backbone.requires_grad_(not is_frozen)

    def train(self, mode: bool = True) -> EmotionStudent:
        super().train(mode)
        self.network.backbone.train(mode and not self.is_frozen)
        return self

    def forward(self, batch: Batch, step: int) -> Losses:
        told = self.network(as_pictures(batch["crop"]))
        return emotion_losses(told, batch["emotion"], batch["valence"], batch["arousal"])


class EmotionTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: EmotionRecipe) -> None:
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        teacher = trained_emotion_from_coefficients(Path(data.teacher_run)) if data.teacher_run else None
        learnt = labelled_pictures(data, data.stores, data.uses, ("train",), teacher)
        self.batches = EmotionBatches(learnt, data, optim.batch, optim.seed, is_validation=False)
        # Whoever is held out of the stores that are learnt from; all of those that are not.
        self._held_out = {
            name: labelled_pictures(
                data,
                [name],
                data.validation_uses,
                ("val",) if name in data.stores else ("train", "val", "test"),
                teacher,
            )
            for name in data.validation or data.stores[:1]
        }
        torch.manual_seed(optim.seed)
        self.student = EmotionStudent(recipe.expression_run, recipe.is_frozen)

    def validate(self, student: nn.Module) -> dict[str, float]:
        """Of each store: accuracy, balanced accuracy and f1; CCC, PCC, RMSE and sign agreement where mood is known."""
        assert isinstance(student, EmotionStudent)
        figures: dict[str, float] = {}
        for name, pictures in self._held_out.items():
            most = self.recipe.data.validation_batches * self.recipe.optim.batch
            found = judged(student.network, pictures, self.recipe.data, most)
            figures |= {f"{name}_{key}": value for key, value in found.items()}
        first = next(iter(self._held_out))
        return {**figures, "score": 1.0 - figures[f"{first}_balanced"]}

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Write the averaged weights as safetensors, which is how EMOCA reads them."""
        path = path or folder / "emotion.safetensors"
        tensors = trained_emotion(folder).state_dict()
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
        return path


def prepare(table: dict[str, Any], place: Place) -> EmotionTask:
    """The task of a recipe's table."""
    return EmotionTask(build(EmotionRecipe, table))


def as_pictures(crops: Tensor) -> Tensor:
    """uint8 [B, S, S, 3] -> float32 [B, 3, S, S] in 0..1."""
    return crops.permute(0, 3, 1, 2).float() / 255.0


def judged(network: nn.Module, pictures: LabelledPictures, data: EmotionData, most: int) -> dict[str, float]:
    """Figures of an `EmotionReader` on up to `most` pictures, evenly taken from all, by their labels (see `placed`)."""
    chosen = torch.linspace(0, len(pictures.rows) - 1, min(most, len(pictures.rows))).round().long().numpy()
    batches = EmotionBatches(pictures, data, _AT_ONCE, 0, is_validation=True)
    rng = batches.rng(0)
    told: list[dict[str, Tensor]] = []
    with torch.no_grad():
        for begin in range(0, len(chosen), _AT_ONCE):
            batch = batches.of(chosen[begin : begin + _AT_ONCE], rng)
            seen = network(as_pictures(batch["crop"]).to(next(iter(network.parameters())).device))
            told.append({name: values.cpu() for name, values in seen.items()})
    truth = placed(pictures.batch(chosen))
    figures = class_figures(torch.cat([row["logits"] for row in told]), truth["emotion"].argmax(dim=1))
    for name in ("valence", "arousal"):
        if all(name in row for row in told):
            figures |= mood_figures(torch.cat([row[name] for row in told]), truth[name], name)
    return figures
