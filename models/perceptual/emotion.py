"""Which emotion a picture of a face shows: eight classes, valence and arousal, and the feature that they are told by.

The feature is what EMOCA compares between a picture and its rendering (Danecek, Black, Bolkart: "EMOCA: Emotion Driven
Monocular Face Capture and Animation", CVPR 2022): that two faces feel alike is more than that their classes agree.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.video.backbone import ConvNorm, InvertedResidual

# AffectNet's eight. Their order is the order of every class vector.
EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
NEUTRAL = EMOTIONS.index("neutral")

EMOTION_PX = 96
FEATURE_SIZE = 192


class EmotionReader(Protocol):
    """What reads emotions from pictures, ours or another's.

    Takes pictures float32 [B, 3, H, W] in 0..1, RGB, face upright and in the middle, of any size. Gives `feature`
    [B, F] and `logits` [B, 8] in the order of EMOTIONS; ours give `valence` and `arousal` [B] in -1..1 too.
    """

    def __call__(self, pictures: Tensor) -> dict[str, Tensor]: ...


class EmotionNetwork(nn.Module):
    """See `EmotionReader`. 0.6 million weights."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            ConvNorm(3, 16, 3, 2),
            ConvNorm(16, 24, 3),
            ConvNorm(24, 40, 3, 2),
            ConvNorm(40, 40, 3),
        ]
        inputs = 40
        for outputs, blocks in ((64, 2), (96, 3), (128, 2)):
            for number in range(blocks):
                layers.append(InvertedResidual(inputs, outputs, 1 if number else 2, 4))
                inputs = outputs
        self.backbone = nn.Sequential(*layers)
        cast(Any, self).to(memory_format=torch.channels_last)  # a way of calling it that torch's types leave out
        self.mix = nn.Sequential(nn.Linear(128, FEATURE_SIZE), nn.LayerNorm(FEATURE_SIZE), nn.ReLU())
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(FEATURE_SIZE, len(EMOTIONS) + 2)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        seen = self.backbone(resized(pictures, EMOTION_PX) * 2.0 - 1.0)
        feature = self.mix(seen.mean(dim=(2, 3)))
        return told(feature, self.head(self.dropout(feature)))


def told(feature: Tensor, outputs: Tensor) -> dict[str, Tensor]:
    """The named results of ten outputs [B, 10]: eight logits, then valence and arousal, squeezed into -1..1."""
    logits, mood = outputs.split([len(EMOTIONS), 2], dim=1)
    valence, arousal = torch.tanh(mood).unbind(1)
    return {"feature": feature, "logits": logits, "valence": valence, "arousal": arousal}


def resized(pictures: Tensor, side_px: int) -> Tensor:
    """[B, C, H, W] -> [B, C, side_px, side_px], without aliasing, differentiable."""
    if pictures.shape[2:] == (side_px, side_px):
        return pictures
    return functional.interpolate(
        pictures, size=(side_px, side_px), mode="bilinear", align_corners=False, antialias=True
    )
