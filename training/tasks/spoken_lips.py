"""How a told mouth reads: SPECTRE's lip-reading loss (seed-systems 3.3) for whoever tells motion of films in a row."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from training.checkpoints import CheckpointError
from training.data.mouths import RATE_HZ, MouthData
from training.data.spoken_sequences import SpokenSequences
from training.lip_readers import load_lip_reader
from training.loop import Batch
from training.losses.perceptual import lip_reading
from training.recipe import RecipeError
from training.render.mouth_pictures import MouthPictures
from training.tasks.spectre import drawn_mouths


class SpokenLips(nn.Module):
    """Motion [B, T, 53] (sd, rad) of filmed mouths -> 1 - mean cosine of a frozen reader's features, inner pictures.

    One feature is of the film, the other of the open head that does this motion, seen as the film's base says. The
    batch is one of `SpokenSequences`. RecipeError where `reader` is no lip reader (see training.lip_readers).
    """

    def __init__(self, reader: Path) -> None:
        super().__init__()
        try:
            self.reader = load_lip_reader(reader)
        except CheckpointError as error:
            raise RecipeError(str(error)) from error
        self.pictures = MouthPictures()

    def train(self, mode: bool = True) -> SpokenLips:
        super().train(mode)
        self.reader.eval()
        return self

    def forward(self, motion: Tensor, batch: Batch) -> Tensor:
        """See the class; learns `motion` only."""
        with torch.no_grad():
            filmed = self.reader.features(batch["mouths"])
        return lip_reading(filmed, self.reader.features(drawn_mouths(self.pictures, motion, batch)))


class FilmedSpeech(SpokenSequences):
    """`SpokenSequences` with the crops that a face network takes, and step_s [B, T]: seconds between two pictures."""

    def __init__(self, data: MouthData, batch: int, seed: int) -> None:
        super().__init__(data, batch, seed, with_crop=True)

    def __getitem__(self, index: int) -> Batch:
        batch = super().__getitem__(index)
        return batch | {"step_s": torch.full(batch["mouths"].shape[:2], 1.0 / RATE_HZ)}
