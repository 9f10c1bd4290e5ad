"""Networks that read emotions, from where they are: a finished run, a user's file, or what others published.

In a recipe that needs one (`emoca`):

    emotion = "runs/emotion"                  # a run of `emotion`
    emotion = "FILE.safetensors"              # what such a run exported; or a .pth, of which no code is run
    emotion = "node_modules/@vladmandic/face-api/model"    # the folder of face-api's networks (npm, MIT)

face-api's weights are a manifest that names tensors, shapes and how each is packed (uint8 with a scale and a minimum),
and shards of bytes beside it. Nothing is fetched.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.perceptual.emotion import EmotionNetwork
from models.perceptual.emotion_from_coefficients import (
    DETAIL_SIZE,
    EXPRESSION_SIZE,
    JAW_SIZE,
    SHAPE_SIZE,
    EmotionFromCoefficients,
)
from models.perceptual.face_api import Block, FaceApiExpression, Separable, Whole
from training.checkpoints import CheckpointError, read_tensors
from training.loop import averaged_weights, part_of
from training.recipe import RecipeError

MANIFEST = "face_expression_model-weights_manifest.json"
_PACKED = {"uint8": np.uint8, "uint16": np.uint16, "int32": np.int32, "float32": np.float32}


def load_emotion_reader(path: Path) -> nn.Module:
    """The frozen `EmotionReader` at `path`; see the module for what may be there. CheckpointError or RecipeError."""
    if (path / MANIFEST).is_file():
        reader: nn.Module = face_api_expression(path)
    elif path.is_dir():
        reader = trained_emotion(path)
    elif path.is_file():
        reader = _filled(EmotionNetwork(), _unwrapped(read_tensors(path)), path)
    else:
        raise CheckpointError(
            f"there is no emotion network at {path}; give a run of `emotion`, its exported file, or the folder with "
            f"{MANIFEST}"
        )
    return reader.eval().requires_grad_(False)


def trained_emotion(folder: Path) -> EmotionNetwork:
    """The network of a run of `emotion`, averaged weights. RecipeError when there is none."""
    return _filled(EmotionNetwork(), _of_run(folder, "emotion"), folder).eval()


def begin_at_faces(network: EmotionNetwork, folder: Path) -> None:
    """Take over the backbone of a run of `expression`. RecipeError when there is none, or another's."""
    tensors = part_of(_of_run(folder, "expression", "encoder"), "backbone")
    try:
        network.backbone.load_state_dict(tensors)
    except RuntimeError as error:
        raise RecipeError(f"{folder} has another backbone than an EmotionNetwork; leave expression_run out") from error


def trained_emotion_from_coefficients(folder: Path) -> EmotionFromCoefficients:
    """The perceptron of a run of `emotion_from_coefficients`, of whatever size it is."""
    tensors = _of_run(folder, "emotion_from_coefficients")
    if "layers.0.weight" not in tensors:
        raise CheckpointError(f"{folder} is no run of emotion_from_coefficients; give one")
    plain = SHAPE_SIZE + EXPRESSION_SIZE + JAW_SIZE
    inputs, width = tensors["layers.0.weight"].shape[0], tensors["head.weight"].shape[1]
    layers = sum(tensor.ndim == 2 for name, tensor in tensors.items() if name.startswith("layers."))
    network = EmotionFromCoefficients(width, layers, has_detail=inputs == plain + DETAIL_SIZE)
    return _filled(network, tensors, folder).eval()


def face_api_expression(folder: Path) -> FaceApiExpression:
    """face-api's network from the folder of its manifest. CheckpointError when a file is missing or another's."""
    tensors = _unpacked(folder)
    network = FaceApiExpression()
    own = dict(network.named_parameters())
    for name, values in _theirs(network, tensors, folder).items():
        if own[name].shape != values.shape:
            raise CheckpointError(f"{folder}: {name} has the shape {tuple(values.shape)}, not {tuple(own[name].shape)}")
        own[name].data.copy_(values)
    return network.eval()


def _theirs(network: FaceApiExpression, tensors: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """Their tensors (height, width, inputs, outputs) under our names and in torch's order."""
    found: dict[str, Tensor] = {}

    def take(name: str) -> Tensor:
        if name not in tensors:
            raise CheckpointError(f"{folder / MANIFEST} lacks the tensor {name}; it is of another network or version")
        return tensors[name]

    for number, block in enumerate(network.blocks):
        assert isinstance(block, Block)
        for place, layer in enumerate(block.layers):
            there, here = f"dense{number}/conv{place}", f"blocks.{number}.layers.{place}"
            if isinstance(layer, Whole):
                found[f"{here}.whole.weight"] = take(f"{there}/filters").permute(3, 2, 0, 1)
                found[f"{here}.whole.bias"] = take(f"{there}/bias")
            elif isinstance(layer, Separable):
                found[f"{here}.depthwise.weight"] = take(f"{there}/depthwise_filter").permute(2, 3, 0, 1)
                found[f"{here}.pointwise.weight"] = take(f"{there}/pointwise_filter").permute(3, 2, 0, 1)
                found[f"{here}.pointwise.bias"] = take(f"{there}/bias")
    return found | {"head.weight": take("fc/weights").T, "head.bias": take("fc/bias")}


def _unpacked(folder: Path) -> dict[str, Tensor]:
    """All tensors of the manifest by name, float32."""
    found: dict[str, Tensor] = {}
    try:
        groups: list[dict[str, Any]] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for group in groups:
            # Paths are names of files beside the manifest; whatever else they are is not followed.
            content = b"".join((folder / Path(name).name).read_bytes() for name in group["paths"])
            at = 0
            for weight in group["weights"]:
                packing = weight.get("quantization")
                kind = np.dtype(_PACKED[packing["dtype"] if packing else weight["dtype"]]).newbyteorder("<")
                count = math.prod(weight["shape"])
                values = np.frombuffer(content, kind, count, at).astype(np.float32).reshape(weight["shape"])
                at += count * kind.itemsize
                if packing:
                    values = values * np.float32(packing["scale"]) + np.float32(packing["min"])
                found[weight["name"]] = torch.from_numpy(np.array(values, np.float32))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(
            f"{folder / MANIFEST} or a shard of it cannot be read ({error}); fetch it again"
        ) from error
    return found


def _of_run(folder: Path, recipe: str, part: str = "network") -> dict[str, Tensor]:
    try:
        return part_of(averaged_weights(folder), part)
    except FileNotFoundError as error:
        raise RecipeError(f"{error}: run python -m training.run {recipe} first") from error


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without the names of what was around the network when it was saved."""
    for prefix in ("module.", "average.module.", "student.", "network."):
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _filled(network: nn.Module, tensors: dict[str, Tensor], path: Path) -> Any:
    """`network` with these weights. CheckpointError when they are another's."""
    wanted = network.state_dict()
    missing, other = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    odd = [name for name in wanted if name in tensors and wanted[name].shape != tensors[name].shape]
    if missing or other or odd:
        what = f"lacks {missing[0]}" if missing else f"has {other[0]}" if other else f"has another shape of {odd[0]}"
        raise CheckpointError(f"{path} is not a {type(network).__name__}: it {what}; give a file that our recipe wrote")
    network.load_state_dict(tensors)
    return network
