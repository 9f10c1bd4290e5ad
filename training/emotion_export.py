"""The trained perceptron -> emotion.onnx that the driver asks for every frame.

    shape [B, 100] sd, expression [B, 50] sd, jaw [B, 3] rad -> emotion [B, 8] probabilities, valence, arousal [B] -1..1

Written only when ONNX Runtime agrees with torch.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from models.perceptual.emotion import EMOTIONS
from models.perceptual.emotion_from_coefficients import (
    EXPRESSION_SIZE,
    JAW_SIZE,
    SHAPE_SIZE,
    EmotionFromCoefficients,
)
from protocol.frame import OPEN_HEAD_ID
from training.export import ExportError, graph_of, halve, record_hash, store_halves, write_file

VERSION = "1"
TOLERANCE = 1e-4
OUTPUTS = ("emotion", "valence", "arousal")
_ROWS = 64


class _Asked(nn.Module):
    """What the driver asks: probabilities, valence, arousal."""

    def __init__(self, network: EmotionFromCoefficients) -> None:
        super().__init__()
        self.network = network

    def forward(self, shape: Tensor, expression: Tensor, jaw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        told = self.network(shape, expression, jaw)
        return told["logits"].softmax(dim=1), told["valence"], told["arousal"]


def export_emotion(network: EmotionFromCoefficients, path: Path) -> Path:
    """Write `path` and its hash beside it, weights stored as float16. ExportError when it differs from torch."""
    if network.has_detail:
        raise ExportError("the driver's frames have no detail code; export a network without it")
    asked = _Asked(network).cpu().eval().requires_grad_(False)
    halve(asked)
    draw = torch.Generator().manual_seed(0)
    given = {
        "shape": torch.randn(_ROWS, SHAPE_SIZE, generator=draw),
        "expression": torch.randn(_ROWS, EXPRESSION_SIZE, generator=draw),
        "jaw": 0.1 * torch.randn(_ROWS, JAW_SIZE, generator=draw),
    }
    graph = graph_of(asked, given, {name: {0: torch.export.Dim.DYNAMIC} for name in given}, list(given), list(OUTPUTS))
    store_halves(graph)
    said = {"name": "emotion", "version": VERSION, "head": OPEN_HEAD_ID, "emotions": json.dumps(EMOTIONS)}
    onnx.helper.set_model_props(graph, said)
    content = graph.SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    results = session.run(list(OUTPUTS), {name: values.numpy() for name, values in given.items()})
    worst = max(
        float(np.abs(np.asarray(result) - tensor.numpy()).max())
        for result, tensor in zip(results, asked(**given), strict=True)
    )
    if not worst <= TOLERANCE:
        raise ExportError(f"{path.name} differs from torch by {worst:g}, more than {TOLERANCE:g}; nothing was written")
    write_file(path, content)
    record_hash(path)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB, torch and ONNX Runtime agree to {worst:.1e}")
    return path
