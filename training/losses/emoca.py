"""EMOCA's losses: a face's rendering must feel like its picture (Danecek et al. 2022; seed-systems 2.3).

Landmarks are the field's 68, in -1..1 over the picture; see `models.reconstruction.landmarks68`. Only distances between
them count, wherever the face is: the head's place is the coarse encoder's business. (EMOCA v2 adds the absolute ones.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.reconstruction.landmarks68 import MOUTH_CORNERS
from training.losses.reconstruction import eye_closure_loss, landmark_loss, lip_distance_loss, pair_distances


@dataclass(frozen=True)
class EmocaWeights:
    """Weights of the losses, EMOCA's by default. Those of identity, texture and light are left out: what they weigh is
    frozen, they would be constants.

    emotion       mean squared difference of the emotion network's features of picture and rendering
    photometric   mean difference of the face's skin
    eyes, lips, corners   of the lids' openings, the inner lips', the distance of the mouth's corners
    landmarks     absolute places; EMOCA has none
    expression    half the sum of squares
    """

    emotion: float = 1.0
    photometric: float = 2.0
    eyes: float = 0.5
    lips: float = 0.5
    corners: float = 0.5
    landmarks: float = 0.0
    expression: float = 1e-4


def emotion_loss(reader: nn.Module, drawn: Tensor, picture: Tensor) -> Tensor:
    """Mean squared difference of a frozen reader's features of pictures [B, 3, S, S] in 0..1; only `drawn` learns."""
    with torch.no_grad():
        wanted = reader(picture)["feature"]
    return (reader(drawn)["feature"] - wanted).square().mean()


def mouth_corner_loss(told: Tensor, truth: Tensor) -> Tensor:
    """Mean difference of the distances of the mouth's corners of landmarks [B, 68, 2]."""
    return (pair_distances(told, (MOUTH_CORNERS,)) - pair_distances(truth, (MOUTH_CORNERS,))).abs().mean()


def landmark_losses(told: Tensor, truth: Tensor, seen: Tensor) -> dict[str, Tensor]:
    """By the names of `EmocaWeights`; `landmarks` alone minds where the face is. [B, 68, 2], seen [B, 68] 0..1."""
    return {
        "eyes": eye_closure_loss(told, truth),
        "lips": lip_distance_loss(told, truth),
        "corners": mouth_corner_loss(told, truth),
        "landmarks": landmark_loss(told, truth, seen),
    }
