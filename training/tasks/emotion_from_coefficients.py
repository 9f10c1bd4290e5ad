"""`python -m training.run emotion_from_coefficients`: a perceptron learns which emotion a face's coefficients show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.perceptual.emotion_from_coefficients import EmotionFromCoefficients
from training.data.emotion_batches import EmotionData, labelled_pictures, placed
from training.data.emotion_coefficients import CoefficientData, EmotionCoefficients
from training.emotion_checkpoints import trained_emotion_from_coefficients
from training.emotion_export import export_emotion
from training.loop import Batch, Losses, Place
from training.losses.emotion import class_figures, emotion_losses, mood_figures
from training.recipe import Recipe, build

_PARTS = ("shape", "expression", "jaw")


@dataclass(frozen=True, kw_only=True)
class CoefficientsRecipe(Recipe):
    """data; width, layers of the perceptron (EMOCA's has 2048 and 4, what ships less); dropout between them"""

    data: CoefficientData
    width: int = 2048
    layers: int = 4
    dropout: float = 0.0


class CoefficientsStudent(nn.Module):
    """The perceptron and its losses."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.network = EmotionFromCoefficients(width, layers, dropout=dropout)

    def forward(self, batch: Batch, step: int) -> Losses:
        told = self.network(*(batch[name] for name in _PARTS))
        return emotion_losses(told, batch["emotion"], batch["valence"], batch["arousal"])


class CoefficientsTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: CoefficientsRecipe) -> None:
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        self.batches = EmotionCoefficients(data, optim.batch, optim.seed)
        acted = EmotionCoefficients(data, optim.batch, 0, split="val")
        self._held_out = {"acted": _joined([acted[number] for number in range(data.validation_batches)])}
        if data.labelled:
            self._held_out["labelled"] = labelled_coefficients(data.folder, data.labelled)
        torch.manual_seed(optim.seed)
        self.student = CoefficientsStudent(recipe.width, recipe.layers, recipe.dropout)

    def validate(self, student: nn.Module) -> dict[str, float]:
        """Figures of acted faces, and of photographs that people labelled."""
        assert isinstance(student, CoefficientsStudent)
        figures: dict[str, float] = {}
        for kind, batch in self._held_out.items():
            found = judged_coefficients(student.network, batch)
            figures |= {f"{kind}_{name}": value for name, value in found.items()}
        return {**figures, "score": 1.0 - figures["acted_valence_ccc"]}

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Export the averaged weights."""
        return export_emotion(trained_emotion_from_coefficients(folder), path or folder / "emotion.onnx")


def prepare(table: dict[str, Any], place: Place) -> CoefficientsTask:
    """The task of a recipe's table."""
    return CoefficientsTask(build(CoefficientsRecipe, table))


def judged_coefficients(network: EmotionFromCoefficients, batch: Batch) -> dict[str, float]:
    """Figures of faces with labels; of valence and arousal where they are known."""
    device = network.head.weight.device
    with torch.no_grad():
        told = {name: values.cpu() for name, values in network(*(batch[part].to(device) for part in _PARTS)).items()}
    figures = class_figures(told["logits"], batch["emotion"].argmax(dim=1))
    for name in ("valence", "arousal"):
        figures |= mood_figures(told[name], batch[name], name)
    return figures


def labelled_coefficients(folder: str, store: str) -> Batch:
    """Every photograph of a store with labels whose face was solved; see `LabelledPictures.coefficients`.

    Where nobody judged valence and arousal, they are those of the label's word (see `placed`).
    """
    data = EmotionData(folder, [store])
    pictures = labelled_pictures(data, [store], data.validation_uses, ("train", "val", "test"))
    rows = torch.arange(len(pictures.rows)).numpy()
    told = pictures.coefficients(rows) | pictures.batch(rows)
    known = torch.isfinite(torch.cat([told[name] for name in _PARTS], dim=1)).all(dim=1)
    return {name: values[known] for name, values in placed(told).items()}


def _joined(batches: list[Batch]) -> dict[str, Tensor]:
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
