"""DECA's detail losses, with its weights (Feng et al. 2021 and its code; seed-systems 1.5). All are over texels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_FLOOR = 1e-5


@dataclass(frozen=True)
class DetailWeights:
    """Weights of the losses, the seed's by default."""

    photometric: float = 2.0
    texture_likeness: float = 0.1
    symmetry: float = 0.005
    size: float = 0.005
    smoothness: float = 0.005


def implicit_mrf(drawn: Tensor, wanted: Tensor, bandwidth: float = 0.5) -> Tensor:
    """ID-MRF of feature maps [B, C, H, W]: every patch wanted should be the likest of some patch drawn.

    Wang et al. 2018, "Image inpainting via generative multi-column convolutional neural networks", equations 1-4: the
    cosine of two patches, relative to the best other that the drawn one has, through exp(. / bandwidth) and normalised;
    minus the logarithm of the mean over wanted patches of the largest over drawn ones. A patch is a cell of the map.
    """
    middle = wanted.mean(dim=(2, 3), keepdim=True)
    one = functional.normalize((drawn - middle).flatten(2), dim=1, eps=_FLOOR)
    other = functional.normalize((wanted - middle).flatten(2), dim=1, eps=_FLOOR)
    cosine = (1.0 + torch.einsum("bcv,bcs->bvs", one, other)) / 2.0
    # The best of all others than s: the largest, or, for the largest itself, the second.
    best, which = cosine.topk(2, dim=2)
    is_best = functional.one_hot(which[:, :, 0], cosine.shape[2]).bool()
    rival = torch.where(is_best, best[:, :, 1:], best[:, :, :1])
    likeness = torch.softmax(cosine / (rival + _FLOOR) / bandwidth, dim=2)
    return -torch.log(likeness.amax(dim=1).mean(dim=1)).mean()


def masked_difference(drawn: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """Mean of mask * |difference| of [B, C, T, T], mask [B, 1, T, T] in 0..1."""
    return (mask * (drawn - wanted).abs()).mean()


def soft_symmetry(displacement: Tensor, hidden: Tensor) -> Tensor:
    """hidden * |D - D mirrored|, summed over the texels of a map, of displacements [B, 1, T, T] in m: the side that is
    not seen is as the other.
    """
    return (hidden * (displacement - displacement.flip(3)).abs()).sum(dim=(1, 2, 3)).mean()


def displacement_size(displacement: Tensor) -> Tensor:
    """Mean |D| in m."""
    return displacement.abs().mean()


def roughness(shade: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring texels of a shading [B, 3, T, T]."""
    across = (shade[..., :, 1:] - shade[..., :, :-1]).abs().mean()
    return across + (shade[..., 1:, :] - shade[..., :-1, :]).abs().mean()
