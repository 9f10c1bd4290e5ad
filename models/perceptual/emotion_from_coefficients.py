"""Which emotion a face shows, told from the coefficients that move it: a perceptron, after EMOCA's own.

Its input is what the motion space says of a face: identity, expression, jaw, and the detail code where there is one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.perceptual.emotion import EMOTIONS, told

SHAPE_SIZE, EXPRESSION_SIZE, JAW_SIZE, DETAIL_SIZE = 100, 50, 3, 128


class EmotionFromCoefficients(nn.Module):
    """shape [B, 100] and expression [B, 50] in standard deviations, jaw [B, 3] in rad, perhaps detail [B, 128] ->
    `logits` [B, 8] in the order of EMOTIONS, `valence` and `arousal` [B] in -1..1, and the last layer as `feature`.

    EMOCA's has four layers of 2048; far fewer do for what a driver asks sixty times a second.
    """

    def __init__(self, width: int = 2048, layers: int = 4, has_detail: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.has_detail = has_detail
        inputs = SHAPE_SIZE + EXPRESSION_SIZE + JAW_SIZE + (DETAIL_SIZE if has_detail else 0)
        parts: list[nn.Module] = [nn.BatchNorm1d(inputs)]
        for number in range(layers):
            parts += [nn.Linear(width if number else inputs, width), nn.BatchNorm1d(width), nn.LeakyReLU(0.2)]
            parts.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*parts)
        self.head = nn.Linear(width, len(EMOTIONS) + 2)

    def forward(
        self, shape: Tensor, expression: Tensor, jaw: Tensor, detail: Tensor | None = None
    ) -> dict[str, Tensor]:
        if (detail is not None) != self.has_detail:
            wanted = "takes" if self.has_detail else "takes no"
            raise ValueError(f"this network {wanted} detail code; build it with has_detail={detail is not None}")
        parts = [shape, expression, jaw] if detail is None else [shape, expression, jaw, detail]
        feature = self.layers(torch.cat(parts, dim=1))
        return told(feature, self.head(feature))
