"""ONNX sessions: named state, metadata, choice of device, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from driver.errors import ModelError
from driver.runtime import OnnxModel
from driver.weights import find_weights

ENVELOPE = find_weights("envelope.onnx")


def noise(hops: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (1, 320 * hops)).astype(np.float32)


def test_chunks_of_any_size_give_the_same_motion() -> None:
    model, sound = OnnxModel(ENVELOPE, "cpu"), noise(60)
    offline, _ = model.step(sound, model.initial_state())
    for hops in (1, 5, 10):
        state, parts = model.initial_state(), []
        for begin in range(0, 60, hops):
            results, state = model.step(sound[:, begin * 320 : (begin + hops) * 320], state)
            parts.append(results["jaw"])
        np.testing.assert_allclose(np.concatenate(parts, 1), offline["jaw"], atol=1e-5)


def test_the_state_goes_in_and_comes_out_and_stays_nowhere() -> None:
    model, sound = OnnxModel(ENVELOPE, "cpu"), noise(5)
    state = model.initial_state()
    first, after = model.step(sound, state)
    again, _ = model.step(sound, state)
    later, _ = model.step(sound, after)
    np.testing.assert_array_equal(first["jaw"], again["jaw"])
    assert not np.allclose(first["jaw"], later["jaw"])
    assert all(not array.any() for array in state.values())
    assert {name: array.shape for name, array in after.items()} == {name: array.shape for name, array in state.items()}


def test_a_batch_is_independent_streams() -> None:
    model, sound = OnnxModel(ENVELOPE, "cpu"), noise(20)
    both, _ = model.step(np.concatenate([sound, 0 * sound]), model.initial_state(2))
    alone, _ = model.step(sound, model.initial_state())
    np.testing.assert_allclose(both["jaw"][0], alone["jaw"][0], atol=1e-6)
    assert both["jaw"][1].max() < 1e-3


def test_what_it_says_about_itself() -> None:
    model = OnnxModel(ENVELOPE, "cpu")
    said = model.metadata
    assert (said.name, said.head, said.hop_size, said.hop_s, said.lookahead_s) == (
        "envelope",
        "open-head/1",
        320,
        0.02,
        0,
    )
    assert set(model.result_names) == {"expression", "jaw", "speech", "laughter", "valence", "arousal", "confidence"}
    model.warm_up()


def test_knobs_styles_and_look_ahead_of_a_voice(tiny_voice: Path) -> None:
    model = OnnxModel(tiny_voice, "cpu")
    assert model.knob_shapes["knob_style"] == (8,)
    assert model.styles["calm"] == (0.5,) * 8
    assert model.lookahead_ns == 80_000_000
    envelope = OnnxModel(ENVELOPE, "cpu")
    assert (envelope.knob_shapes, envelope.styles, envelope.lookahead_ns) == ({}, {}, 0)


def test_auto_never_fails_for_want_of_a_device() -> None:
    assert OnnxModel(ENVELOPE, "auto").provider in ("CPUExecutionProvider", "CUDAExecutionProvider")


class _FallsBack(onnxruntime.InferenceSession):
    """What ONNX Runtime does when it lists CUDA and a library of CUDA is missing: it says nothing and takes the CPU."""

    def __init__(self, path: str, options: object, providers: list[str]) -> None:
        super().__init__(path, options, providers=["CPUExecutionProvider"])


def test_cuda_that_is_listed_but_does_not_load_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    monkeypatch.setattr(onnxruntime, "InferenceSession", _FallsBack)
    with pytest.raises(ModelError, match=r"could not load CUDA.*onnxruntime-gpu.*--device auto or cpu"):
        OnnxModel(ENVELOPE, "cuda")
    assert OnnxModel(ENVELOPE, "auto").provider == "CPUExecutionProvider"


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here")
def test_cuda_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(ModelError, match="could not load CUDA"):
        OnnxModel(ENVELOPE, "cuda")


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "noise.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"noise\.onnx is not a model that ONNX Runtime can load"):
        OnnxModel(path, "cpu")


def test_a_model_of_somebody_else_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(ENVELOPE)
    kept = {item.key: item.value for item in graph.metadata_props}
    path = tmp_path / "changed.onnx"

    onnx.helper.set_model_props(graph, {key: value for key, value in kept.items() if key != "head"})
    onnx.save(graph, path)
    with pytest.raises(ModelError, match="does not say its 'head'"):
        OnnxModel(path, "cpu")

    onnx.helper.set_model_props(graph, kept | {"hop_size": "many"})
    onnx.save(graph, path)
    with pytest.raises(ModelError, match="unreadable metadata"):
        OnnxModel(path, "cpu")

    for styles in ("[1, 2]", '{"calm": 3}', '{"calm": ["loud"]}', "{"):
        onnx.helper.set_model_props(graph, kept | {"styles": styles})
        onnx.save(graph, path)
        with pytest.raises(ModelError, match="unreadable metadata"):
            OnnxModel(path, "cpu")

    onnx.helper.set_model_props(graph, kept)
    renamed = next(item for item in graph.graph.output if item.name == "next_state_level")
    for node in graph.graph.node:
        node.output[:] = ["lost" if name == renamed.name else name for name in node.output]
    renamed.name = "lost"
    onnx.save(graph, path)
    with pytest.raises(ModelError, match=r"a next_state_\* output for each state_\* input"):
        OnnxModel(path, "cpu")

    graph = onnx.load(ENVELOPE)
    graph.graph.input[0].name = "sound"
    for node in graph.graph.node:
        node.input[:] = ["sound" if name == "signal" else name for name in node.input]
    onnx.save(graph, path)
    with pytest.raises(ModelError, match="a model needs the input 'signal'"):
        OnnxModel(path, "cpu")
