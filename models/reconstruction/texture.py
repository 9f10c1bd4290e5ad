"""A linear model of skin: a mean texture and its principal components, in the head's own texture layout."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.reconstruction.code import SIZES


class TextureModel(nn.Module):
    """tex [B, 50] sd -> textures float32 [B, 3, T, T] in 0..1 (about), first row at v = 1.

    A model with fewer components leaves the last numbers of a code without effect.
    """

    mean: Tensor
    components: Tensor

    def __init__(self, mean: Tensor, components: Tensor) -> None:
        """mean [3, T, T]; components [K, 3, T, T], colour per standard deviation, K at most 50."""
        super().__init__()
        if components.shape[1:] != mean.shape or len(components) > SIZES["tex"]:
            raise ValueError(
                f"components are {tuple(components.shape)} and the mean {tuple(mean.shape)}; a texture model takes at "
                f"most {SIZES['tex']} of the mean's shape"
            )
        self.register_buffer("mean", mean.float(), persistent=False)
        self.register_buffer("components", components.float(), persistent=False)

    def forward(self, tex: Tensor) -> Tensor:
        return self.mean + torch.einsum("bk,kcyx->bcyx", tex[:, : len(self.components)], self.components)


def save_texture_model(path: Path, mean: Tensor, components: Tensor) -> None:
    """Write a model as safetensors: the mean as float16, components as int8 with a scale each."""
    scale = components.flatten(1).abs().amax(dim=1).clamp(min=1e-8) / 127.0
    steps = (components / scale[:, None, None, None]).round().to(torch.int8)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"mean": mean.half().contiguous(), "steps": steps.contiguous(), "scale": scale.contiguous()}, path)


def load_texture_model(path: Path) -> TextureModel:
    """The model in a file of `save_texture_model`; FileNotFoundError, with the remedy, where there is none."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no texture model at {path}; run python -m training.data.build_textures")
    tensors = load_file(path)
    return TextureModel(tensors["mean"].float(), tensors["steps"].float() * tensors["scale"][:, None, None, None])
