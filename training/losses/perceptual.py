"""SPECTRE's losses: a rendered mouth must read like the filmed one, and stay near the base (seed-systems 3.3, 3.4).

Every one is of sequences [B, T, ...] and counts only the pictures 2 .. T - 3, those whose five taps are all pictures.

Where the base takes somebody's chin for longer than it is, no motion is right that makes up for it. So points and
lengths are compared with the film's *as this identity would have them*: what the base is off by all along a sequence is
forgiven. A gap between the lips is none in every face when they touch, and is compared as it is.
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
# The pairs of 68 landmarks, by MediaPipe's numbers: 57-8, 51-33, 48-54, 60-64 are lengths; 61-67, 62-66, 63-65 gaps.
MOUTH_PAIRS = ((17, 152), (0, 2), (61, 291), (78, 308), (81, 178), (13, 14), (311, 402))
_IS_LENGTH = (1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
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


def as_the_base_has_it(told: Tensor, base: Tensor) -> Tensor:
    """What a film tells [B, T, ...], moved by what the base is off by on the mean of the sequence."""
    return told + (base - told).mean(dim=1, keepdim=True)


def relative_mouth(drawn: Tensor, told: Tensor, base: Tensor) -> Tensor:
    """Mean absolute difference of the mouth's distances between points [B, T, 140, 2], inner pictures.

    `drawn` from the film's, `told`, with lengths as the `base` has them.
    """
    film, first = mouth_distances(valid(told)), mouth_distances(valid(base))
    wanted = torch.lerp(film, as_the_base_has_it(film, first), film.new_tensor(_IS_LENGTH))
    return (mouth_distances(valid(drawn)) - wanted).abs().mean()


def landmarks_around(drawn: Tensor, told: Tensor, base: Tensor, seen: Tensor) -> Tensor:
    """Mean absolute difference of the points [B, T, 140, 2] beside the mouth's, each as far as `seen` [B, T, 140].

    `drawn` from the film's, `told`, as the `base` has them.
    """
    outside = slice(MOUTH_ROWS.stop, None)
    weight = valid(seen)[..., outside, None]
    wanted = as_the_base_has_it(valid(told)[..., outside, :], valid(base)[..., outside, :])
    apart = (valid(drawn)[..., outside, :] - wanted).abs()
    return _PICTURE_SPAN * (weight * apart).sum() / (2.0 * weight.sum()).clamp(min=1.0)
