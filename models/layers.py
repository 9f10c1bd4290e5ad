"""Layers that stream: `forward(x [B, T, C], state) -> (y, state)` with the layer's own, local state names.

A composite keeps its parts' states under prefixes; see `parts_schema`, `state_of` and `prefixed`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.streaming import State, StateTensor

Schema = Mapping[str, StateTensor]


def parts_schema(**parts: Schema) -> dict[str, StateTensor]:
    """The joint schema of named parts: `name_tensor`."""
    return {f"{name}_{key}": tensor for name, schema in parts.items() for key, tensor in schema.items()}


def state_of(part: str, state: State) -> State:
    """What `state` holds of one part, under the part's own names."""
    prefix = f"{part}_"
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def prefixed(part: str, state: State) -> State:
    """The other way round."""
    return {f"{part}_{name}": tensor for name, tensor in state.items()}


class CausalConv(nn.Module):
    """Convolution over time that sees the past only. `taps` steps, `dilation` apart."""

    def __init__(self, inputs: int, outputs: int, taps: int, dilation: int = 1) -> None:
        super().__init__()
        self.taps, self.dilation = taps, dilation
        self.mix = nn.Linear(inputs * taps, outputs)
        self.state_schema: Schema = {"past": StateTensor(((taps - 1) * dilation, inputs), "the last inputs")}

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        steps = x.shape[1]
        long = torch.cat([state["past"], x], dim=1)
        seen = torch.cat([long[:, k * self.dilation : k * self.dilation + steps] for k in range(self.taps)], dim=2)
        return self.mix(seen), {"past": long[:, steps:]}


class ConvBlock(nn.Module):
    """Residual block: depthwise causal convolution over time, then a perceptron of each step (as in ConvNeXt)."""

    def __init__(self, width: int, taps: int, dilation: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.taps, self.dilation = taps, dilation
        self.weight = nn.Parameter(torch.randn(taps, width) * taps**-0.5)
        self.norm = nn.LayerNorm(width)
        self.expand, self.contract = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.state_schema: Schema = {"past": StateTensor(((taps - 1) * dilation, width), "the last inputs")}

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        steps = x.shape[1]
        long = torch.cat([state["past"], x], dim=1)
        # A sum of shifted products: several times faster than a grouped convolution on a processor.
        spread = long[:, :steps] * self.weight[0]
        for k in range(1, self.taps):
            spread = spread + long[:, k * self.dilation : k * self.dilation + steps] * self.weight[k]
        hidden = functional.gelu(self.expand(self.norm(spread)))
        return x + self.dropout(self.contract(hidden)), {"past": long[:, steps:]}


class Recurrent(nn.Module):
    """Residual GRU: remembers the speaker and the room for longer than any convolution reaches."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.state_schema: Schema = {"memory": StateTensor((width,), "the hidden state")}

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        y, memory = self.gru(self.norm(x), state["memory"][None])
        return x + y, {"memory": memory[0]}


class WindowedAttention(nn.Module):
    """Causal self-attention over the last `window` steps, with a learnt bias for each distance; pre-norm, residual.

    The cache holds keys and values of the `window - 1` steps before; `steps` says how many of them are real.
    """

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(heads, window))
        self.state_schema: Schema = {
            "keys": StateTensor((window - 1, width), "keys of the last steps"),
            "values": StateTensor((window - 1, width), "values of the last steps"),
            "steps": StateTensor((), "how many steps the cache holds, at most window - 1"),
        }

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        batch, steps, width = x.shape
        past = self.window - 1
        query, key, value = self.query_key_value(self.norm(x)).chunk(3, dim=2)
        keys, values = torch.cat([state["keys"], key], dim=1), torch.cat([state["values"], value], dim=1)

        # How far back (0 = itself) each of the past + steps keys lies from each of the steps queries.
        at = torch.arange(past, past + steps, device=x.device)[:, None]
        back = at - torch.arange(past + steps, device=x.device)
        is_near = (back >= 0) & (back < self.window)
        is_real = torch.arange(past + steps, device=x.device) >= past - state["steps"][:, None]
        bias = self.bias[:, back.clamp(0, past)]
        mask = torch.where(is_near & is_real[:, None], 0.0, -1e9)[:, None] + bias

        scores = self._heads(query) @ self._heads(keys).transpose(2, 3) * (width // self.heads) ** -0.5
        mixed = torch.softmax(scores + mask, dim=3) @ self._heads(values)
        y = x + self.out(mixed.transpose(1, 2).reshape(batch, steps, width))
        return y, {
            "keys": keys[:, -past:],
            "values": values[:, -past:],
            "steps": (state["steps"] + steps).clamp(max=float(past)),
        }

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)


class Perceptron(nn.Module):
    """Residual perceptron of each step, pre-norm. No state."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand, self.contract = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.contract(functional.gelu(self.expand(self.norm(x))))
