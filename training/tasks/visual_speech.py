"""`python -m training.run visual_speech`: a network learns to read visemes from mouths, rendered and real.

What it exports is a safetensors file that says how it is built: the lip-reading loss of `spectre` takes it, and
`training.evaluate.lip_reading` judges with another.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from models.perceptual.visual_speech import VISEMES, ReaderShape, VisualSpeech
from training.data.mouths import MouthData, MouthSequences
from training.data.viseme_groups import edit_distance, said
from training.evaluate.lip_decoding import decoded
from training.lip_readers import EXPORTED, METADATA_KEY
from training.loop import Batch, Losses, Place, averaged_weights, part_of
from training.recipe import Recipe, build
from training.tasks.voice_data import on_device_of

_LEAST_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class VisualSpeechRecipe(Recipe):
    """shape      of the network
    smoothing  share of the label that is spread over all visemes
    balance    0..1: how far rare visemes count more; 1: all visemes alike
    """

    data: MouthData
    shape: ReaderShape = field(default_factory=ReaderShape)
    smoothing: float = 0.1
    balance: float = 0.5


class VisualSpeechStudent(nn.Module):
    """The reader and its loss: cross-entropy of the viseme of each picture."""

    weight: Tensor

    def __init__(self, recipe: VisualSpeechRecipe, shares: Tensor) -> None:
        super().__init__()
        self.reader = VisualSpeech(recipe.shape)
        self.smoothing = recipe.smoothing
        weight = shares.clamp(min=_LEAST_SHARE) ** -recipe.balance
        self.register_buffer("weight", weight / (weight * shares).sum(), persistent=False)

    def forward(self, batch: Batch, step: int) -> Losses:
        logits = self.reader(batch["mouths"]).flatten(0, 1)
        entropy = functional.cross_entropy(
            logits, batch["visemes"].flatten(), self.weight, label_smoothing=self.smoothing
        )
        return {"entropy": entropy, "total": entropy}


class VisualSpeechTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: VisualSpeechRecipe) -> None:
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        self.batches = MouthSequences(data, optim.batch, optim.seed)
        held_out = MouthSequences(data, optim.batch, 0, is_validation=True)
        self._validation = [held_out[number] for number in range(data.validation_batches)]
        torch.manual_seed(optim.seed)
        self.student = VisualSpeechStudent(recipe, self.batches.viseme_shares())

    def validate(self, student: nn.Module) -> dict[str, float]:
        """On held-out clips: share of pictures read rightly, and VER with the pictures' labels as what was said."""
        assert isinstance(student, VisualSpeechStudent)
        right: list[Tensor] = []
        errors = symbols = 0
        with torch.no_grad():
            for batch in on_device_of(student, self._validation):
                scores = torch.log_softmax(student.reader(batch["mouths"]), dim=2)
                right.append((scores.argmax(dim=2) == batch["visemes"]).float().flatten())
                for true, found in zip(batch["visemes"].tolist(), scores.cpu().numpy(), strict=True):
                    errors += edit_distance(said(true), said(decoded(found)))
                    symbols += len(said(true))
        rate = errors / max(symbols, 1)
        return {"accuracy": float(torch.cat(right).mean()), "viseme_error_rate": rate, "score": rate}

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Write the averaged reader as safetensors."""
        path = path or folder / EXPORTED
        weights = part_of(averaged_weights(folder), "reader")
        about = {METADATA_KEY: json.dumps(asdict(self.recipe.shape)), "visemes": " ".join(VISEMES)}
        save_file(weights, path, metadata=about)
        return path


def prepare(table: dict[str, Any], place: Place) -> VisualSpeechTask:
    """The task of a recipe's table."""
    return VisualSpeechTask(build(VisualSpeechRecipe, table))
