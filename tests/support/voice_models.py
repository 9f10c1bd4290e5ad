"""Voice models for tests: a tiny one whose motion says which sound and knobs it has, and the untrained network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from torch import Tensor

from models.audio.decoder import MOTION_SIZE
from models.audio.voice import Voice
from models.streaming import Outputs, State, StateTensor, StreamingModule
from training.audio_baseline import speech_like
from training.export import ModelCard, export, record_hash

STYLES = {"calm": [0.5] * 8, "proud": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]}
_OWN_HOPS, _LONGEST_HOPS = 4, 12


class TinyVoice(StreamingModule):
    """The contract of `models.audio.voice.Voice` without its network.

    jaw [hops, 3]       level of the hop `lookahead` ago times `articulation`; `laughter`; 0
    expression [:8]     the style; [8] the smoothing in s; [9] a slow memory of all levels
    """

    hop_size = 320
    hop_s = 0.02
    lookahead_s = 0.08
    is_stepwise = True
    state_schema: Mapping[str, StateTensor] = {
        "levels": StateTensor((_LONGEST_HOPS,), "of the last hops"),
        "memory": StateTensor((), "slow"),
        "knob_lookahead": StateTensor((), "hops more"),
        "knob_articulation": StateTensor((), "less 1"),
        "knob_laughter": StateTensor((), "less 1"),
        "knob_smoothing": StateTensor((), "s"),
        "knob_style": StateTensor((8,), "vector"),
    }

    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        level = signal.reshape(signal.shape[0], -1, self.hop_size).square().mean(2).sqrt()
        levels = torch.cat([state["levels"], level], dim=1)
        hops = torch.round(state["knob_lookahead"] + _OWN_HOPS).clamp(0, _LONGEST_HOPS).to(torch.int64)
        heard = levels.gather(1, (_LONGEST_HOPS - hops)[:, None])
        memory = 0.99 * state["memory"] + 0.01 * heard[:, 0]
        jaw = torch.stack([heard * (1 + state["knob_articulation"])[:, None], heard, 0 * heard], dim=2)
        parts = [state["knob_style"], state["knob_smoothing"][:, None], memory[:, None]]
        expression = torch.nn.functional.pad(torch.cat(parts, dim=1), (0, 40))[:, None]
        scores = {name: torch.zeros_like(heard) for name in ("valence", "arousal")}
        outputs = {
            "expression": expression,
            "jaw": jaw,
            "speech": heard,
            "laughter": heard * (1 + state["knob_laughter"])[:, None],
            "confidence": 0.2 + 0 * heard,
            **scores,
        }
        following = {name: tensor.clone() for name, tensor in state.items()}
        return outputs, following | {"levels": levels[:, -_LONGEST_HOPS:], "memory": memory}


def export_tiny(folder: Path) -> Path:
    """Write `tiny.onnx` with its styles into `folder`."""
    return _exported(TinyVoice(), folder / "tiny.onnx")


def export_untrained(folder: Path) -> Path:
    """Write `untrained.onnx` into `folder`: the real network, moving the face at random. It takes about ten seconds."""
    torch.manual_seed(0)
    voice = Voice(torch.ones(MOTION_SIZE))
    for branch in (voice.talk, voice.laugh):
        torch.nn.init.normal_(branch.decoder.to_motion.weight, std=0.1)
        torch.nn.init.normal_(branch.decoder.from_sound.weight, std=0.1)
    return _exported(voice, folder / "untrained.onnx")


def _exported(module: StreamingModule, path: Path) -> Path:
    export(module, path, ModelCard(path.stem, "0", "open-head/1"), speech_like(2, 1.0))
    graph = onnx.load(path)
    said = {item.key: item.value for item in graph.metadata_props}
    onnx.helper.set_model_props(graph, said | {"styles": json.dumps(STYLES)})
    onnx.save(graph, path)
    record_hash(path)
    return path
