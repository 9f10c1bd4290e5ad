"""Export writes a file only when ONNX Runtime computes what torch computes, and says what is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

import numpy as np  # noqa: E402
from torch import Tensor  # noqa: E402

from driver.runtime import OnnxModel  # noqa: E402
from driver.weights import find_weights  # noqa: E402
from models.head.flame import open_head  # noqa: E402
from models.streaming import Outputs, State, StateTensor, StreamingModule, random_chunks, run  # noqa: E402
from training.audio_baseline import articulation_to_motion, build, speech_like  # noqa: E402
from training.export import ExportError, ModelCard, export, record_hash  # noqa: E402

CARD = ModelCard("average", "7", "test-head/1")


class Average(StreamingModule):
    """Mean of each hop, smoothed; a knob that it passes on; a picture-like signal with trailing axes."""

    hop_size = 2
    hop_s = 0.02
    lookahead_s = 0.04
    state_schema: Mapping[str, StateTensor] = {
        "last": StateTensor((3,), "the smoothed mean"),
        "hops": StateTensor((), "hops so far", torch.int64),
        "gain": StateTensor((), "knob: gain over 1"),
    }

    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        means = signal.reshape(signal.shape[0], -1, self.hop_size, 3).mean(2)
        sums = state["last"][:, None] + means.cumsum(1)
        outputs = {"sum": sums * (1 + state["gain"])[:, None, None]}
        return outputs, {"last": sums[:, -1], "hops": state["hops"] + means.shape[1], "gain": state["gain"]}


class Undecided(Average):
    """Computes something else when it is traced than when it runs."""

    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        outputs, state = super().forward(signal, state)
        return {"sum": outputs["sum"] + float(torch.compiler.is_exporting())}, state


def example() -> Tensor:
    return torch.randn(3, 2 * 40, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def average(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "average.onnx"
    assert export(Average(), path, CARD, example()) <= 1e-4
    return path


def test_the_file_streams_like_the_module(average: Path) -> None:
    module, model = Average(), OnnxModel(average, "cpu")
    state = model.initial_state(3)
    assert state["hops"].dtype == np.int64
    expected, last = run(module, [example()])
    parts = []
    for chunk in random_chunks(example(), 2, torch.Generator().manual_seed(5)):
        results, state = model.step(chunk.contiguous().numpy(), state)
        parts.append(results["sum"])
    np.testing.assert_allclose(np.concatenate(parts, 1), expected["sum"].numpy(), atol=1e-5)
    assert state["hops"].tolist() == last["hops"].tolist() == [40, 40, 40]


def test_a_knob_is_a_state_that_may_be_turned(average: Path) -> None:
    model = OnnxModel(average, "cpu")
    chunk, state = example()[:1].numpy(), model.initial_state()
    plain, _ = model.step(chunk, state)
    turned, next_state = model.step(chunk, state | {"gain": np.array([1.0], np.float32)})
    np.testing.assert_allclose(turned["sum"], 2 * plain["sum"], rtol=1e-6)
    assert next_state["gain"].tolist() == [1.0]


def test_the_metadata_says_what_the_driver_needs(average: Path) -> None:
    said = OnnxModel(average, "cpu").metadata
    assert (said.name, said.version, said.head) == ("average", "7", "test-head/1")
    assert (said.hop_size, said.hop_s, said.lookahead_s) == (2, 0.02, 0.04)


def test_nothing_of_the_machine_is_in_the_file(average: Path) -> None:
    assert b".py" not in average.read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in average.read_bytes()


def test_a_graph_that_computes_something_else_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "average.onnx"
    with pytest.raises(ExportError, match="differs from torch by 1"):
        export(Undecided(), path, CARD, example())
    assert list(tmp_path.iterdir()) == []


def test_hashes_are_added_and_replaced(tmp_path: Path) -> None:
    for name, content in (("b.onnx", b"1"), ("a.onnx", b"2"), ("b.onnx", b"3")):
        (tmp_path / name).write_bytes(content)
        record_hash(tmp_path / name)
    expected = [
        f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in (("a.onnx", b"2"), ("b.onnx", b"3"))
    ]
    assert (tmp_path / "SHA256SUMS").read_text().splitlines() == expected


def test_the_shipped_baseline_is_what_the_source_builds(tmp_path: Path) -> None:
    rebuilt = tmp_path / "envelope.onnx"
    build(open_head(), rebuilt)
    signal = speech_like(batch=1, duration_s=4.0, seed=9).numpy()
    (new, _), (shipped, _) = (
        model.step(signal, model.initial_state())
        for model in (OnnxModel(rebuilt, "cpu"), OnnxModel(find_weights("envelope.onnx"), "cpu"))
    )
    for name in new:
        np.testing.assert_allclose(
            shipped[name], new[name], atol=1e-4, err_msg=f"{name}: run `python -m training.audio_baseline`"
        )


def test_the_baseline_opens_the_jaw_of_the_head() -> None:
    opening = articulation_to_motion(open_head())[0]
    assert 0.1 < float(opening[50]) < 0.4
    assert float(opening[51:].abs().max()) < 1e-3
