"""The streaming contract's own checks must pass what is right and catch what is wrong."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from models.streaming import (  # noqa: E402
    Outputs,
    State,
    StateTensor,
    StreamingModule,
    check_causal,
    check_streaming,
    random_chunks,
    run,
)


class RunningSum(StreamingModule):
    """The simplest right module: the sum of everything so far."""

    hop_size = 4
    hop_s = 0.001
    state_schema: Mapping[str, StateTensor] = {"total": StateTensor((), "sum of all samples so far")}

    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        sums = signal.reshape(len(signal), -1, self.hop_size).sum(-1).cumsum(1) + state["total"][:, None]
        return {"sum": sums}, {"total": sums[:, -1]}


class Forgetful(RunningSum):
    """Loses its state between chunks."""

    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        return super().forward(signal, {"total": state["total"] * 0})


class Clairvoyant(RunningSum):
    """Normalises by the whole chunk, as offline code likes to."""

    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        return super().forward(signal - signal.mean(1, keepdim=True), state)


class Deaf(RunningSum):
    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        return super().forward(torch.zeros_like(signal), state)


def signal(hops: int = 50, batch: int = 2) -> Tensor:
    return torch.randn(batch, hops * RunningSum.hop_size, generator=torch.Generator().manual_seed(3)) + 0.5


def test_a_right_module_passes() -> None:
    check_streaming(RunningSum(), signal(), tolerance=1e-4)
    check_causal(RunningSum(), signal())


def test_lost_state_is_caught() -> None:
    with pytest.raises(AssertionError, match="differs by"):
        check_streaming(Forgetful(), signal())


def test_hearing_the_future_is_caught() -> None:
    with pytest.raises(AssertionError, match="hears the future"):
        check_causal(Clairvoyant(), signal())


def test_hearing_nothing_is_caught() -> None:
    with pytest.raises(AssertionError, match="no output reacts"):
        check_causal(Deaf(), signal())


def test_chunks_are_whole_hops_and_join_to_the_signal() -> None:
    given = signal()
    pieces = random_chunks(given, 4, torch.Generator().manual_seed(1))
    assert len(pieces) > 3
    assert all(piece.shape[1] % 4 == 0 for piece in pieces)
    assert torch.equal(torch.cat(pieces, 1), given)
    with pytest.raises(ValueError, match="whole number of hops"):
        random_chunks(given[:, :-1], 4, torch.Generator())


def test_rows_are_independent_and_zeroing_one_restarts_it_alone() -> None:
    module, given = RunningSum(), signal()
    _, state = run(module, [given])
    state = {name: tensor * torch.tensor([0.0, 1.0]) for name, tensor in state.items()}
    outputs, _ = run(module, [given], state)
    fresh, _ = run(module, [given])
    assert torch.equal(outputs["sum"][0], fresh["sum"][0])
    assert not torch.allclose(outputs["sum"][1], fresh["sum"][1])


def test_no_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        run(RunningSum(), [])
