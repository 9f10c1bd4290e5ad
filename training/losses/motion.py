"""Losses of a voice's motion against its truth: [B, T, 53] normalised, weighted per step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.losses.face_surface import FaceSurface
from training.losses.mouth import MouthSurface


@dataclass(frozen=True)
class MotionWeights:
    """How much each part counts.

    coefficients   squared error of the normalised motion
    points         squared error of lips, chin and cheeks, in mm^2
    velocity       squared error of their change from hop to hop, in mm^2
    gap            squared error of the lips' gap, in mm^2, where the lips are nearly closed or should be:
                   weight exp(-max(gap, 0) / gap_reach_mm), after Audio2Face-3D, of the smaller of the two gaps, so
                   that a closure which nobody said costs as much as one that was missed
    stillness      squared change from hop to hop where nobody speaks or laughs, in mm^2
    """

    coefficients: float = 1.0
    points: float = 0.15
    velocity: float = 0.6
    gap: float = 0.3
    gap_reach_mm: float = 1.5
    stillness: float = 0.5


class MotionLoss(nn.Module):
    """`forward` gives the losses by name and the error of the points [B, T] in mm (rms over the points)."""

    spread: Tensor

    def __init__(self, surface: MouthSurface | FaceSurface, spread: Tensor, weights: MotionWeights) -> None:
        super().__init__()
        self.surface, self.weights = surface, weights
        self.register_buffer("spread", spread.clone())

    def forward(
        self, motion: Tensor, truth: Tensor, weight: Tensor, is_quiet: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """motion, truth [B, T, 53] normalised; weight [B, T] 0..1; is_quiet [B, T]: nobody speaks or laughs."""
        # Half precision would round the points, tens of mm from the origin, to more than the errors that count.
        with torch.autocast(motion.device.type, enabled=False):
            return self._losses(motion.float(), truth, weight, is_quiet)

    def _losses(
        self, motion: Tensor, truth: Tensor, weight: Tensor, is_quiet: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        points, true_points = self.surface(motion * self.spread), self.surface(truth * self.spread)
        error = (points - true_points).square().sum(dim=3).mean(dim=2)
        step, true_step = points.diff(dim=1), true_points.diff(dim=1)
        velocity = (step - true_step).square().sum(dim=3).mean(dim=2)
        gap, true_gap = self.surface.gap_mm(points), self.surface.gap_mm(true_points)
        narrower = torch.minimum(true_gap, gap.detach())
        closeness = torch.exp(-narrower.clamp(min=0.0) / self.weights.gap_reach_mm)
        movement = step.square().sum(dim=3).mean(dim=2)
        losses = {
            "coefficients": self.weights.coefficients * weighted_mean((motion - truth).square().mean(dim=2), weight),
            "points": self.weights.points * weighted_mean(error, weight),
            "velocity": self.weights.velocity * weighted_mean(velocity, torch.minimum(weight[:, 1:], weight[:, :-1])),
            "gap": self.weights.gap * weighted_mean(closeness * (gap - true_gap).square(), weight),
            "stillness": self.weights.stillness * weighted_mean(movement, is_quiet[:, 1:] * weight[:, 1:]),
        }
        return losses, (error + 1e-8).sqrt()


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of `values` by `weight`; 0 where nothing counts."""
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)


def known_cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy of `logits` against probabilities `truth`, where they are known (not NaN)."""
    is_known = torch.isfinite(truth)
    entropy = functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(truth), reduction="none")
    return weighted_mean(entropy, is_known.to(logits.dtype))


def known_square(values: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error where the truth is known (not NaN)."""
    is_known = torch.isfinite(truth)
    return weighted_mean((values - torch.nan_to_num(truth)).square(), is_known.to(values.dtype))
