"""`python -m training.run temporal`: the residual learns what the pictures around one say.

The encoder stays as it is. With a lip reader it also learns how the mouths of filmed speech read, as SPECTRE does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn
from torch.utils.data import Dataset

from models.head.flame import open_head
from models.video.face import Face
from models.video.face_encoder import FaceEncoder
from models.video.temporal import FEATURE_SIZE, LONGEST_LOOKAHEAD, TemporalResidual
from training.data.face_batches import FaceSequences
from training.data.face_source import FaceData
from training.data.mouths import MouthData
from training.loop import Batch, Losses, Place, averaged_weights, part_of
from training.losses.face_surface import FaceSurface
from training.losses.motion import MotionLoss, MotionWeights, weighted_mean
from training.recipe import Recipe, build
from training.tasks.expression import tensors_of, trained_encoder
from training.tasks.face_export import export_face
from training.tasks.spoken_lips import FilmedSpeech, SpokenLips
from training.tasks.voice_data import on_device_of

# Where the true points move less than this from picture to picture, the face is still.
_STILL_MM = 0.03
# How the tensors of filmed speech are named in a batch.
_SPOKEN = "spoken"


@dataclass(frozen=True)
class TemporalWeights:
    """motion   of the moved motion against its truth (see MotionWeights; stillness where the true face is still)
    residual  mean square of the residual, sd^2 and rad^2: it adds only what it knows
    lips      of what a lip reader finds between the filmed mouths and those of the told motion (see SpokenLips)
    """

    motion: MotionWeights = field(default_factory=lambda: MotionWeights(coefficients=0.2))
    residual: float = 0.05
    lips: float = 2.0


@dataclass(frozen=True, kw_only=True)
class TemporalRecipe(Recipe):
    """expression_run   folder of a finished run of `expression`
    sequences        that are drawn; the encoder looks at them once, and the residual learns from what it told
    share            of what was learnt that is exported: with half of it, faces of which there is only one picture lose
                     next to nothing, and films keep all of the gain
    begin            a run of `temporal` whose residual is gone on with, by the statistics that it has; "" begins anew
    reader           file of a lip reader (see training.lip_readers); "" leaves the lip-reading loss out
    speech           filmed speech for it; `spoken` sequences a batch
    """

    expression_run: str
    sequences: int = 4000
    share: float = 0.5
    begin: str = ""
    reader: str = ""
    spoken: int = 3
    data: FaceData
    speech: MouthData
    weights: TemporalWeights = field(default_factory=TemporalWeights)


class TemporalStudent(nn.Module):
    """The residual and its losses, over an encoder that no longer changes."""

    def __init__(self, encoder: FaceEncoder, weights: TemporalWeights, begin: str = "", reader: str = "") -> None:
        super().__init__()
        self.encoder = encoder.eval().requires_grad_(False)
        self.residual = TemporalResidual()
        self.has_begun = bool(begin)
        if begin:
            self.residual.load_state_dict(tensors_of(Path(begin), "temporal", "residual"))
        self.weights = weights
        self.lips = SpokenLips(Path(reader)) if reader and weights.lips > 0.0 else None
        self.loss = MotionLoss(FaceSurface(open_head()), torch.ones(53), weights.motion)

    def train(self, mode: bool = True) -> TemporalStudent:
        super().train(mode)
        self.encoder.eval()
        if self.has_begun:
            # By the statistics of a few spoken sequences mouths drift (docs/seeds/spectre.md, "Why mouths drifted").
            self.residual.norm.eval()
        return self

    def rows(self, batch: Batch) -> Tensor:
        """The residual's signal [B, T, 310] of a batch of `FaceSequences`."""
        return rows_of(self.encoder, batch)

    def moved(self, rows: Tensor, lookahead: Tensor, strength: float = 1.0) -> Tensor:
        """Motion [B, T, 53] of the picture `lookahead` [B] pictures before each."""
        state = {
            name: torch.zeros(len(rows), *item.shape, device=rows.device)
            for name, item in self.residual.state_schema.items()
        }
        state["knob_lookahead"] = lookahead.to(rows.dtype)
        state["knob_residual"] = state["knob_residual"] + (strength - 1.0)
        outputs, _ = self.residual(rows, state)
        return torch.cat([outputs["expression"], outputs["jaw"]], dim=2)

    def forward(self, batch: Batch, step: int) -> Losses:
        rows, lookahead = batch["rows"], batch["lookahead"]
        motion = self.moved(rows, lookahead)
        truth, weight = truth_before(batch, lookahead)
        losses, _ = self.loss(motion, truth, weight, self.stillness(truth))
        alone = told_before(rows[:, :, FEATURE_SIZE:-1], lookahead)
        seen = (torch.arange(rows.shape[1], device=rows.device) >= lookahead[:, None]).float()
        losses["residual"] = self.weights.residual * weighted_mean((motion - alone).square().mean(dim=2), seen)
        if self.lips is not None:
            losses["lips"] = self.weights.lips * self.lip_reading(part_of(batch, _SPOKEN), int(lookahead[0]))
        return {**losses, "total": torch.stack(list(losses.values())).sum()}

    def lip_reading(self, spoken: Batch, lookahead: int) -> Tensor:
        """How unlike `FilmedSpeech` the mouths read that are told of it `lookahead` pictures later (see SpokenLips)."""
        assert self.lips is not None
        rows = self.rows(spoken)
        motion = self.moved(rows, torch.full((len(rows),), lookahead, device=rows.device))[:, lookahead:]
        return self.lips(motion, {name: values[:, : motion.shape[1]] for name, values in spoken.items()})

    def stillness(self, truth: Tensor) -> Tensor:
        """[B, T]: 1 where the true face [B, T, 53] is still since the picture before."""
        points = self.loss.surface(truth.float())
        moved = points.diff(dim=1).norm(dim=3).mean(dim=2)
        return torch.cat([torch.zeros_like(moved[:, :1]), (moved < _STILL_MM).float()], dim=1)


class ToldSequences(Dataset[Batch]):
    """`count` sequences as the encoder told them, in random batches: item `step` is the batch of that step.

    rows [B, T, 310] (see `TemporalResidual`), expression, jaw, belief [B, T, ...], lookahead [B]; where there is
    `speech`, its tensors too, named spoken.*
    """

    def __init__(
        self, encoder: FaceEncoder, drawn: FaceSequences, count: int, speech: FilmedSpeech | None = None
    ) -> None:
        told: dict[str, list[Tensor]] = {}
        for number in track(range(-(-count // drawn.batch)), "what the encoder tells"):
            batch = drawn[number]
            for name, values in {**batch, "rows": rows_of(encoder, batch)}.items():
                if name in ("rows", "expression", "jaw", "belief"):
                    told.setdefault(name, []).append(values.cpu())
        self.told = {name: torch.cat(values) for name, values in told.items()}
        self.batch, self.seed, self.speech = drawn.batch, drawn.seed, speech

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng([self.seed, index, 0, 1])  # others than those of the drawn pictures
        chosen = torch.from_numpy(rng.integers(0, len(self.told["rows"]), self.batch))
        batch = {name: values[chosen] for name, values in self.told.items()}
        batch["lookahead"] = torch.from_numpy(rng.integers(0, LONGEST_LOOKAHEAD + 1, self.batch))
        if self.speech is not None:
            batch |= {f"{_SPOKEN}.{name}": values for name, values in self.speech[index].items()}
        return batch


class TemporalTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: TemporalRecipe, place: Place) -> None:
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        held_out = FaceSequences(data, min(8, optim.batch), 0, is_validation=True)
        self._validation = [held_out[number] for number in range(data.validation_batches)]
        torch.manual_seed(optim.seed)
        encoder = trained_encoder(Path(recipe.expression_run))
        self.student = TemporalStudent(encoder, recipe.weights, recipe.begin, recipe.reader)
        speech = FilmedSpeech(recipe.speech, recipe.spoken, optim.seed) if self.student.lips else None
        drawn = FaceSequences(data, optim.batch, optim.seed)
        self.batches = ToldSequences(encoder.to(place.device), drawn, recipe.sequences, speech)

    def validate(self, student: nn.Module) -> dict[str, float]:
        """Errors of points and of their steps, rms in mm, at each look-ahead and (`alone`) without the residual."""
        assert isinstance(student, TemporalStudent)
        squares: dict[str, list[Tensor]] = {}
        surface = student.loss.surface
        with torch.no_grad():
            for batch in on_device_of(student, self._validation):
                rows = student.rows(batch)
                for name, lookahead, strength in (("alone", 0, 0.0), ("0", 0, 1.0), ("1", 1, 1.0), ("2", 2, 1.0)):
                    ahead = torch.full_like(batch["lookahead"], lookahead)
                    truth, weight = truth_before(batch, ahead)
                    error = surface(student.moved(rows, ahead, strength)) - surface(truth)
                    is_known = weight > 0.5
                    squares.setdefault(f"points_mm_{name}", []).append(_square(error)[is_known])
                    squares.setdefault(f"step_mm_{name}", []).append(
                        _square(error.diff(dim=1))[is_known[:, 1:] & is_known[:, :-1]]
                    )
        figures = {name: float(torch.cat(values).mean().sqrt()) for name, values in squares.items()}
        return {**figures, "score": figures["points_mm_0"] + figures["step_mm_0"]}

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Export encoder and averaged residual as the whole face."""
        residual = TemporalResidual()
        residual.load_state_dict(part_of(averaged_weights(folder), "residual"))
        with torch.no_grad():
            residual.last.weight.mul_(self.recipe.share)
            residual.last.bias.mul_(self.recipe.share)
        encoder = trained_encoder(Path(self.recipe.expression_run))
        return export_face(Face(encoder, residual), path or folder / "face.onnx")


def prepare(table: dict[str, Any], place: Place) -> TemporalTask:
    """The task of a recipe's table."""
    return TemporalTask(build(TemporalRecipe, table), place)


def rows_of(encoder: FaceEncoder, batch: Batch) -> Tensor:
    """The residual's signal [B, T, 310] of a batch of `FaceSequences`."""
    shape = batch["crop"].shape[:2]
    with torch.no_grad():
        told = encoder(batch["crop"].flatten(0, 1).to(encoder.rest.device))
    parts = [told[name].unflatten(0, shape) for name in ("feature", "expression", "jaw")]
    return torch.cat([*parts, batch["step_s"][:, :, None].to(encoder.rest.device)], dim=2)


def told_before(values: Tensor, lookahead: Tensor) -> Tensor:
    """[B, T, C]: row t of `values` as it was `lookahead` [B] pictures before; the first one where there was none."""
    at = (torch.arange(values.shape[1], device=values.device) - lookahead[:, None]).clamp(min=0)
    return values.gather(1, at[:, :, None].expand(-1, -1, values.shape[2]))


def truth_before(batch: Batch, lookahead: Tensor) -> tuple[Tensor, Tensor]:
    """True motion [B, T, 53] `lookahead` pictures before each, and its weight [B, T]: 0 before the first picture."""
    motion = torch.cat([batch["expression"], batch["jaw"]], dim=2)
    weight = batch["belief"] * torch.isfinite(motion).all(dim=2)
    steps = motion.shape[1]
    is_begun = torch.arange(steps, device=motion.device) >= lookahead[:, None]
    weight = told_before(weight[:, :, None], lookahead)[:, :, 0] * is_begun
    return told_before(torch.nan_to_num(motion), lookahead), weight


def _square(vectors: Tensor) -> Tensor:
    """Mean square length [B, T] of vectors [B, T, P, 3]."""
    return vectors.square().sum(dim=3).mean(dim=2)
