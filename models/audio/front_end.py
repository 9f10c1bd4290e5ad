"""Sound to log-mel, inside the graph and causal: what training computes is what runs live, to the last rounding.

Fixed gain, no normalisation over a file or a call: a loud voice is loud, silence is silence, and a chunk's length
changes nothing. A hop of 20 ms gives two frames of 25 ms that end within it, side by side as one feature vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.streaming import State, StateTensor

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 320
FRAME_SAMPLES = 400
FRAMES_PER_HOP = 2
MEL_COUNT = 64
FEATURE_SIZE = FRAMES_PER_HOP * MEL_COUNT

LOWEST_HZ, HIGHEST_HZ = 60.0, 7800.0
# Powers count from here: a full-scale sine has 0.25e6. Below the floor (about -85 dBFS over all bands) all is silence.
# (The exporter drops the addition of a number as small as 1e-9, so powers of samples within -1..1 would not do.)
POWER_SCALE = 1e6
FLOOR_POWER = 1e-3

_FRAME_STEP = HOP_SAMPLES // FRAMES_PER_HOP
_BLOCKS = -(-FRAME_SAMPLES // _FRAME_STEP)  # a frame lies within so many steps
_OVERLAP = (_BLOCKS - 1) * _FRAME_STEP


class LogMel(nn.Module):
    """float32 [B, hops * 320] in -1..1 -> [B, hops, 128], about -1 (silence) to 2 (a close, loud voice)."""

    state_schema: Mapping[str, StateTensor] = {
        "overlap": StateTensor((_OVERLAP,), "the last samples, which the next frame begins with"),
    }
    waves: Tensor
    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        # The transform as a matrix: 400 samples are few, and every runtime knows a product.
        self.register_buffer("waves", _windowed_waves(), persistent=False)
        self.register_buffer("bands", mel_bands(), persistent=False)

    def forward(self, signal: Tensor, state: State) -> tuple[Tensor, State]:
        """Features and the next state; see the class."""
        sound = torch.cat([state["overlap"], signal], dim=1)
        blocks = sound.reshape(sound.shape[0], -1, _FRAME_STEP)
        count = blocks.shape[1] - _BLOCKS + 1
        frames = torch.cat([blocks[:, k : k + count] for k in range(_BLOCKS)], dim=2)
        real, imaginary = (frames @ self.waves).chunk(2, dim=-1)
        power = (real.square() + imaginary.square()) @ self.bands
        level = torch.log10(power + FLOOR_POWER) / 3.0
        return level.reshape(level.shape[0], -1, FEATURE_SIZE), {"overlap": sound[:, -_OVERLAP:]}


def _windowed_waves() -> Tensor:
    """float32 [480, 402]: Hann-windowed cosines and sines of the last 400 samples of whole steps.

    The power of a full-scale sine is 0.25 * POWER_SCALE in its band.
    """
    time = torch.arange(FRAME_SAMPLES, dtype=torch.float64)
    window = torch.hann_window(FRAME_SAMPLES, dtype=torch.float64)
    window = window / window.sum() * math.sqrt(POWER_SCALE)
    angle = 2.0 * math.pi / FRAME_SAMPLES * time[:, None] * torch.arange(FRAME_SAMPLES // 2 + 1, dtype=torch.float64)
    waves = window[:, None] * torch.cat([torch.cos(angle), torch.sin(angle)], dim=1)
    return nn.functional.pad(waves, (0, 0, _BLOCKS * _FRAME_STEP - FRAME_SAMPLES, 0)).float()


def mel_bands() -> Tensor:
    """float32 [201, 64]: triangles evenly spaced on the HTK mel scale, 2595 log10(1 + f / 700), height 1."""
    edges_mel = torch.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), MEL_COUNT + 2, dtype=torch.float64)
    edges_hz = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    # A band narrower than the bins' spacing must still reach its nearest bin.
    bins_hz = torch.arange(FRAME_SAMPLES // 2 + 1, dtype=torch.float64) * (SAMPLE_RATE_HZ / FRAME_SAMPLES)
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    spacing = SAMPLE_RATE_HZ / FRAME_SAMPLES
    low, high = torch.minimum(low, centre - spacing), torch.maximum(high, centre + spacing)
    rising = (bins_hz[:, None] - low) / (centre - low)
    falling = (high - bins_hz[:, None]) / (high - centre)
    return torch.minimum(rising, falling).clamp(min=0.0).float()


def _mel(frequency_hz: float) -> float:
    return 2595.0 * math.log10(1.0 + frequency_hz / 700.0)
