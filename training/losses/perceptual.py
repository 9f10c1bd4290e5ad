"""SPECTRE's losses: a rendered mouth must read like the filmed one, and stay near the base (seed-systems 3.3, 3.4).

Every one is of sequences [B, T, ...] and counts only the pictures 2 .. T - 3, those whose five taps are all pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.head.landmarks import FACE_POINTS, MOUTH_ROWS

# What five taps cannot know, at each end of a sequence.
EDGE = 2
# The summed squares of an expression's change up to which it is cheap, and by how much it is dearer beyond.
_FREE_CHANGE, _DEARER = 40.0, 2.0
# The pairs of 68 landmarks, by MediaPipe's numbers: 57-8, 51-33, 48-54, 60-64, 61-67, 62-66, 63-65.
MOUTH_PAIRS = ((17, 152), (0, 2), (61, 291), (78, 308), (81, 178), (13, 14), (311, 402))
_ROW_OF = {landmark: row for row, landmark in enumerate(FACE_POINTS)}
_PAIR_ROWS = [[_ROW_OF[one], _ROW_OF[other]] for one, other in MOUTH_PAIRS]
# Crop coordinates to SPECTRE's, -1..1 over its crop, which is of about a stored crop's size.
_PICTURE_SPAN = 2.0


@dataclass(frozen=True)
class PerceptualWeights:
    """Weights, SPECTRE's own by default (seed-systems 3.4).

    lips       of the distance between lip-reading features; `lip_distance` is "cosine" or "mse" (EMOCA v2: steadier)
    emotion    of the squared distance between emotion features
    expression, jaw   of what is changed from the base
    landmarks  of the points around the mouth       relative   of distances between points of the mouth
    """

    lips: float = 2.0
    emotion: float = 0.5
    expression: float = 1e-3
    jaw: float = 200.0
    landmarks: float = 50.0
    relative: float = 50.0
    lip_distance: str = "cosine"


def valid(values: Tensor) -> Tensor:
    """The pictures 2 .. T - 3 of [B, T, ...]; ValueError for fewer than five."""
    if values.shape[1] <= 2 * EDGE:
        raise ValueError(f"{values.shape[1]} pictures have no inner ones; take {2 * EDGE + 1} or more")
    return values[:, EDGE:-EDGE]


def lip_reading(filmed: Tensor, rendered: Tensor, distance: str = "cosine") -> Tensor:
    """Distance of features [B, T, F] of inner pictures: 1 - mean cosine, or the mean squared error.

    ValueError for another `distance`.
    """
    filmed, rendered = valid(filmed), valid(rendered)
    if distance == "cosine":
        return 1.0 - functional.cosine_similarity(filmed, rendered, dim=2).mean()
    if distance == "mse":
        return (filmed - rendered).square().mean()
    raise ValueError(f"the lips' distance is {distance!r}; it is cosine or mse")


def expression_prior(expression: Tensor, base: Tensor) -> Tensor:
    """Mean over inner pictures of half the summed squared change [B, T, 50], twice as dear beyond 40."""
    change = 0.5 * valid(expression - base).square().sum(dim=2)
    return torch.where(change < _FREE_CHANGE, change, _DEARER * change).mean()


def jaw_prior(jaw: Tensor, base: Tensor) -> Tensor:
    """Half the mean squared change [B, T, 3] of inner pictures, rad^2."""
    return 0.5 * valid(jaw - base).square().mean()


def mouth_distances(points: Tensor) -> Tensor:
    """[..., 7] of FACE_POINTS [..., 140, 2] in crop coordinates: MOUTH_PAIRS, in half widths of the crop."""
    ends = points[..., _PAIR_ROWS, :]
    return _PICTURE_SPAN * (ends[..., 0, :] - ends[..., 1, :]).square().sum(dim=-1).clamp(min=1e-12).sqrt()


def relative_mouth(drawn: Tensor, told: Tensor) -> Tensor:
    """Mean absolute difference of the mouth's distances between points [B, T, 140, 2], inner pictures."""
    return (mouth_distances(valid(drawn)) - mouth_distances(valid(told))).abs().mean()


def landmarks_around(drawn: Tensor, told: Tensor, seen: Tensor) -> Tensor:
    """Mean absolute difference of the points [B, T, 140, 2] beside the mouth's, each as far as `seen` [B, T, 140]."""
    outside = slice(MOUTH_ROWS.stop, None)
    weight = valid(seen)[..., outside, None]
    apart = (valid(drawn)[..., outside, :] - valid(told)[..., outside, :]).abs()
    return _PICTURE_SPAN * (weight * apart).sum() / (2.0 * weight.sum()).clamp(min=1.0)
