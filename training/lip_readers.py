"""Lip readers by file: ours (the recipe `visual_speech`) or a published one that a user has, for the lip-reading loss.

Of a published checkpoint the front end is taken, by its tensors' names, wherever it is in the file:

    auto-avsr and other descendants of ESPnet   ...frontend.frontend3D.*, ...frontend.trunk.layerN.M.*
    AV-HuBERT                                   ...resnet.frontend3D.*, ...resnet.trunk.layerN.M.*

Both are a pickled state dict (.pth, .pt, .bin) or safetensors. Pickles go through the restricted loader: fairseq's own
files hold more than tensors and are refused with the remedy. Those networks may have their authors' terms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from safetensors import safe_open
from torch import Tensor, nn

from models.perceptual.published_reader import PublishedReader
from models.perceptual.visual_speech import ReaderShape, VisualSpeech
from training.checkpoints import CheckpointError, read_tensors
from training.recipe import build

# How the file that `visual_speech` exports says how its network is built.
METADATA_KEY = "visual_speech"
EXPORTED = "visual_speech.safetensors"
_STEM = "frontend3D."
_ANCHOR = f"{_STEM}0.weight"
_SLOPES = "trunk.layer1.0.relu1.weight"
_COUNTER = "num_batches_tracked"
_BLOCKS_A_STAGE = 2


class LipReader(Protocol):
    """What a lip-reading loss needs: `features` of mouths [B, T, 88, 88] (grey 0..1, 25 Hz) as [B, T, feature_size]."""

    feature_size: int

    def features(self, mouths: Tensor) -> Tensor: ...


def load_lip_reader(path: Path) -> VisualSpeech | PublishedReader:
    """The frozen network at `path`, a file or a run of `visual_speech`. CheckpointError where there is none."""
    path = path / EXPORTED if path.is_dir() else path
    if not path.is_file():
        raise CheckpointError(
            f"there is no lip reader at {path}; train one with python -m training.run visual_speech, or name your own"
        )
    reader = _ours(path) if _is_ours(path) else _published(read_tensors(path), path)
    return reader.eval().requires_grad_(False)


def load_visual_speech(path: Path) -> VisualSpeech:
    """Likewise, one that reads visemes: ours. CheckpointError for another's."""
    reader = load_lip_reader(path)
    if not isinstance(reader, VisualSpeech):
        raise CheckpointError(f"{path} tells features, but reads no visemes; take one of the recipe visual_speech")
    return reader


def _is_ours(path: Path) -> bool:
    if path.suffix != ".safetensors":
        return False
    try:
        with safe_open(str(path), "pt") as file:  # pyright: ignore[reportUnknownVariableType]
            return METADATA_KEY in (file.metadata() or {})
    except Exception as error:  # whatever safetensors makes of a damaged file
        raise CheckpointError(f"{path} cannot be read ({error}); fetch or train it again") from error


def _ours(path: Path) -> VisualSpeech:
    with safe_open(str(path), "pt") as file:
        shape = build(ReaderShape, json.loads((file.metadata() or {})[METADATA_KEY]), "shape.")
    reader = VisualSpeech(shape)
    _fill(reader, read_tensors(path), path)
    return reader


def _published(tensors: Mapping[str, Tensor], path: Path) -> PublishedReader:
    anchor = next((name for name in tensors if name.endswith(_ANCHOR)), None)
    if anchor is None:
        raise CheckpointError(
            f"{path} holds no lip reader (no tensor ...{_ANCHOR}); pass one of auto-avsr's or AV-HuBERT's layout, or "
            "one of the recipe visual_speech"
        )
    prefix = anchor.removesuffix(_ANCHOR)
    inner = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    has_slopes = _SLOPES in inner
    reader = PublishedReader("prelu" if has_slopes else "swish")
    _fill(reader, dict(filter(None, (_renamed(name, tensor) for name, tensor in inner.items()))), path)
    return reader


def _renamed(name: str, tensor: Tensor) -> tuple[str, Tensor] | None:
    """A tensor of theirs under our name; None for what is not of the front end."""
    if name.startswith(_STEM):
        return f"stem.{name.removeprefix(_STEM)}", tensor
    if not name.startswith("trunk.layer"):
        return None
    stage, number, rest = name.removeprefix("trunk.layer").split(".", 2)
    return f"blocks.{_BLOCKS_A_STAGE * (int(stage) - 1) + int(number)}.{rest}", tensor


def _fill(reader: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    # How many batches the statistics were taken over plays no part in what they are.
    wanted = {name: tensor for name, tensor in reader.state_dict().items() if not name.endswith(_COUNTER)}
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith(_COUNTER)}
    missing = sorted(wanted.keys() - tensors.keys())
    misshapen = sorted(name for name in wanted.keys() & tensors.keys() if wanted[name].shape != tensors[name].shape)
    unknown = sorted(tensors.keys() - wanted.keys())
    if missing or misshapen or unknown:
        name = (missing or misshapen or unknown)[0]
        what = "lacks" if missing else "has another shape of" if misshapen else "has no place for"
        raise CheckpointError(f"{path} {what} {name} of the network; it is damaged or of another architecture")
    reader.load_state_dict(tensors, strict=False)
