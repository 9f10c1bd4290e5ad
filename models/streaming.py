"""The streaming contract of every learned model: `forward(signal, state) -> (outputs, state)`.

Weights live in the module, everything that a stream remembers lives in the state, outside. Offline is streaming with
one big chunk: there is one code path, and `run` is all there is to it.

- `signal` [batch, steps * hop_size, ...]: the time axis is 1; a chunk is any whole number of hops.
- `outputs`: named tensors [batch, steps, ...], one step a hop. Step t uses the signal up to the end of hop t and
  describes the time `lookahead_s` before that.
- `state`: named tensors [batch, ...], **all zeros at the start of a stream**, so that whoever runs the exported graph
  needs no other knowledge to begin. Rows are independent streams: zeroing a row restarts it and no other.
- A knob that may be turned while running (a style, a strength) is a state tensor that the module passes on unchanged
  and that means its default when it is zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

State = dict[str, Tensor]
Outputs = dict[str, Tensor]


@dataclass(frozen=True)
class StateTensor:
    """One row of a module's state schema. `shape` leaves out the batch axis, which comes first."""

    shape: tuple[int, ...]
    meaning: str
    dtype: torch.dtype = torch.float32


class StreamingModule(nn.Module, ABC):
    """Base of everything that runs frame by frame.

    hop_size      samples (or pictures) of the signal's time axis in one step
    hop_s         seconds between two steps
    lookahead_s   how far behind the end of its hop an output's own time is
    is_stepwise   an exported graph takes one hop a call: true where every step needs the result of the one before
    state_schema  name -> `StateTensor`
    """

    hop_size: ClassVar[int]
    hop_s: ClassVar[float]
    lookahead_s: float = 0.0
    is_stepwise: ClassVar[bool] = False
    state_schema: Mapping[str, StateTensor]

    def initial_state(self, batch: int = 1) -> State:
        """The state of `batch` streams that have heard nothing: the only reset."""
        device = next((tensor.device for tensor in [*self.parameters(), *self.buffers()]), torch.device("cpu"))
        return {
            name: torch.zeros(batch, *tensor.shape, dtype=tensor.dtype, device=device)
            for name, tensor in self.state_schema.items()
        }

    @abstractmethod
    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        """Outputs for every hop of `signal`, and the state after it."""


def run(module: StreamingModule, chunks: Iterable[Tensor], state: State | None = None) -> tuple[Outputs, State]:
    """Feed `chunks` one after the other; the outputs joined along time, and the last state.

    One chunk is offline, many are a stream; both give the same numbers. Raises ValueError for no chunks.
    """
    collected: list[Outputs] = []
    for chunk in chunks:
        state = module.initial_state(len(chunk)) if state is None else state
        outputs, state = module(chunk, state)
        collected.append(outputs)
    if not collected or state is None:
        raise ValueError("there is no chunk to run; pass at least one")
    return {name: torch.cat([outputs[name] for outputs in collected], dim=1) for name in collected[0]}, state


def random_chunks(signal: Tensor, hop_size: int, generator: torch.Generator, longest: int = 12) -> list[Tensor]:
    """`signal` cut along time into chunks of 1..`longest` hops, drawn at random."""
    hops, rest = divmod(signal.shape[1], hop_size)
    if rest:
        raise ValueError(f"the signal has {signal.shape[1]} samples; it must be a whole number of hops of {hop_size}")
    chunks: list[Tensor] = []
    begin = 0
    while begin < hops:
        end = min(hops, begin + int(torch.randint(1, longest + 1, (), generator=generator)))
        chunks.append(signal[:, begin * hop_size : end * hop_size])
        begin = end
    return chunks


def check_streaming(module: StreamingModule, signal: Tensor, seed: int = 0, tolerance: float = 1e-5) -> None:
    """AssertionError unless randomly chunked streaming gives what one big chunk gives, outputs and last state.

    `tolerance` is absolute for tensors within -1..1 and relative to the largest value of others.
    """
    generator = torch.Generator().manual_seed(seed)
    offline, offline_state = run(module, [signal])
    online, online_state = run(module, random_chunks(signal, module.hop_size, generator))
    for actual, expected in ((online, offline), (online_state, offline_state)):
        for name in expected:
            worst = float((actual[name] - expected[name]).abs().max() / expected[name].abs().max().clamp(min=1.0))
            assert worst <= tolerance, f"{name} differs by {worst:g} between streaming and offline"


def check_causal(module: StreamingModule, signal: Tensor, seed: int = 0) -> None:
    """AssertionError if any output changes when only the signal after its hop changes, or if none does at all."""
    generator = torch.Generator().manual_seed(seed)
    hops = signal.shape[1] // module.hop_size
    cut = int(torch.randint(1, hops, (), generator=generator))
    changed = signal.clone()
    future = changed[:, cut * module.hop_size :]
    future += torch.randn(future.shape, generator=generator) * (signal.std() + 0.1)
    before, _ = run(module, [signal])
    after, _ = run(module, [changed])
    for name, expected in before.items():
        assert torch.allclose(after[name][:, :cut], expected[:, :cut], atol=1e-6), f"{name} hears the future"
    assert any(not torch.allclose(after[name][:, cut:], before[name][:, cut:]) for name in before), (
        "no output reacts to the signal at all"
    )
