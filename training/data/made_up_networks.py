"""Networks that have learnt nothing, as the files that recipes build on: for tests and smoke runs."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from models.head.flame import open_head
from models.perceptual.emotion import EmotionNetwork
from models.reconstruction.encoder import CoarseEncoder
from models.reconstruction.texture import save_texture_model

_TEXTURE_PX = 16
_SEEN = 12


def made_up_coarse(folder: Path, size_px: int) -> dict[str, str]:
    """A coarse encoder of pictures of `size_px`, a texture model and an emotion network: the paths, by the names of the
    recipe `emoca`'s settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.safetensors" for name in ("coarse", "texture", "emotion")}
    torch.manual_seed(0)
    said = {"network": "backbone", "size_px": str(size_px), "head": open_head().id}
    save_file(_plain(CoarseEncoder(), size_px), paths["coarse"], metadata=said)
    save_file(_plain(EmotionNetwork(), size_px), paths["emotion"])
    mean = torch.full((3, _TEXTURE_PX, _TEXTURE_PX), 0.5)
    save_texture_model(paths["texture"], mean, 0.05 * torch.randn(4, 3, _TEXTURE_PX, _TEXTURE_PX))
    return {name: str(path) for name, path in paths.items()}


def _plain(network: nn.Module, size_px: int) -> dict[str, Tensor]:
    """Its tensors, once its normalisation layers have seen some pictures: before, it tells all pictures alike."""
    with torch.no_grad():
        for _ in range(_SEEN):
            network.train()(functional.interpolate(torch.rand(8, 3, 4, 4), size=(size_px, size_px)))
    return {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
