"""How well a face is told: figures over batches, against truths where they are known."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from models.head.landmarks import FACE_POINTS, MOUTH_ROWS
from training.loop import Batch
from training.losses.face import angle_between
from training.losses.face_surface import FaceSurface

_OUTER_EYE_CORNERS = (FACE_POINTS.index(33), FACE_POINTS.index(263))
# Beliefs below this are no truth to judge by.
_BELIEVED = 0.5


@dataclass
class FaceFigures:
    """Gathers outputs of the encoder and their truths; `figures` tells how they agree."""

    surface: FaceSurface
    _values: dict[str, list[Tensor]] = field(default_factory=dict)

    def add(self, told: dict[str, Tensor], batch: Batch) -> None:
        """Outputs of a `FaceEncoder` and the batch of `FacePairs` that they are of, on one device."""
        has_face = torch.nan_to_num(batch["presence"], nan=1.0) > 0.5
        points = self._points(told)
        one, other = points.chunk(2)
        is_pair = has_face.chunk(2)[0] & (batch["same"] > 0.5)
        self._keep("jitter", ((one - other)[is_pair][:, MOUTH_ROWS]).square().sum(dim=2).mean(dim=1))
        parts = ("expression", "jaw", "eyelids", "gaze")
        moved = has_face & (batch["belief"] >= _BELIEVED)
        for name in parts:
            moved = moved & torch.isfinite(batch[name]).all(dim=1)
        true_points = self._points({name: batch[name][moved] for name in parts})
        squares = (points[moved] - true_points).square().sum(dim=2)
        self._keep("all", squares.mean(dim=1))
        self._keep("mouth", squares[:, MOUTH_ROWS].mean(dim=1))
        gaps = [self.surface.gap_mm(points[moved]), self.surface.gap_mm(true_points)]
        self._keep("gaps", torch.stack(gaps, dim=1))
        lids = torch.isfinite(batch["eyelids"]).all(dim=1)
        self._keep("eyelids", (told["eyelids"] - batch["eyelids"])[lids].abs().mean(dim=1))
        looks = torch.isfinite(batch["gaze"]).all(dim=1) & lids & (batch["eyelids"] < 0.5).all(dim=1)
        self._keep("gaze", (told["gaze"] - batch["gaze"])[looks].abs().mean(dim=1))
        turned = torch.isfinite(batch["rotation"]).all(dim=(1, 2))
        self._keep("rotation", angle_between(told["rotation"][turned], batch["rotation"][turned]))
        self._keep("nme", self._normalised_error(told["points"], batch))
        said = torch.isfinite(batch["presence"])
        self._keep("presence", ((told["presence"] > 0.5).float() == batch["presence"])[said].float())

    def figures(self) -> dict[str, float]:
        """points_mm, mouth_mm (rms of FACE_POINTS, of the mouth), gap_r (Pearson), eyelid (mean error, 0..1), gaze_deg,
        rotation_deg (mean error), nme (points' mean error, % of the distance of the outer corners of the eyes),
        jitter_mm (rms of the mouth between two crops of a picture), presence_right (share). NaN where nothing is known.
        """
        gaps = self._all("gaps").numpy()
        gap_r = float(np.corrcoef(gaps.T)[0, 1]) if len(gaps) > 1 and bool((gaps.std(axis=0) > 0).all()) else math.nan
        return {
            "points_mm": self._mean("all") ** 0.5,
            "mouth_mm": self._mean("mouth") ** 0.5,
            "gap_r": gap_r,
            "eyelid": self._mean("eyelids"),
            "gaze_deg": math.degrees(self._mean("gaze")),
            "rotation_deg": math.degrees(self._mean("rotation")),
            "nme": 100.0 * self._mean("nme"),
            "jitter_mm": self._mean("jitter") ** 0.5,
            "presence_right": self._mean("presence"),
        }

    def _points(self, told: dict[str, Tensor]) -> Tensor:
        return self.surface(torch.cat([told["expression"], told["jaw"]], dim=1), told["eyelids"], told["gaze"])

    def _normalised_error(self, points: Tensor, batch: Batch) -> Tensor:
        truth, seen = batch["points"], batch["points_seen"] > 0.5
        is_known = torch.isfinite(truth).all(dim=2) & seen
        right, left = _OUTER_EYE_CORNERS
        eyes = (truth[:, right] - truth[:, left]).norm(dim=1)
        chosen = torch.isfinite(eyes) & is_known.any(dim=1)
        error = torch.where(is_known, torch.nan_to_num((points - truth).norm(dim=2)), 0.0).sum(dim=1)
        return (error / is_known.sum(dim=1).clamp(min=1) / eyes)[chosen]

    def _keep(self, name: str, values: Tensor) -> None:
        self._values.setdefault(name, []).append(values.detach().cpu())

    def _all(self, name: str) -> Tensor:
        return torch.cat(self._values[name])

    def _mean(self, name: str) -> float:
        values = self._all(name)
        return float(values.mean()) if len(values) else math.nan
