"""Builds models/weights/envelope.onnx: `python -m training.audio_baseline`. Nothing is learnt; it takes seconds.

The envelope baseline's articulations become expression and jaw of the open head here, through the head's own ARKit map.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.audio.envelope import ARTICULATIONS, HOP_SAMPLES, SAMPLE_RATE_HZ, EnvelopeBaseline
from models.head.arkit import ArkitMap
from models.head.flame import HeadModel, open_head
from protocol.frame import ARKIT_SHAPES
from training.export import ModelCard, export

VERSION = "1"
WEIGHTS = Path(__file__).parents[1] / "models" / "weights"


def main() -> None:
    """Bake the baseline for the open head and export it beside the other weights."""
    path = WEIGHTS / "envelope.onnx"
    worst = build(open_head(), path)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB, torch and ONNX Runtime agree to {worst:.1e}")


def build(head: HeadModel, path: Path) -> float:
    """Export the baseline for `head` to `path`; the largest difference between torch and ONNX Runtime."""
    module = EnvelopeBaseline(articulation_to_motion(head))
    return export(module, path, ModelCard("envelope", VERSION, head.id), speech_like(batch=3, duration_s=6.0))


def articulation_to_motion(head: HeadModel) -> Tensor:
    """float32 [articulations, 53]: expression and jaw of each articulation at full strength."""
    arkit = ArkitMap(head)
    rows: list[np.ndarray] = []
    for weights in ARTICULATIONS.values():
        vector = np.zeros(len(ARKIT_SHAPES), np.float32)
        for name, weight in weights.items():
            vector[ARKIT_SHAPES.index(name)] = weight
        expression, jaw, _, _ = arkit.to_motion(vector)
        rows.append(np.concatenate([expression, jaw]))
    return torch.from_numpy(np.stack(rows))


def speech_like(batch: int, duration_s: float, seed: int = 0) -> Tensor:
    """[batch, samples]: noise through random resonances with syllables and pauses, for checks without a recording."""
    generator = torch.Generator().manual_seed(seed)
    count = int(duration_s * SAMPLE_RATE_HZ) // HOP_SAMPLES * HOP_SAMPLES
    time_s = torch.arange(count) / SAMPLE_RATE_HZ
    syllables = torch.sin(2 * torch.pi * 2.1 * time_s + 6.28 * torch.rand(batch, 1, generator=generator)).clamp(min=0)
    pauses = (torch.sin(2 * torch.pi * 0.3 * time_s) > -0.5).float()
    glottal = torch.sin(2 * torch.pi * 130 * time_s).clamp(min=0.8) - 0.8
    formant_hz = 500 + 2000 * torch.rand(batch, 1, generator=generator)
    voiced = glottal * torch.sin(2 * torch.pi * formant_hz * time_s)
    hiss = 0.03 * torch.randn(batch, count, generator=generator)
    return (syllables * pauses * (voiced + hiss) + 1e-4 * torch.randn(batch, count, generator=generator)).float()


if __name__ == "__main__":
    main()
