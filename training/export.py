"""Torch module -> ONNX file with its state as named tensors, written only when ONNX Runtime agrees with torch.

The file's inputs are `signal` and `state_<name>`, its outputs the module's own names and `next_state_<name>`; batch and
time are free (time is one hop for a stepwise module). The metadata says what the driver must know: name, version, head,
hop_size, hop_s, lookahead_s.
"""

from __future__ import annotations

import hashlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from models.streaming import StreamingModule, random_chunks

OPSET = 20
STATE_PREFIX = "state_"
NEXT_STATE_PREFIX = "next_state_"
SUMS_NAME = "SHA256SUMS"
# Smaller tensors stay as they are: they weigh nothing, and spreads and biases want their digits.
_WORTH_HALVING = 4096


class ExportError(RuntimeError):
    """The exported graph does not compute what the module computes."""


@dataclass(frozen=True)
class ModelCard:
    """What the file says about itself. `head` is the id of the head model that its expression and jaw belong to.

    styles   JSON: name -> style vector, for models that have styles
    """

    name: str
    version: str
    head: str
    styles: str = "{}"


def export(
    module: StreamingModule,
    path: Path,
    card: ModelCard,
    example: Tensor,
    tolerance: float = 1e-4,
    half_weights: bool = False,
) -> float:
    """Write `module` to `path` and its hash to SHA256SUMS beside it; the largest difference seen.

    example     a signal [batch, hops * hop_size, ...] like the real one, batch and hops at least 2: torch and ONNX
                Runtime are both streamed over it in random chunks, once alone and once as a batch
    half_weights  round the module's weights to float16 (in place) and store them so: half the file, and no difference
                between torch and the file, which computes in float32 as before
    Raises ExportError when any output or state differs by more than `tolerance`; nothing is written then.
    """
    module = module.eval().requires_grad_(False)
    if half_weights:
        halve(module)
    graph = _to_onnx(module, example)
    if half_weights:
        store_halves(graph)
    metadata = {
        **asdict(card),
        "hop_size": str(module.hop_size),
        "hop_s": repr(module.hop_s),
        "lookahead_s": repr(module.lookahead_s),
    }
    onnx.helper.set_model_props(graph, metadata)
    content = graph.SerializeToString(deterministic=True)
    worst = max(_largest_difference(module, content, signal) for signal in (example, example[:1]))
    if not worst <= tolerance:
        raise ExportError(f"{path.name} differs from torch by {worst:g}, more than {tolerance:g}; nothing was written")
    write_file(path, content)
    record_hash(path)
    return worst


def record_hash(path: Path) -> None:
    """Add or replace the line of `path` in the SHA256SUMS of its folder (the format of `sha256sum`)."""
    sums = path.with_name(SUMS_NAME)
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    hash_of = {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}
    hash_of[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    write_file(sums, "".join(f"{hash_of[name]}  {name}\n" for name in sorted(hash_of)).encode())


def _to_onnx(module: StreamingModule, example: Tensor) -> onnx.ModelProto:
    # Two streams of three hops: torch.export takes sizes of one for constants.
    hops = torch.export.Dim("hops", min=1, max=1 << 20)
    batch = torch.export.Dim.DYNAMIC
    time = {} if module.is_stepwise else {1: hops * module.hop_size if module.hop_size > 1 else hops}
    signal = example[:2, : (1 if module.is_stepwise else 3) * module.hop_size].contiguous()
    state = module.initial_state(len(signal))
    outputs, _ = module(signal, state)
    return graph_of(
        module,
        {"signal": signal, "state": state},
        {"signal": {0: batch, **time}, "state": {name: {0: batch} for name in state}},
        ["signal", *(STATE_PREFIX + name for name in state)],
        [*outputs, *(NEXT_STATE_PREFIX + name for name in state)],
    )


def graph_of(
    module: nn.Module,
    arguments: dict[str, Any],
    dynamic_shapes: dict[str, Any],
    input_names: list[str],
    output_names: list[str],
) -> onnx.ModelProto:
    """The ONNX graph of a module, of keyword `arguments` (tensors, dicts of them), without traces of this machine."""
    with _quiet():
        program = torch.onnx.export(
            module,
            (),
            kwargs=arguments,
            dynamic_shapes=dynamic_shapes,
            input_names=input_names,
            output_names=output_names,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ExportError("the exporter returned no program")
    graph = program.model_proto
    # The exporter notes source files and stack traces of the machine it ran on.
    for item in [*graph.graph.node, *graph.graph.value_info, *graph.graph.input, *graph.graph.output]:
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    graph.graph.ClearField("metadata_props")
    for function in graph.functions:
        function.ClearField("metadata_props")
        for node in function.node:
            node.ClearField("metadata_props")
    onnx.checker.check_model(graph)
    return graph


def halve(module: nn.Module) -> None:
    """Round a module's large weights to float16, in place; they stay float32."""
    for tensor in module.state_dict().values():
        if tensor.is_floating_point() and tensor.numel() >= _WORTH_HALVING:
            tensor.copy_(tensor.half())


def store_halves(graph: onnx.ModelProto) -> None:
    """Replace each large float32 weight that float16 holds exactly by its half and a cast, run once at loading."""
    casts: list[onnx.NodeProto] = []
    for number, weight in enumerate(graph.graph.initializer):
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < _WORTH_HALVING:
            continue
        halves = values.astype(np.float16)
        if not np.array_equal(halves.astype(np.float32), values):
            continue
        name = weight.name
        graph.graph.initializer[number].CopyFrom(onnx.numpy_helper.from_array(halves, f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(graph.graph.node)
    graph.graph.ClearField("node")
    graph.graph.node.extend([*casts, *nodes])


def _largest_difference(module: StreamingModule, content: bytes, signal: Tensor) -> float:
    """Between torch and ONNX Runtime over one random stream, outputs and states alike; infinity for NaN."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    state = module.initial_state(len(signal))
    runtime_state = {STATE_PREFIX + name: tensor.numpy() for name, tensor in state.items()}
    worst = 0.0
    longest = 1 if module.is_stepwise else 12
    for chunk in random_chunks(signal, module.hop_size, torch.Generator().manual_seed(0), longest):
        outputs, state = module(chunk, state)
        results = session.run(None, {"signal": chunk.contiguous().numpy(), **runtime_state})
        result_of = dict(zip(names, (np.asarray(result) for result in results), strict=True))
        expected = outputs | {NEXT_STATE_PREFIX + name: tensor for name, tensor in state.items()}
        for name, tensor in expected.items():
            difference = np.abs(result_of[name].astype(np.float64) - tensor.numpy()).max(initial=0.0)
            worst = max(worst, float(difference) if np.isfinite(difference) else np.inf)
        runtime_state = {STATE_PREFIX + name: result_of[NEXT_STATE_PREFIX + name] for name in state}
    return worst


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter logs and warns about its own internals (a missing torchvision, a deprecated tree class)."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def write_file(path: Path, content: bytes) -> None:
    """Replace `path` in one step: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".part")
    half.write_bytes(content)
    os.replace(half, path)
