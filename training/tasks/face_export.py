"""Trained face networks -> face.onnx and face_detector.onnx that the driver runs.

    face.onnx            crop uint8 [B, 128, 128, 3], state_<name> -> outputs of `Face` [B, ...], next_state_<name>
    face_detector.onnx   picture uint8 [B, 256, 256, 3] -> score, boxes, points (see models.head.face_boxes)

Written only when ONNX Runtime agrees with torch, in one stream alone and in several at once.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from models.head.face_boxes import DETECTOR_PX
from models.video.backbone import ConvNorm
from models.video.face import Face, PictureOfFace
from models.video.face_detector import FaceDetector
from models.video.face_encoder import CROP_PX
from models.video.temporal import TAP_S
from protocol.frame import OPEN_HEAD_ID
from training.export import (
    NEXT_STATE_PREFIX,
    STATE_PREFIX,
    ExportError,
    graph_of,
    halve,
    record_hash,
    store_halves,
    write_file,
)

VERSION = "1"
TOLERANCE = 1e-4
_STREAMS, _PICTURES = 3, 12

_M = TypeVar("_M", bound=nn.Module)


def export_face(face: Face, path: Path) -> Path:
    """Write `path` (and its hash beside it), weights stored as float16. ExportError when it differs from torch."""
    picture = PictureOfFace(_folded(face)).requires_grad_(False)
    halve(picture)
    crops = _noise(_PICTURES, _STREAMS, CROP_PX)
    state = face.initial_state(_STREAMS)
    batch = torch.export.Dim.DYNAMIC
    with torch.no_grad():
        outputs, _ = picture(crops[0], state)
    graph = graph_of(
        picture,
        {"crop": crops[0], "state": state},
        {"crop": {0: batch}, "state": {name: {0: batch} for name in state}},
        ["crop", *(STATE_PREFIX + name for name in state)],
        [*outputs, *(NEXT_STATE_PREFIX + name for name in state)],
    )
    said = {"hop_size": "1", "hop_s": repr(TAP_S), "lookahead_s": "0.0", "styles": "{}"}
    said |= {"rate_hz": repr(1.0 / TAP_S), "crop_px": str(CROP_PX), "head": OPEN_HEAD_ID}
    content = _content(graph, "face", said)
    worst = max(_stream_difference(picture, content, crops[:, :streams]) for streams in (_STREAMS, 1))
    return _written(path, content, worst)


def export_detector(detector: FaceDetector, path: Path) -> Path:
    """Likewise, for the detector."""
    detector = _folded(detector).requires_grad_(False)
    halve(detector)
    pictures = _noise(1, _STREAMS, DETECTOR_PX)[0]
    with torch.no_grad():
        outputs = detector(pictures)
    shapes = {"pictures": {0: torch.export.Dim.DYNAMIC}}
    graph = graph_of(detector, {"pictures": pictures}, shapes, ["picture"], list(outputs))
    content = _content(graph, "face_detector", {"picture_px": str(DETECTOR_PX)})
    session = _session(content)
    results = session.run(list(outputs), {"picture": pictures.numpy()})
    worst = max(_difference(result, outputs[name]) for name, result in zip(outputs, results, strict=True))
    return _written(path, content, worst)


def _folded(module: _M) -> _M:
    """A copy with each BatchNorm worked into its convolution: done after the rounding of weights it would undo that."""
    module = copy.deepcopy(module).cpu().eval()
    for part in module.modules():
        if isinstance(part, ConvNorm):
            part.fold()
    return module


def _content(graph: onnx.ModelProto, name: str, said: dict[str, str]) -> bytes:
    store_halves(graph)
    onnx.helper.set_model_props(graph, {"name": name, "version": VERSION, **said})
    return graph.SerializeToString(deterministic=True)


def _written(path: Path, content: bytes, worst: float) -> Path:
    if not worst <= TOLERANCE:
        raise ExportError(f"{path.name} differs from torch by {worst:g}, more than {TOLERANCE:g}; nothing was written")
    write_file(path, content)
    record_hash(path)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, torch and ONNX Runtime agree to {worst:.1e}")
    return path


def _stream_difference(picture: nn.Module, content: bytes, crops: Tensor) -> float:
    """The largest between torch and ONNX Runtime over streams [T, B, S, S, 3] at 50 Hz with different look-aheads."""
    session = _session(content)
    names = [output.name for output in session.get_outputs()]
    streams = crops.shape[1]
    state = {name.removeprefix(STATE_PREFIX): torch.zeros(streams, *item) for name, item in _state_shapes(session)}
    state["step_s"] += 0.02
    state["knob_lookahead"] += torch.arange(streams)
    fed = {STATE_PREFIX + name: tensor.numpy() for name, tensor in state.items()}
    worst = 0.0
    for crop in crops:
        with torch.no_grad():
            outputs, state = picture(crop, state)
        results = dict(zip(names, session.run(names, {"crop": crop.numpy(), **fed}), strict=True))
        expected = outputs | {NEXT_STATE_PREFIX + name: tensor for name, tensor in state.items()}
        worst = max(worst, *(_difference(results[name], tensor) for name, tensor in expected.items()))
        fed = {STATE_PREFIX + name: results[NEXT_STATE_PREFIX + name] for name in state}
    return worst


def _state_shapes(session: Any) -> list[tuple[str, list[int]]]:
    return [(item.name, item.shape[1:]) for item in session.get_inputs() if item.name.startswith(STATE_PREFIX)]


def _difference(result: Any, expected: Tensor) -> float:
    """Absolute within -1..1, relative to the largest value beyond; infinity for NaN."""
    values = expected.numpy().astype(np.float64)
    worst = np.abs(np.asarray(result, np.float64) - values).max(initial=0.0) / max(1.0, np.abs(values).max(initial=0.0))
    return float(worst) if np.isfinite(worst) else np.inf


def _noise(*shape: int) -> Tensor:
    """Pictures uint8 [*shape[:-1], S, S, 3] of coarse noise, S the last of `shape`."""
    *lead, side = shape
    cells = torch.rand(int(np.prod(lead)), 3, 8, 8, generator=torch.Generator().manual_seed(0))
    fine = nn.functional.interpolate(cells, size=(side, side), mode="bilinear") * 255.0
    return fine.to(torch.uint8).permute(0, 2, 3, 1).reshape(*lead, side, side, 3).contiguous()


def _session(content: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
