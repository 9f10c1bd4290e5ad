"""The expression network of face-api.js (MIT, V. Muehler; V. Mandic's fork), in torch: 0.3 million weights.

Published in the npm packages `face-api.js` and `@vladmandic/face-api`. Four blocks of four convolutions whose results
are added up as they come (a DenseNet with sums), separable but for the very first, without any norm; the mean of the
last maps is the feature. It knows seven emotions: contempt is never told, and valence and arousal are not either.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.perceptual.emotion import EMOTIONS, resized

FACE_API_PX = 112
# The order of the network's seven outputs.
FACE_API_EMOTIONS = ("neutral", "happy", "sad", "anger", "fear", "disgust", "surprise")
_MEAN_LEVELS = (122.782, 117.001, 104.298)
_WIDTHS = (32, 64, 128, 256)
_FEWEST_PIXELS = 7
# What nobody tells is as good as impossible.
_NEVER = -30.0


class Separable(nn.Module):
    """A depthwise convolution 3x3 and a pointwise one, with one bias, padded as TensorFlow does ("same")."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(padded(x, self.stride)))


class Whole(nn.Module):
    """A plain convolution 3x3, padded likewise."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.whole = nn.Conv2d(inputs, outputs, 3, stride)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return self.whole(padded(x, self.stride))


class Block(nn.Module):
    """Four convolutions; each sees the sum of all results before it. The first halves the picture."""

    def __init__(self, inputs: int, outputs: int, is_first: bool) -> None:
        super().__init__()
        first = (Whole if is_first else Separable)(inputs, outputs, 2)
        self.layers = nn.ModuleList([first, *(Separable(outputs, outputs, 1) for _ in range(3))])

    def forward(self, x: Tensor) -> Tensor:
        total = functional.relu(self.layers[0](x))
        for layer in self.layers[1:]:
            total = total + layer(functional.relu(total))
        return functional.relu(total)


class FaceApiExpression(nn.Module):
    """An `EmotionReader` without valence and arousal. Weights come from `training.emotion_checkpoints`."""

    def __init__(self) -> None:
        super().__init__()
        pairs = zip((3, *_WIDTHS[:-1]), _WIDTHS, strict=True)
        self.blocks = nn.ModuleList([Block(*pair, is_first=number == 0) for number, pair in enumerate(pairs)])
        self.head = nn.Linear(_WIDTHS[-1], len(FACE_API_EMOTIONS))
        order = [FACE_API_EMOTIONS.index(name) if name in FACE_API_EMOTIONS else -1 for name in EMOTIONS]
        self._order = order

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        mean = pictures.new_tensor(_MEAN_LEVELS)[:, None, None]
        x = (resized(pictures, FACE_API_PX) * 255.0 - mean) / 255.0
        for block in self.blocks:
            x = block(x)
        feature = functional.avg_pool2d(x, _FEWEST_PIXELS, 2).flatten(1)
        known = self.head(feature)
        never = torch.full_like(known[:, 0], _NEVER)
        logits = torch.stack([never if at < 0 else known[:, at] for at in self._order], dim=1)
        return {"feature": feature, "logits": logits}


def padded(x: Tensor, stride: int) -> Tensor:
    """Zeros around [B, C, H, W] so that a 3x3 convolution gives ceil(side / stride); an odd one goes below, right."""
    sides: list[int] = []
    for side in (x.shape[3], x.shape[2]):
        missing = max((-(-side // stride) - 1) * stride + 3 - side, 0)
        sides += [missing // 2, missing - missing // 2]
    return functional.pad(x, sides)
