"""Which emotion a picture of a face shows: eight classes, valence and arousal, and the feature that they are told by.

The feature is what EMOCA compares between a picture and its rendering (Danecek, Black, Bolkart: "EMOCA: Emotion Driven
Monocular Face Capture and Animation", CVPR 2022): that two faces feel alike is more than that their classes agree.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.video.backbone import Backbone, Stage, mixed

# AffectNet's eight. Their order is the order of every class vector.
EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
NEUTRAL = EMOTIONS.index("neutral")

EMOTION_PX = 128
FEATURE_SIZE = 256
# Those of `models.video.face_encoder`, whose backbone, once it reads faces, is where this one may begin.
_STEM = 16
_STAGES = (Stage(32, 2, 2, 0), Stage(48, 3, 2, 3), Stage(96, 3, 2, 3), Stage(128, 2, 1, 3), Stage(192, 2, 2, 3))
_CELLS = (EMOTION_PX // 32) ** 2


class EmotionReader(Protocol):
    """What reads emotions from pictures, ours or another's.

    Takes pictures float32 [B, 3, H, W] in 0..1, RGB, face upright and in the middle, of any size. Gives `feature`
    [B, F] and `logits` [B, 8] in the order of EMOTIONS; ours give `valence` and `arousal` [B] in -1..1 too.
    """

    def __call__(self, pictures: Tensor) -> dict[str, Tensor]: ...


class EmotionNetwork(nn.Module):
    """See `EmotionReader`. The face is expected as `models.head.crop` cuts it out; 1.6 million weights."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(_STEM, _STAGES)
        self.mix = nn.Sequential(nn.Flatten(), *mixed(_CELLS * _STAGES[-1].channels, FEATURE_SIZE))
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(FEATURE_SIZE, len(EMOTIONS) + 2)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        seen = self.backbone(resized(pictures, EMOTION_PX) * 2.0 - 1.0)[-1]
        feature = self.mix(seen)
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
