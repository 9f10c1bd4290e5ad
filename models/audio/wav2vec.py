"""The seed's encoder: wav2vec 2.0, its convolutions frozen, its transformer learning. For those who have its weights.

Not for streaming: the transformer hears a whole clip before it says anything. It serves offline, and as a teacher of
the causal encoder. With `window_hops` it hears a window of constant length that ends with each hop instead: any
chunking gives the same features, but each hop costs a whole window.

Frames and hops. A frame of wav2vec 2.0 hears 400 samples (25 ms) and the next begins 320 later. 80 samples are put
before the sound, so that the frame of hop t is the one that ends where the hop ends, at (t + 1) * 20 ms: T hops give T
frames, and the convolutions hear nothing after the hop. Our log-mel frames end there too.

Loudness. The gain is fixed. wav2vec 2.0 is usually given sound of unit variance, clip by clip; that makes a chunk's
features depend on its length, and blows silence up until it sounds like speech, which opens the mouth. The base network
does it once more inside: its first layer normalises over the whole clip. `QuietGroupNorm` gives that a floor.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.audio.encoder import LONGEST_LOOKAHEAD_HOPS, WIDTH
from models.audio.front_end import HOP_SAMPLES, SAMPLE_RATE_HZ
from models.layers import Schema
from models.streaming import State, StateTensor

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model

# Speech at -24 dBFS gets about the unit variance that the network was trained on.
GAIN = 16.0
# White noise of this RMS, -60 dBFS, is the quietest that the first layer still brings to full level.
QUIET_RMS = 1e-3
# Bounds the memory of a pass without gradients.
WINDOWS_AT_ONCE = 64


class Wav2VecEncoder(nn.Module):
    """Sound [B, T * 320] in -1..1 at 16 kHz -> features [B, T, 256] of the instants `lookahead` [B] (int64, hops) ago.

    network      a transformers `Wav2Vec2Model`; it becomes this module's own and is changed (frozen, first norm)
    window_hops  None: the whole clip is heard at once; `is_streaming` is false and there is no state.
                 n: step t hears the n hops up to its own; `lookahead` of them are future of the instant described, so a
                 stream's past is always n - 1 - lookahead. Silence lies before the first hop.

    Heard whole, a step describes an instant `lookahead` ago too, to be the same for whoever trains it; the steps before
    the clip's first instant repeat it. Raises ValueError for a network of another frame rate or too short a window.
    """

    def __init__(self, network: Wav2Vec2Model, window_hops: int | None = None) -> None:
        super().__init__()
        strides, kernels = list(network.config.conv_stride), list(network.config.conv_kernel)
        if math.prod(strides) != HOP_SAMPLES:
            raise ValueError(
                f"the network's convolutions step {math.prod(strides)} samples; they must step {HOP_SAMPLES} "
                f"({HOP_SAMPLES / SAMPLE_RATE_HZ * 1000:.0f} ms): use a wav2vec 2.0 for 16 kHz"
            )
        if window_hops is not None and window_hops <= LONGEST_LOOKAHEAD_HOPS:
            raise ValueError(
                f"window_hops is {window_hops}; it must be over {LONGEST_LOOKAHEAD_HOPS}, the longest look-ahead"
            )
        self.network = network
        self.window_hops = window_hops
        self.lead_samples = _receptive_field(kernels, strides) - HOP_SAMPLES
        self.project = nn.Linear(network.config.hidden_size, WIDTH)
        self.state_schema: Schema = {}
        if window_hops is not None:
            past = (window_hops - 1) * HOP_SAMPLES + self.lead_samples
            self.state_schema = {"past": StateTensor((past,), "the last samples")}

        layers = cast(nn.ModuleList, network.feature_extractor.conv_layers)
        if isinstance(layers[0].layer_norm, nn.GroupNorm):
            layers[0] = QuietGroupNorm(layers[0])
        network.freeze_feature_encoder()
        network.feature_extractor.eval()

    @property
    def is_streaming(self) -> bool:
        """Whether chunks may follow each other."""
        return self.window_hops is not None

    def train(self, mode: bool = True) -> Wav2VecEncoder:
        """As of any module, but that the frozen part never trains."""
        super().train(mode)
        self.network.feature_extractor.eval()
        return self

    def forward(self, signal: Tensor, lookahead: Tensor, state: State) -> tuple[Tensor, State]:
        """Features and the next state; see the class. Raises ValueError for a part of a hop."""
        hops, rest = divmod(signal.shape[1], HOP_SAMPLES)
        if rest:
            raise ValueError(
                f"the signal has {signal.shape[1]} samples; it must be a whole number of hops of {HOP_SAMPLES}"
            )
        if self.window_hops is None:
            sound = self._hear(functional.pad(signal, (self.lead_samples, 0)))
            at = (torch.arange(hops, device=signal.device) - lookahead[:, None]).clamp(min=0)
            sound = sound.gather(1, at[:, :, None].expand(-1, -1, sound.shape[2]))
            return self.project(sound), {}

        long = torch.cat([state["past"], signal], dim=1)
        windows = long.unfold(1, self.window_hops * HOP_SAMPLES + self.lead_samples, HOP_SAMPLES)
        at = (self.window_hops - 1 - lookahead)[:, None].expand(-1, hops).flatten()
        heard = [
            self._hear(window)[torch.arange(len(window), device=signal.device), here]
            for window, here in zip(
                windows.flatten(0, 1).split(WINDOWS_AT_ONCE), at.split(WINDOWS_AT_ONCE), strict=True
            )
        ]
        sound = torch.cat(heard).unflatten(0, (len(signal), hops))
        return self.project(sound), {"past": long[:, hops * HOP_SAMPLES :]}

    def _hear(self, sound: Tensor) -> Tensor:
        """[N, lead + T * 320] -> what the transformer says, [N, T, hidden]."""
        with torch.no_grad():
            frames = self.network.feature_extractor(GAIN * sound).transpose(1, 2)
        hidden, _ = self.network.feature_projection(frames)
        return self.network.encoder(hidden).last_hidden_state


class QuietGroupNorm(nn.Module):
    """The base network's first layer (convolution, each channel normalised over time, activation), with a floor.

    A channel's variance counts as no less than what white noise of QUIET_RMS would give it: louder sound is untouched,
    and silence stays silent. Takes over the layer's parts, under their own names.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.conv = cast(nn.Conv1d, layer.conv)
        self.layer_norm = cast(nn.GroupNorm, layer.layer_norm)
        self.activation = cast(nn.Module, layer.activation)

    def forward(self, sound: Tensor) -> Tensor:
        hidden = self.conv(sound).float()  # under mixed precision too: variances span many decades
        variance, mean = torch.var_mean(hidden, dim=2, keepdim=True, correction=0)
        floor = (GAIN * QUIET_RMS) ** 2 * self.conv.weight.square().sum(dim=(1, 2))
        spread = (torch.maximum(variance, floor[:, None]) + self.layer_norm.eps).sqrt()
        return self.activation(
            (hidden - mean) / spread * self.layer_norm.weight[:, None] + self.layer_norm.bias[:, None]
        )


def _receptive_field(kernels: list[int], strides: list[int]) -> int:
    """Samples that one frame hears."""
    samples, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        samples += (kernel - 1) * step
        step *= stride
    return samples
