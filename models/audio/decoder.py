"""The autoregressive half of a branch: its own past motion and this instant's sound give this instant's motion.

As in FaceFormer and LaughTalk: causal self-attention over the motion so far, and cross-attention in which a step sees
its own sound only. Attention to a single key is that key's value, so the cross-attention is the value projection of
the step's sound and nothing else. The past is a window of fixed length with a cache: minutes cost what seconds do.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.audio.encoder import WIDTH
from models.layers import Perceptron, Schema, WindowedAttention, parts_schema, prefixed, state_of
from models.streaming import State, StateTensor

MOTION_SIZE = 53
STYLE_SIZE = 8
DECODER_WIDTH = 128
LAYERS = 2
HEADS = 4
WINDOW_HOPS = 50


class DecoderLayer(nn.Module):
    """Self-attention over the past, the value of this step's sound, a perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = WindowedAttention(DECODER_WIDTH, HEADS, WINDOW_HOPS)
        self.sound_value = nn.Linear(WIDTH, DECODER_WIDTH)
        self.perceptron = Perceptron(DECODER_WIDTH)
        self.state_schema: Schema = self.attention.state_schema

    def forward(self, x: Tensor, sound: Tensor, state: State) -> tuple[Tensor, State]:
        x, state = self.attention(x, state)
        return self.perceptron(x + self.sound_value(sound)), state


class MotionDecoder(nn.Module):
    """Motions are normalised here: divided by their spread, [B, T, 53].

    `teach` runs all steps at once on a given past, for training; `forward` feeds itself, step after step. Both are the
    same layers: fed with its own output, `teach` gives what `forward` gives.
    """

    def __init__(self) -> None:
        super().__init__()
        self.from_motion = nn.Linear(MOTION_SIZE, DECODER_WIDTH)
        self.from_style = nn.Linear(STYLE_SIZE, DECODER_WIDTH)
        self.from_beneath = nn.Linear(MOTION_SIZE, DECODER_WIDTH, bias=False)
        self.layers = nn.ModuleList(DecoderLayer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(DECODER_WIDTH)
        self.to_motion = nn.Linear(DECODER_WIDTH, MOTION_SIZE)
        self.from_sound = nn.Linear(WIDTH, MOTION_SIZE)
        nn.init.zeros_(self.to_motion.weight)
        nn.init.zeros_(self.from_sound.weight)
        layers: dict[str, Schema] = {f"layer{n}": layer.state_schema for n, layer in enumerate(self._layers())}
        self.state_schema: Schema = parts_schema(**layers) | {
            "motion": StateTensor((MOTION_SIZE,), "the last motion, normalised")
        }

    def _layers(self) -> list[DecoderLayer]:
        return [layer for layer in self.layers if isinstance(layer, DecoderLayer)]

    def teach(self, sound: Tensor, past: Tensor, style: Tensor, beneath: Tensor, state: State) -> tuple[Tensor, State]:
        """Motion [B, T, 53] of sound features [B, T, 256], with `past` [B, T, 53] the motion one step before each.

        style    [B, 8]; zeros are the style that is nobody's
        beneath  [B, T, 53] the motion that this branch adds to; zeros for the lowest branch
        """
        x = self.from_motion(past) + self.from_style(style)[:, None] + self.from_beneath(beneath)
        following: State = {}
        for number, layer in enumerate(self._layers()):
            x, after = layer(x, sound, state_of(f"layer{number}", state))
            following |= prefixed(f"layer{number}", after)
        return self.to_motion(self.norm(x)) + self.from_sound(sound), following

    def forward(self, sound: Tensor, style: Tensor, beneath: Tensor, state: State) -> tuple[Tensor, State]:
        """Motion [B, T, 53], every step fed with the one before, and the next state."""
        motions: list[Tensor] = []
        motion = state["motion"][:, None]
        for step in range(sound.shape[1]):
            here = slice(step, step + 1)
            motion, after = self.teach(sound[:, here], motion, style, beneath[:, here], state)
            state = {**after, "motion": motion[:, 0]}
            motions.append(motion)
        return torch.cat(motions, dim=1), state
