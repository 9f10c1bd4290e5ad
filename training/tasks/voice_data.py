"""Where both stages of the voice get their batches, their spread and their figures from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.data.augment import Augmenter, silence_like
from training.data.clips import MOTION_SIZE
from training.data.excerpts import Batch, ExcerptBatches, Excerpts
from training.data.packed_clips import Clips
from training.losses.mouth import MouthSurface
from training.recipe import RecipeError

# Coefficients that hardly move in speech are not blown up beyond this share of the middle one's spread.
_LEAST_SPREAD = 0.75
_LEAST_SD, _LEAST_RAD = 0.02, 0.002
_SPREAD_ROWS = 40_000


@dataclass(frozen=True)
class VoiceData:
    """folder        of the stores (`python -m training.data.build_speech`, `... build_laughter`, ...)
    hops          length of an excerpt
    stores        store -> its share of every batch; `validation` likewise, for the figures while learning. One that is
                  packed (`python -m training.data.packed_clips`) is streamed from its shards
    validation_split   which clips those figures are from
    """

    folder: str
    stores: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)
    hops: int = 200
    muted: float = 0.06
    augmented: float = 0.8
    styled: float = 0.6
    validation_batches: int = 3
    validation_split: str = "val"

    def batches(self, batch: int, seed: int) -> ExcerptBatches:
        """What is learnt from. RecipeError when a store is missing."""
        folder = Path(self.folder)
        for name in self.stores:
            if not (folder / name / "index.jsonl").exists():
                raise RecipeError(f"the store {folder / name} does not exist; build it with training.data.build_*")
        excerpts = Excerpts(self.hops, self.stores, self.muted, self.augmented, styled=self.styled)
        return ExcerptBatches(folder, excerpts, batch, seed, Augmenter(folder), silence_like)

    def validation_set(self, batch: int, lookahead: int) -> list[Batch]:
        """The same few batches each time, as they were recorded, at one look-ahead."""
        excerpts = Excerpts(2 * self.hops, self.validation or self.stores, augmented=0.0, muted=0.0, styled=0.0)
        source = ExcerptBatches(Path(self.folder), excerpts, batch, seed=0, split=self.validation_split)
        chosen = [source[number] for number in range(self.validation_batches)]
        return [{**one, "lookahead": torch.full_like(one["lookahead"], lookahead)} for one in chosen]


def spread_of(store: Clips) -> Tensor:
    """Standard deviation [53] of the store's motion: the unit that the network moves in."""
    spread = store.some_motion(_SPREAD_ROWS).std(axis=0)
    expression, jaw = spread[: MOTION_SIZE - 3], spread[MOTION_SIZE - 3 :]
    expression = np.maximum(expression, max(_LEAST_SD, _LEAST_SPREAD * float(np.median(expression))))
    jaw = np.maximum(jaw, max(_LEAST_RAD, _LEAST_SPREAD * float(jaw.max())))
    return torch.tensor(np.concatenate([expression, jaw]), dtype=torch.float32)


@dataclass
class MouthFigures:
    """Gathers a voice's motion and its truth over batches; `figures` tells how they agree."""

    surface: MouthSurface
    _gaps: list[Tensor] = field(default_factory=list)
    _squares: list[Tensor] = field(default_factory=list)

    def add(self, motion: Tensor, truth: Tensor, weight: Tensor) -> None:
        """Motions [B, T, 53] (sd, rad); rows of weight 0 are left out."""
        chosen = weight > 0.5
        points, true_points = self.surface(motion[chosen]), self.surface(truth[chosen])
        self._squares.append((points - true_points).square().sum(dim=2).mean(dim=1))
        self._gaps.append(torch.stack([self.surface.gap_mm(points), self.surface.gap_mm(true_points)], dim=1))

    def figures(self) -> dict[str, float]:
        """points_mm (rms), gap_r (Pearson), closed_recall (gap under 1.5 mm where the truth's is under 0.5)."""
        gaps = torch.cat(self._gaps).numpy()
        closed = gaps[:, 1] < 0.5
        return {
            "points_mm": float(torch.cat(self._squares).mean().sqrt()),
            "gap_r": float(np.corrcoef(gaps.T)[0, 1]),
            "gap_share": float(gaps[:, 0].std() / gaps[:, 1].std()),
            "closed_recall": float((gaps[closed, 0] < 1.5).mean()) if closed.any() else 1.0,
        }


def on_device_of(module: nn.Module, batches: list[Batch]) -> Iterator[Batch]:
    """The batches, one after the other, where the module is."""
    device = next(module.parameters()).device
    return ({name: tensor.to(device) for name, tensor in batch.items()} for batch in batches)


def named(style_names: list[str], vectors: Tensor) -> dict[str, list[float]]:
    """Style name -> vector, for the model card; nobody's is left out."""
    rows: Any = vectors.detach().cpu().numpy().round(5).tolist()
    return {name: row for name, row in zip(style_names, rows, strict=True) if name}
