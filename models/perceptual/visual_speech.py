"""Reads speech from a mouth: pictures of it, one after the other -> what is said in each, as visemes.

The layout is that of the field's readers (Ma et al. 2021; Martinez et al. 2020): a convolution over space and time, a
trunk that looks at each picture, and a part that looks along time, all smaller by a factor of a hundred. The trunk's
output is the *feature* that a lip-reading loss compares: it has seen two pictures to each side and no more, so that it
still says what the mouth looks like and when (SPECTRE, section 3.3, on why no later layer will do).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.video.backbone import ConvNorm

# What the mouth of a phone looks like; training.data.viseme_groups says which phones. `sil` is a mouth that rests.
VISEMES = ("sil", "p", "f", "T", "t", "s", "S", "k", "r", "i", "u", "@", "a", "e", "E", "o", "O")
SILENT = 0
MOUTH_PX = 88
# Grey levels of the field's mouths, mean and standard deviation of 0..1 (SPECTRE, section 3.3).
GREY_MEAN, GREY_SD = 0.421, 0.165
# The stem sees a picture and two to each side.
STEM_PICTURES = 5
_STEM_STRIDE = 4


@dataclass(frozen=True)
class ReaderShape:
    """How a reader is built.

    stem, trunk   channels of the first convolution, and of each further one, which halves the picture
    feature       numbers that a picture's look is told in
    context       what looks along time: "convolutions" (dilated, both ways) or "recurrent" (both ways)
    width, depth  of that part
    """

    stem: int = 16
    trunk: list[int] = field(default_factory=lambda: [32, 64, 96])
    feature: int = 128
    context: str = "convolutions"
    width: int = 160
    depth: int = 3
    dropout: float = 0.2


class VisualSpeech(nn.Module):
    """Mouths float32 [B, T, 88, 88], grey 0..1, at 25 Hz -> logits of VISEMES [B, T, 17]. T may be any number.

    ValueError for a context that is none.
    """

    def __init__(self, shape: ReaderShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or ReaderShape()
        # Neighbouring pictures as channels: a convolution over space and time, as quick as one over space.
        self.stem = nn.Sequential(
            nn.Conv2d(STEM_PICTURES, shape.stem, 7, _STEM_STRIDE, 3, bias=False), nn.BatchNorm2d(shape.stem), nn.ReLU()
        )
        layers: list[nn.Module] = []
        inputs, side = shape.stem, MOUTH_PX // _STEM_STRIDE
        for channels in shape.trunk:
            layers += [ConvNorm(inputs, channels, 3, 2), Residual(channels)]
            inputs, side = channels, (side + 1) // 2
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs * side * side, shape.feature))
        if shape.context == "convolutions":
            self.context: nn.Module = _Convolutions(shape)
        elif shape.context == "recurrent":
            self.context = _Recurrent(shape)
        else:
            raise ValueError(f"context is {shape.context!r}; take convolutions or recurrent")
        self.visemes = nn.Linear(shape.width, len(VISEMES))

    @property
    def feature_size(self) -> int:
        return self.shape.feature

    def features(self, mouths: Tensor) -> Tensor:
        """[B, T, feature]: how the mouth looks and moves at each picture; of it and two to each side."""
        batch, steps = mouths.shape[:2]
        grey = (mouths - GREY_MEAN) / GREY_SD
        reach = STEM_PICTURES // 2
        # Before the first picture and after the last the mouth is as it is there.
        long = torch.cat([grey[:, :1].expand(-1, reach, -1, -1), grey, grey[:, -1:].expand(-1, reach, -1, -1)], dim=1)
        around = torch.stack([long[:, k : k + steps] for k in range(STEM_PICTURES)], dim=2)
        return self.trunk(self.stem(around.flatten(0, 1))).unflatten(0, (batch, steps))

    def read(self, features: Tensor) -> Tensor:
        """Logits [B, T, 17] of features [B, T, feature]."""
        return self.visemes(self.context(features))

    def forward(self, mouths: Tensor) -> Tensor:
        return self.read(self.features(mouths))


class Residual(nn.Module):
    """x + two convolutions of it, [B, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(ConvNorm(channels, channels, 3), ConvNorm(channels, channels, 3, is_active=False))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.layers(x))


class _Convolutions(nn.Module):
    """[B, T, feature] -> [B, T, width]: each layer sees twice as far to both sides."""

    def __init__(self, shape: ReaderShape) -> None:
        super().__init__()
        self.widen = nn.Linear(shape.feature, shape.width)
        self.layers = nn.ModuleList(
            nn.Conv1d(shape.width, shape.width, 5, padding=2 * 2**depth, dilation=2**depth)
            for depth in range(shape.depth)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(shape.width) for _ in range(shape.depth))
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, features: Tensor) -> Tensor:
        x = self.widen(self.dropout(features))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = x + self.dropout(functional.relu(layer(norm(x).mT).mT))
        return x


class _Recurrent(nn.Module):
    """[B, T, feature] -> [B, T, width]: gated units along time and against it."""

    def __init__(self, shape: ReaderShape) -> None:
        super().__init__()
        self.norm, self.dropout = nn.LayerNorm(shape.feature), nn.Dropout(shape.dropout)
        self.gru = nn.GRU(shape.feature, shape.width // 2, shape.depth, batch_first=True, bidirectional=True)

    def forward(self, features: Tensor) -> Tensor:
        return self.dropout(self.gru(self.norm(self.dropout(features)))[0])
