"""MediaPipe's face networks, run by LiteRT: one thread each, so that equal input gives equal output."""

# LiteRT ships no types; `Network` is where they begin.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from driver.errors import ModelError
from protocol.frame import Floats

_DETECTOR = "face_detector.tflite"
_LANDMARKER = "face_landmarks_detector.tflite"


class Network:
    """A graph with one input: call it with a float32 array, get its outputs by name as float32 arrays."""

    def __init__(self, graph: bytes) -> None:
        """ModelError where LiteRT, an extra, is not installed."""
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ModelError(
                "MediaPipe's networks need the package ai-edge-litert, which is not installed; "
                "pip install 'avatar-driver[mediapipe]', or choose --tracker native"
            ) from error
        self._interpreter = Interpreter(model_content=graph, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = {detail["name"]: detail["index"] for detail in self._interpreter.get_output_details()}
        self.input_shape: tuple[int, ...] = tuple(int(size) for size in self._input["shape"])

    def __call__(self, values: Floats) -> dict[str, Floats]:
        """All outputs for `values`, which has the shape `input_shape`."""
        self._interpreter.set_tensor(self._input["index"], values)
        self._interpreter.invoke()
        return {name: np.array(self._interpreter.get_tensor(index)) for name, index in self._outputs.items()}


@dataclass(frozen=True)
class FaceNetworks:
    """detector     finds faces (BlazeFace short range): [1, 128, 128, 3] in -1..1 -> `regressors`, `classificators`
    landmarker   places 478 landmarks: [1, 256, 256, 3] in 0..1 -> `Identity` (crop pixels), `Identity_1` (presence)
    """

    detector: Network
    landmarker: Network


def load_face_networks(path: Path) -> FaceNetworks:
    """The networks of a `face_landmarker.task` (a zip of TFLite graphs); ModelError when it is something else."""
    try:
        with zipfile.ZipFile(path) as archive:
            graphs = [archive.read(name) for name in (_DETECTOR, _LANDMARKER)]
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise ModelError(
            f"The face model {path} is not a MediaPipe face landmarker ({error}); "
            f"remove it, and it will be downloaded again."
        ) from error
    return FaceNetworks(*(Network(graph) for graph in graphs))
