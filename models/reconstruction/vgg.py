"""VGG19's convolutions up to relu4_2 (Simonyan & Zisserman 2015), under the names that published checkpoints use."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Channels of the convolutions, each with its ReLU; 0 halves the resolution.
_LAYERS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512)
# Indices of relu3_2 and relu4_2 among the modules.
RELU3_2, RELU4_2 = 13, 22


class Vgg19(nn.Module):
    """Pictures float32 [B, 3, H, W] in 0..1 RGB -> (relu3_2 [B, 256, H / 4, W / 4], relu4_2 [B, 512, H / 8, W / 8])."""

    means: Tensor
    spreads: Tensor

    def __init__(self) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        inputs = 3
        for channels in _LAYERS:
            if channels:
                modules += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()]
                inputs = channels
            else:
                modules.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*modules)
        # ImageNet's, which all published weights expect.
        self.register_buffer("means", torch.tensor([0.485, 0.456, 0.406])[:, None, None], persistent=False)
        self.register_buffer("spreads", torch.tensor([0.229, 0.224, 0.225])[:, None, None], persistent=False)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x = (pictures - self.means) / self.spreads
        kept: list[Tensor] = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in (RELU3_2, RELU4_2):
                kept.append(x)
        return kept[0], kept[1]
