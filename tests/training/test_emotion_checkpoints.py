"""Networks of emotions out of files: what others published, a user's own, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.perceptual.emotion import EmotionNetwork
from models.perceptual.face_api import FaceApiExpression
from training.checkpoints import CheckpointError
from training.emotion_checkpoints import (
    MANIFEST,
    begin_at_faces,
    load_emotion_reader,
    trained_emotion_from_coefficients,
)
from training.recipe import RecipeError
from training.tasks.emotion import EmotionStudent


def published(network: FaceApiExpression, folder: Path) -> None:
    """face-api's own layout: height, width, inputs, outputs; weights as bytes with scale and minimum, two shards."""
    weights: list[dict[str, Any]] = []
    content = b""
    for number, block in enumerate(network.blocks):
        for place, layer in enumerate(block.layers):
            parts = dict(layer.named_parameters())
            name = f"dense{number}/conv{place}"
            if "whole.weight" in parts:
                tensors = {"filters": parts["whole.weight"].permute(2, 3, 1, 0), "bias": parts["whole.bias"]}
            else:
                tensors = {
                    "depthwise_filter": parts["depthwise.weight"].permute(2, 3, 0, 1),
                    "pointwise_filter": parts["pointwise.weight"].permute(2, 3, 1, 0),
                    "bias": parts["pointwise.bias"],
                }
            for part, tensor in tensors.items():
                entry, packed = pack(f"{name}/{part}", tensor.detach().numpy(), is_small=part != "bias")
                weights.append(entry)
                content += packed
    for part, tensor in (("weights", network.head.weight.T), ("bias", network.head.bias)):
        entry, packed = pack(f"fc/{part}", tensor.detach().numpy(), is_small=False)
        weights.append(entry)
        content += packed
    half = len(content) // 2
    (folder / "shard1").write_bytes(content[:half])
    (folder / "shard2").write_bytes(content[half:])
    (folder / MANIFEST).write_text(json.dumps([{"paths": ["shard1", "shard2"], "weights": weights}]))


def pack(name: str, values: np.ndarray, is_small: bool) -> tuple[dict[str, Any], bytes]:
    entry = {"name": name, "shape": list(values.shape), "dtype": "float32"}
    if not is_small:
        return entry, np.ascontiguousarray(values, "<f4").tobytes()
    low, scale = float(values.min()), float(np.ptp(values)) / 255.0
    levels = np.round((values - low) / scale).astype(np.uint8)
    return entry | {"quantization": {"dtype": "uint8", "scale": scale, "min": low}}, levels.tobytes()


def test_what_face_api_published_is_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = FaceApiExpression().eval()
    published(network, tmp_path)
    loaded = load_emotion_reader(tmp_path)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    own = dict(network.named_parameters())
    for name, parameter in loaded.named_parameters():
        # A byte a weight: half a step off at most.
        assert (
            float((parameter - own[name]).detach().abs().max())
            <= float(own[name].detach().max() - own[name].detach().min()) / 500.0
        )
    pictures = torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        assert torch.allclose(loaded(pictures)["logits"], network(pictures)["logits"], atol=0.05)


@pytest.mark.parametrize("fault", ["shard", "tensor", "shape"])
def test_a_published_network_that_is_not_whole_is_refused(fault: str, tmp_path: Path) -> None:
    published(FaceApiExpression(), tmp_path)
    groups = json.loads((tmp_path / MANIFEST).read_text())
    if fault == "shard":
        (tmp_path / "shard2").unlink()
    elif fault == "tensor":
        groups[0]["weights"][0]["name"] = "dense0/other"
    else:
        groups[0]["weights"][0]["shape"] = [3, 3, 32, 3]
    (tmp_path / MANIFEST).write_text(json.dumps(groups))
    with pytest.raises(
        CheckpointError, match={"shard": "cannot be read", "tensor": "lacks", "shape": "has the shape"}[fault]
    ):
        load_emotion_reader(tmp_path)


@pytest.mark.parametrize("kind", ["safetensors", "pth", "wrapped"])
def test_a_users_own_file_is_read(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = EmotionNetwork().eval()
    path = tmp_path / ("own.safetensors" if kind == "safetensors" else "own.pth")
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    if kind == "safetensors":
        save_file(tensors, path)
    elif kind == "pth":
        torch.save(tensors, path)
    else:
        torch.save({"state_dict": {f"module.network.{name}": tensor for name, tensor in tensors.items()}}, path)
    pictures = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        assert torch.equal(load_emotion_reader(path)(pictures)["feature"], network(pictures)["feature"])


class _Command:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must never be printed",)


def test_what_is_no_such_network_is_refused_and_runs_no_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CheckpointError, match="no emotion network"):
        load_emotion_reader(tmp_path / "none")
    with pytest.raises(RecipeError, match="run emotion first"):
        load_emotion_reader(tmp_path)
    torch.save({"head.weight": torch.zeros(7, 3)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="not a EmotionNetwork"):
        load_emotion_reader(tmp_path / "other.pth")
    torch.save({"head.weight": _Command()}, tmp_path / "bad.pth")
    with pytest.raises(CheckpointError):
        load_emotion_reader(tmp_path / "bad.pth")
    assert "never be printed" not in capsys.readouterr().out


def test_a_reader_begins_at_the_backbone_that_reads_faces(tmp_path: Path) -> None:
    torch.manual_seed(0)
    taught, network = EmotionNetwork(), EmotionNetwork()
    tensors = {
        f"average/module.encoder.backbone.{name}": tensor.contiguous()
        for name, tensor in taught.backbone.state_dict().items()
    }
    save_file(tensors, tmp_path / "last.safetensors")
    begin_at_faces(network, tmp_path)
    for name, tensor in network.backbone.state_dict().items():
        assert torch.equal(tensor, taught.backbone.state_dict()[name]), name
    save_file(dict(list(tensors.items())[1:]), tmp_path / "last.safetensors")
    with pytest.raises(RecipeError, match="another backbone"):
        begin_at_faces(network, tmp_path)
    with pytest.raises(RecipeError, match="run expression first"):
        begin_at_faces(network, tmp_path / "none")


def test_a_run_of_another_recipe_is_no_perceptron(tmp_path: Path) -> None:
    save_file({"average/module.network.head.weight": torch.zeros(10, 256)}, tmp_path / "last.safetensors")
    with pytest.raises(RecipeError, match="is no run of emotion_from_coefficients"):
        trained_emotion_from_coefficients(tmp_path)


def test_a_frozen_backbone_stays_as_it_is() -> None:
    student = EmotionStudent(is_frozen=True).train()
    learnt = [name for name, parameter in student.named_parameters() if parameter.requires_grad]
    assert learnt
    assert not [name for name in learnt if "backbone" in name]
    before = {name: tensor.clone() for name, tensor in student.network.backbone.state_dict().items()}
    student.network(torch.rand(2, 3, 64, 64))
    assert all(torch.equal(tensor, before[name]) for name, tensor in student.network.backbone.state_dict().items())
