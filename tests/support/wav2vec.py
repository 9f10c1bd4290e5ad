"""Tiny wav2vec 2.0 networks with random weights, in memory and as the files that users have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Wav2Vec2Config, Wav2Vec2Model

STRIDES = (5, 2, 2, 2, 2, 2, 2)


def tiny_sizes(norm: str = "group", hidden: int = 32, heads: int = 4) -> dict[str, Any]:
    """The fields of a config.json; `norm` is "group" as in the base network or "layer" as in the large ones."""
    return {
        "hidden_size": hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "intermediate_size": 48,
        "conv_dim": [32] * 7,
        "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
        "conv_stride": list(STRIDES),
        "conv_bias": norm == "layer",
        "feat_extract_norm": norm,
        "do_stable_layer_norm": norm == "layer",
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    }


def tiny_network(norm: str = "group", seed: int = 0, **changes: Any) -> Wav2Vec2Model:
    """A network in eval mode, none of whose tensors is all zeros or all ones, so that a lost one shows."""
    generator = torch.Generator().manual_seed(seed)
    network = Wav2Vec2Model(Wav2Vec2Config(**{**tiny_sizes(norm), **changes}, layerdrop=0.0)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


def save_folder(network: Wav2Vec2Model, folder: Path) -> Path:
    """As Hugging Face saves it: config.json and model.safetensors."""
    network.save_pretrained(folder)
    return folder


def to_torchaudio(network: Wav2Vec2Model) -> dict[str, Tensor]:
    """Its state dict under torchaudio's names."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if name == "masked_spec_embed":
            continue
        if name.startswith("feature_projection."):
            name = f"encoder.{name}"
        elif name.startswith("encoder."):
            name = name.replace("encoder.", "encoder.transformer.", 1)
        renamed[name] = tensor.clone()
    return renamed


def save_config(network: Wav2Vec2Model, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(network.config.to_dict()))


def speech_like(hops: int, batch: int = 1, seed: int = 0) -> Tensor:
    """Noise whose loudness comes and goes like syllables, float32 [batch, hops * 320], about -20 dBFS."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(batch, hops * 320, generator=generator)
    time_s = torch.arange(hops * 320) / 16_000
    return 0.1 * noise * (1.2 + torch.sin(2 * torch.pi * 4.0 * time_s))
