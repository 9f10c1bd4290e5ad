"""DECA's coarse losses, with its weights (Feng et al. 2021 and its code; seed-systems 1.4).

Landmarks are the field's 68, in -1..1 over the picture; see `models.reconstruction.landmarks68`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.reconstruction.code import FaceCode
from models.reconstruction.landmarks68 import LID_PAIRS, LIP_PAIRS

_DISTANCE_FLOOR = 1e-6


@dataclass(frozen=True)
class CoarseWeights:
    """Weights of the losses, the seed's by default; `identity` counts where there is a face recogniser.

    jaw_roll, jaw_closed   an option of the seed's: the jaw neither rolls nor opens upwards
    """

    landmarks: float = 1.0
    eyes: float = 1.0
    lips: float = 0.5
    photometric: float = 2.0
    identity: float = 0.2
    shape: float = 1e-4
    expression: float = 1e-4
    texture: float = 1e-4
    light: float = 1.0
    jaw_roll: float = 0.0
    jaw_closed: float = 0.0


def landmark_importance() -> Tensor:
    """[68]: how much each landmark counts."""
    weight = torch.ones(68)
    weight[[5, 6, 10, 11]] = 2.0
    weight[27:36] = 1.5
    weight[[30, 31, 35]] = 3.0
    weight[48:68] = 1.5
    weight[[48, 54]] = 3.0
    return weight


def landmark_loss(told: Tensor, truth: Tensor, seen: Tensor | None = None) -> Tensor:
    """Weighted mean of |dx| + |dy| over landmarks [B, 68, 2]: sums divided by twice the weights'.

    `seen` [B, 68] 0..1 scales the weights of those that are hidden in a picture.
    """
    weight = landmark_importance().to(told).expand(len(told), -1)
    if seen is not None:
        weight = weight * seen
    return (weight * (told - truth).abs().sum(dim=2)).sum() / (2.0 * weight.sum()).clamp(min=1e-6)


def pair_distances(landmarks: Tensor, pairs: tuple[tuple[int, int], ...]) -> Tensor:
    """Euclidean distances [B, P] within pairs of landmarks [B, 68, 2], with a finite slope at 0."""
    one, other = (landmarks[:, list(ends)] for ends in zip(*pairs, strict=True))
    return ((one - other).square().sum(dim=2) + _DISTANCE_FLOOR**2).sqrt()


def eye_closure_loss(told: Tensor, truth: Tensor, seen: Tensor | None = None) -> Tensor:
    """Mean difference of the lids' openings of landmarks [B, 68, 2], wherever the face is.

    Of pairs whose ends are both `seen` [B, 68] 0..1, where that is given.
    """
    return _opening_loss(told, truth, seen, LID_PAIRS)


def lip_distance_loss(told: Tensor, truth: Tensor, seen: Tensor | None = None) -> Tensor:
    """Likewise, of the inner lips."""
    return _opening_loss(told, truth, seen, LIP_PAIRS)


def _opening_loss(told: Tensor, truth: Tensor, seen: Tensor | None, pairs: tuple[tuple[int, int], ...]) -> Tensor:
    apart = (pair_distances(told, pairs) - pair_distances(truth, pairs)).abs()
    if seen is None:
        return apart.mean()
    one, other = (seen[:, list(ends)] for ends in zip(*pairs, strict=True))
    return (one * other * apart).sum() / (one * other).sum().clamp(min=1e-6)


def photometric_loss(drawn: Tensor, picture: Tensor, mask: Tensor) -> Tensor:
    """Mean of mask * |difference| of pictures [B, 3, S, S], mask [B, 1, S, S] in 0..1."""
    return (mask * (drawn - picture).abs()).mean()


def identity_loss(drawn: Tensor, picture: Tensor) -> Tensor:
    """1 - cosine between a face recogniser's features [B, F] of both pictures."""
    return 1.0 - functional.cosine_similarity(drawn, picture, dim=1).mean()


def size_loss(values: Tensor) -> Tensor:
    """Half the sum of squares, over the batch too, as in the seed: it grows with the batch."""
    return 0.5 * values.square().sum()


def light_loss(light: Tensor) -> Tensor:
    """Mean squared deviation of the colours of light [B, 9, 3] from their mean: light is about white."""
    return (light - light.mean(dim=2, keepdim=True)).square().mean()


def jaw_losses(jaw: Tensor) -> dict[str, Tensor]:
    """The option of the seed's, of jaws [B, 3] in rad: half the squared roll, half the squared opening upwards."""
    return {
        "jaw_roll": 0.5 * jaw[:, 2].square().mean(),
        "jaw_closed": 0.5 * functional.relu(-jaw[:, 0]).square().mean(),
    }


def code_losses(face: FaceCode) -> dict[str, Tensor]:
    """What keeps codes plausible, by the names of `CoarseWeights`."""
    return {
        "shape": size_loss(face.shape),
        "expression": size_loss(face.exp),
        "texture": size_loss(face.tex),
        "light": light_loss(face.light),
        **jaw_losses(face.jaw),
    }
