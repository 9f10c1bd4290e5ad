"""Branches -> one voice.onnx that the driver runs."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from models.audio.branch import Branch
from models.audio.voice import Voice
from protocol.frame import OPEN_HEAD_ID
from training.audio_baseline import speech_like
from training.export import ModelCard, export
from training.tasks.voice import VoiceStudent
from training.tasks.voice_data import named

VERSION = "1"
_NEVER = -20.0


def voice_of(talk: Branch, laugh: Branch | None, spread: Tensor) -> Voice:
    """The whole voice. Without a laugh branch it never hears laughter, and adds nothing."""
    voice = Voice(spread)
    voice.talk.load_state_dict(talk.state_dict())
    if laugh is not None:
        voice.laugh.load_state_dict(laugh.state_dict())
    else:
        with torch.no_grad():
            voice.laugh.to_scores.weight.zero_()
            voice.laugh.to_scores.bias.copy_(torch.tensor([_NEVER, 0.0, 0.0]))
    return voice.eval()


def keep_offline(student: VoiceStudent, path: Path) -> Path:
    """Write a voice that does not stream, the seed's, as bare weights (.safetensors) for offline use."""
    path = path.with_suffix(".safetensors")
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in student.state_dict().items()}, path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; it hears whole clips, so it is not exported for the driver")
    return path


def export_voice(talk: Branch, laugh: Branch | None, student: VoiceStudent, path: Path) -> Path:
    """Write `path` (and its hash beside it); the styles go along in its metadata."""
    voice = voice_of(talk, laugh, student.spread)
    styles = json.dumps(named(student.style_names, student.styles.weight))
    worst = export(
        voice, path, ModelCard("voice", VERSION, OPEN_HEAD_ID, styles), speech_like(2, 1.0), half_weights=True
    )
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, torch and ONNX Runtime agree to {worst:.1e}")
    return path
