"""Runs exported models with ONNX Runtime: one session, its state as named arrays, its metadata. No torch.

A model file has the input `signal` (or `crop`, when it takes a picture of a face at a time), inputs `state_<name>` with
their partners `next_state_<name>` among the outputs, and any other outputs, which are its results. Batch is axis 0
everywhere, and the state of a new stream is all zeros. A plain network has inputs and outputs and no state.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as _untyped_onnxruntime  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from driver.config import Device
from driver.errors import ModelError
from driver.knobs import KNOB_PREFIX

Array = NDArray[Any]
State = dict[str, Array]

# The package ships no types; what it returns is typed where it enters, below.
onnxruntime: Any = _untyped_onnxruntime

SIGNAL, CROP = "signal", "crop"
STATE_PREFIX = "state_"
NEXT_STATE_PREFIX = "next_state_"

_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_SILENT = 4
_ort_errors: Any = onnxruntime.capi.onnxruntime_pybind11_state
_LOAD_ERRORS: tuple[type[Exception], ...] = (
    _ort_errors.Fail,
    _ort_errors.InvalidArgument,
    _ort_errors.InvalidGraph,
    _ort_errors.InvalidProtobuf,
    _ort_errors.NoSuchFile,
    _ort_errors.NotImplemented,
)
_DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8}


@dataclass(frozen=True)
class ModelMetadata:
    """What a model file says about itself.

    hop_size      samples or pictures of the signal in one step
    hop_s         seconds between two steps
    lookahead_s   how far behind the end of its hop a result's own time is
    head          id of the head model that its expression and jaw belong to
    styles        name -> vector of the styles that it has learnt, for its knob `style`
    """

    name: str
    version: str
    head: str
    hop_size: int
    hop_s: float
    lookahead_s: float
    styles: dict[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])


class OnnxModel:
    """One loaded model. It keeps no stream: the state goes in and the next one comes out.

    device   "cpu"; "cuda", which fails when CUDA does not really load; "auto", which takes CUDA where it loads and the
             processor otherwise, and never fails for want of a device
    Raises ModelError when the file is not one of ours, or when the device is not to be had.
    """

    def __init__(self, path: Path, device: Device = "auto") -> None:
        self.path = path
        self._session: Any = _open(path, device)
        self.provider: str = self._session.get_providers()[0]
        self.metadata = _read_metadata(path, self._session)
        self._inputs: dict[str, Any] = {item.name: item for item in self._session.get_inputs()}
        self._output_names: list[str] = [item.name for item in self._session.get_outputs()]
        self._state_names = [name.removeprefix(STATE_PREFIX) for name in self._inputs if name.startswith(STATE_PREFIX)]
        self._signal = CROP if CROP in self._inputs else SIGNAL
        next_names = {name for name in self._output_names if name.startswith(NEXT_STATE_PREFIX)}
        if self._signal not in self._inputs or next_names != {NEXT_STATE_PREFIX + name for name in self._state_names}:
            raise ModelError(
                f"{path} takes {sorted(self._inputs)} and gives {sorted(self._output_names)}; a model needs the input "
                f"{SIGNAL!r} or {CROP!r} and a {NEXT_STATE_PREFIX}* output for each {STATE_PREFIX}* input: "
                "export it again"
            )

    @property
    def result_names(self) -> list[str]:
        """The names of what `step` returns first."""
        return [name for name in self._output_names if not name.startswith(NEXT_STATE_PREFIX)]

    @property
    def knob_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape without batch axis of every state that is a knob (see `driver.knobs`), by the state's name."""
        return {
            name: tuple(self._inputs[STATE_PREFIX + name].shape[1:])
            for name in self._state_names
            if name.startswith(KNOB_PREFIX)
        }

    @property
    def crop_px(self) -> int:
        """Side of the crops that it takes. ModelError for a model of signals."""
        if self._signal != CROP:
            raise ModelError(f"{self.path} takes no crops of faces; use a face.onnx written by training.run temporal")
        return int(self._inputs[CROP].shape[1])

    @property
    def lookahead_ns(self) -> int:
        """How far behind the end of its hop a result's own time is while no knob is turned."""
        return round(self.metadata.lookahead_s * 1e9)

    @property
    def styles(self) -> dict[str, tuple[float, ...]]:
        """The styles that it has learnt."""
        return self.metadata.styles

    def initial_state(self, batch: int = 1) -> State:
        """The state of `batch` streams that have seen nothing: zeros."""
        return {name: _zeros(self._inputs[STATE_PREFIX + name], batch) for name in self._state_names}

    def step(self, signal: Array, state: State) -> tuple[dict[str, Array], State]:
        """One chunk [batch, hops * hop_size, ...]: results [batch, hops, ...] by name, and the next state.

        A model of crops takes [batch, side, side, 3] and gives [batch, ...].
        """
        feed = {self._signal: signal, **{STATE_PREFIX + name: array for name, array in state.items()}}
        outputs: Sequence[Any] = self._session.run(self._output_names, feed)
        results: dict[str, Array] = {}
        next_state: State = {}
        for name, array in zip(self._output_names, outputs, strict=True):
            if name.startswith(NEXT_STATE_PREFIX):
                next_state[name.removeprefix(NEXT_STATE_PREFIX)] = array
            else:
                results[name] = array
        return results, next_state

    def warm_up(self, steps: int = 3) -> None:
        """Run a few steps of nothing, so that the first real one is not slow."""
        state = self.initial_state()
        item = self._inputs[self._signal]
        is_crop = self._signal == CROP
        shape: list[int] = [1, *item.shape[1:]] if is_crop else [1, self.metadata.hop_size, *item.shape[2:]]
        signal = np.zeros(shape, _DTYPES[item.type])
        for _ in range(steps):
            _, state = self.step(signal, state)


class OnnxNetwork:
    """A network without state: `network(name=array)` gives its outputs by name; `said` is its metadata.

    Raises ModelError as `OnnxModel` does.
    """

    def __init__(self, path: Path, device: Device = "auto") -> None:
        self.path = path
        self._session: Any = _open(path, device)
        self.output_names: list[str] = [item.name for item in self._session.get_outputs()]
        self.input_shapes: dict[str, list[Any]] = {item.name: item.shape for item in self._session.get_inputs()}
        self.said: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        return dict(zip(self.output_names, self._session.run(self.output_names, inputs), strict=True))


def _open(path: Path, device: Device) -> Any:
    if device != "cpu" and (device == "cuda" or _CUDA in onnxruntime.get_available_providers()):
        # Asked for CUDA, ONNX Runtime logs and falls back by itself when a library is missing: only the session knows.
        session = _session(path, [_CUDA, _CPU] if _CUDA in onnxruntime.get_available_providers() else [_CPU])
        if device == "auto" or _CUDA in session.get_providers():
            return session
        raise ModelError(
            "device is 'cuda', but ONNX Runtime could not load CUDA here; replace the package onnxruntime by "
            "onnxruntime-gpu and install CUDA with cuDNN, or choose --device auto or cpu"
        )
    return _session(path, [_CPU])


def _session(path: Path, providers: list[str]) -> Any:
    options = onnxruntime.SessionOptions()
    # One thread a model: models run beside each other, and the tail matters more than the mean.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except _LOAD_ERRORS as error:
        raise ModelError(
            f"{path} is not a model that ONNX Runtime can load: {error}; export or download it again"
        ) from error


def _read_metadata(path: Path, session: Any) -> ModelMetadata:
    said: dict[str, str] = session.get_modelmeta().custom_metadata_map
    try:
        return ModelMetadata(
            name=said["name"],
            version=said["version"],
            head=said["head"],
            hop_size=int(said["hop_size"]),
            hop_s=float(said["hop_s"]),
            lookahead_s=float(said["lookahead_s"]),
            styles=_read_styles(said.get("styles", "{}")),
        )
    except KeyError as error:
        raise ModelError(
            f"{path} does not say its {error.args[0]!r} in its metadata; use a model written by training.export"
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} has unreadable metadata: {error}; use a model written by training.export") from error


def _read_styles(text: str) -> dict[str, tuple[float, ...]]:
    """JSON, {"name": [numbers]}."""
    return {str(name): tuple(float(number) for number in vector) for name, vector in json.loads(text).items()}


def _zeros(item: Any, batch: int) -> Array:
    shape: list[Any] = [batch, *item.shape[1:]]
    if any(isinstance(size, str) for size in shape):
        raise ModelError(
            f"the state {item.name} has the shape {item.shape}; only its batch may be free: export it again"
        )
    return np.zeros(shape, _DTYPES[item.type])
