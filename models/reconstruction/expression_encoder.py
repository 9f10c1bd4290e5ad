"""EMOCA's expression encoder: only what a face does is told anew; all else is what a coarse encoder says of it.

(Danecek, Black, Bolkart 2022; seed-systems 2.2.) The encoder of the expression begins as a copy of the coarse one, with
those rows of its last layer that tell the expression, so that the first code is the coarse encoder's own. Normalisation
layers keep the statistics that they came with: batches of strong emotions are no sample of faces.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.reconstruction.code import COLUMNS, SIZES
from models.reconstruction.encoder import CoarseEncoder, PictureEncoder
from models.reconstruction.resnet import ResNet50


class ExpressionEncoder(nn.Module):
    """Pictures [B, 3, H, W] in 0..1 -> codes [B, 238] (`models.reconstruction.code`), their `exp` from the encoder that
    learns and all other numbers, the jaw's too, bit for bit from `coarse`, which never changes.
    """

    def __init__(self, coarse: CoarseEncoder) -> None:
        super().__init__()
        self.coarse = coarse.eval().requires_grad_(False)
        network = "resnet50" if isinstance(coarse.encoder, ResNet50) else "backbone"
        self.expression = PictureEncoder(SIZES["exp"], network)
        self.expression.encoder.load_state_dict(coarse.encoder.state_dict())
        own, whole = self.expression.layers.state_dict(), coarse.layers.state_dict()
        rows, units = COLUMNS["exp"], coarse.units[COLUMNS["exp"]]
        for name, tensor in whole.items():
            if tensor.shape == own[name].shape:
                own[name] = tensor
            else:
                # The last layer's: a row an output.
                own[name] = tensor[rows] * units.reshape(-1, *[1] * (tensor.ndim - 1))
        self.expression.layers.load_state_dict(own)

    def train(self, mode: bool = True) -> ExpressionEncoder:
        super().train(mode)
        self.coarse.eval()
        for part in self.expression.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        return self

    def forward(self, pictures: Tensor) -> Tensor:
        with torch.no_grad():
            code = self.coarse(pictures)
        return with_expression(code, self.expression(pictures))


def with_expression(code: Tensor, expression: Tensor) -> Tensor:
    """Codes [B, 236 or 238] with another `exp` [B, 50]; all other numbers as they are."""
    rows = COLUMNS["exp"]
    return torch.cat([code[:, : rows.start], expression, code[:, rows.stop :]], dim=1)
