"""A small convolutional backbone: MobileNetV2's inverted residuals (Sandler et al. 2018), with ReLU and BatchNorm.

Where the picture is still large, plain convolutions stand in for them: they have more to multiply and less to move
(Tan & Le 2021, "EfficientNetV2", section 3.2), and a training step takes half the time.

Everything in it folds: a convolution, its BatchNorm and its ReLU are one step of ONNX Runtime. (Hard-swish and ReLU6
are steps of their own there; what they cost is in docs/experiments.md.)
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


@dataclass(frozen=True)
class Stage:
    """Some blocks at one resolution. The first block has the stride; `expansion` is of its inner width, 0 for plain
    convolutions."""

    channels: int
    blocks: int
    stride: int
    expansion: int = 4


class _Convolution(nn.Conv2d):
    """The same numbers as ever, with gradients that do not take longer than all else.

    PyTorch's backward pass of a depthwise convolution with a stride is ten times slower on a processor than that of the
    whole convolution, most of which is then thrown away.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.groups == 1 or self.stride == (1, 1) or input.device.type != "cpu":
            return super().forward(input)
        whole = functional.conv2d(input, self.weight, self.bias, 1, self.padding, self.dilation, self.groups)
        thinned = whole[:, :, :: self.stride[0], :: self.stride[1]]
        return thinned.contiguous(memory_format=torch.channels_last)


class ConvNorm(nn.Sequential):
    """Convolution of `kernel` [B, inputs, H, W] -> [B, outputs, H / stride, W / stride], BatchNorm, perhaps ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, is_active: bool = True
    ) -> None:
        conv = _Convolution(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu" if is_active else "linear")
        norm = nn.BatchNorm2d(outputs)
        super().__init__(conv, norm, *([nn.ReLU()] if is_active else []))

    def fold(self) -> None:
        """Work the BatchNorm into the convolution, for a network that only runs: the same numbers in one step."""
        conv, norm = self[0], self[1]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            self[0], self[1] = fuse_conv_bn_eval(conv.eval(), norm.eval()), nn.Identity()


class InvertedResidual(nn.Module):
    """Widen, mix in space a channel at a time, narrow; the input is added where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        widen = [ConvNorm(inputs, inner)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *widen, ConvNorm(inner, inner, 3, stride, groups=inner), ConvNorm(inner, outputs, is_active=False)
        )
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.is_residual else y


class Backbone(nn.Module):
    """Pictures [B, 3, H, W] (see `normalised`) -> the maps [B, channels, H / s, W / s] after each stage.

    The first convolution halves the resolution; each stage divides it by its stride.
    """

    def __init__(self, stem: int, stages: Sequence[Stage]) -> None:
        super().__init__()
        self.stem = ConvNorm(3, stem, 3, 2)
        self.stages = nn.ModuleList()
        inputs = stem
        for stage in stages:
            blocks: list[nn.Module] = []
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                if stage.expansion:
                    blocks.append(InvertedResidual(inputs, stage.channels, stride, stage.expansion))
                else:
                    blocks.append(ConvNorm(inputs, stage.channels, 3, stride))
                inputs = stage.channels
            self.stages.append(nn.Sequential(*blocks))
        # As pictures come: nothing is laid out anew on the way, which is a quarter of a training step's time.
        cast(Any, self).to(memory_format=torch.channels_last)  # a way of calling it that torch's types leave out

    def forward(self, pictures: Tensor) -> list[Tensor]:
        x = self.stem(pictures)
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def normalised(pictures: Tensor) -> Tensor:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] in -1..1."""
    return pictures.permute(0, 3, 1, 2).to(torch.float32) * (1.0 / 127.5) - 1.0


def mixed(inputs: int, outputs: int) -> nn.Sequential:
    """Every input in every output, [B, inputs] -> [B, outputs]. Normalised picture by picture: those that show nobody
    come out ten times as large, and would, in a BatchNorm, leave next to nothing of the others.
    """
    return nn.Sequential(nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.ReLU())


def in_full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """float32 within, even where autocast has been asked for; nothing at all, and nothing in a graph, where not."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()
