"""What is being said, step by step: log-mel in, one feature a hop out, as late as the look-ahead allows.

Causal convolutions and a GRU hear everything up to now. Then the *look-ahead convolution* turns round and describes the
instant `lookahead` hops ago, with as much of its future as has been heard: one set of weights for every look-ahead,
since each stream's own look-ahead only decides which of the future's taps are there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.audio.front_end import FEATURE_SIZE
from models.layers import CausalConv, ConvBlock, Perceptron, Recurrent, Schema, parts_schema, prefixed, state_of
from models.streaming import State, StateTensor

WIDTH = 256
TAP_WIDTH = 128
BLOCK_DILATIONS = (1, 2, 4, 8)
BLOCK_TAPS = 5
PAST_TAPS = 4  # of the look-ahead convolution: the instant itself and three hops before
LONGEST_LOOKAHEAD_HOPS = 12
DEFAULT_LOOKAHEAD_HOPS = 4


class LookaheadConv(nn.Module):
    """[B, T, width] up to now -> [B, T, width] about `lookahead` [B] hops ago. Rows may differ in their look-ahead."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.taps = PAST_TAPS + LONGEST_LOOKAHEAD_HOPS
        self.reduce = nn.Linear(width, TAP_WIDTH)
        self.mix = nn.Linear(self.taps * TAP_WIDTH, width)
        self.known = nn.Linear(self.taps, width, bias=False)
        self.skip = nn.Linear(TAP_WIDTH, width)
        self.state_schema: Schema = {"past": StateTensor((self.taps - 1, TAP_WIDTH), "the last features")}

    def forward(self, x: Tensor, lookahead: Tensor, state: State) -> tuple[Tensor, State]:
        batch, steps, _ = x.shape
        long = torch.cat([state["past"], self.reduce(x)], dim=1)
        tap = torch.arange(self.taps, device=x.device)
        relative = tap - (PAST_TAPS - 1)  # to the instant that is described; negative is its past
        is_heard = relative <= lookahead[:, None]
        # Where, seen from the oldest of the last `taps` steps, each tap of each row lies.
        back = (lookahead[:, None] - relative).clamp(0, self.taps - 1)
        at = torch.arange(steps, device=x.device)[:, None] + (self.taps - 1) - back[:, None]
        seen = long.gather(1, at.reshape(batch, -1, 1).expand(-1, -1, TAP_WIDTH))
        seen = seen.reshape(batch, steps, self.taps, TAP_WIDTH) * is_heard[:, None, :, None]
        here = seen[:, :, PAST_TAPS - 1]
        known = self.known(is_heard.to(x.dtype))[:, None]
        y = self.mix(seen.reshape(batch, steps, -1)) + known + self.skip(here)
        return y, {"past": long[:, -(self.taps - 1) :]}


class VoiceEncoder(nn.Module):
    """float32 [B, T, 128] log-mel -> [B, T, 256] features of the instants `lookahead` [B] (int64, hops) ago."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.begin = CausalConv(FEATURE_SIZE, WIDTH, taps=3)
        self.blocks = nn.ModuleList(ConvBlock(WIDTH, BLOCK_TAPS, dilation, dropout) for dilation in BLOCK_DILATIONS)
        self.recurrent = Recurrent(WIDTH)
        self.lookahead = LookaheadConv()
        self.end = Perceptron(WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        blocks: dict[str, Schema] = {f"block{n}": block.state_schema for n, block in enumerate(self._blocks())}
        self.state_schema: Schema = parts_schema(
            begin=self.begin.state_schema,
            **blocks,
            recurrent=self.recurrent.state_schema,
            lookahead=self.lookahead.state_schema,
        )

    def _blocks(self) -> list[ConvBlock]:
        return [block for block in self.blocks if isinstance(block, ConvBlock)]

    def forward(self, mel: Tensor, lookahead: Tensor, state: State) -> tuple[Tensor, State]:
        x, after = self.begin(mel, state_of("begin", state))
        following = prefixed("begin", after)
        for number, block in enumerate(self._blocks()):
            x, after = block(x, state_of(f"block{number}", state))
            following |= prefixed(f"block{number}", after)
        x, after = self.recurrent(x, state_of("recurrent", state))
        following |= prefixed("recurrent", after)
        x, after = self.lookahead(x, lookahead, state_of("lookahead", state))
        following |= prefixed("lookahead", after)
        return self.norm(self.end(x)), following
