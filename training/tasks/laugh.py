"""Stage two: `python -m training.run laugh`. The laugh branch learns what laughing adds to the frozen talk branch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.audio.branch import Branch
from models.audio.encoder import DEFAULT_LOOKAHEAD_HOPS
from models.audio.voice import LAUGH_SCORES, gate_of
from models.head.flame import open_head
from training.loop import Place, averaged_weights
from training.losses.mouth import MouthSurface
from training.recipe import Recipe, build
from training.tasks.talk import trained_talk
from training.tasks.voice import LaughStudent, Objective, shifted, zero_state
from training.tasks.voice_data import MouthFigures, VoiceData, on_device_of
from training.tasks.voice_encoder import EncoderChoice
from training.tasks.voice_export import export_voice, keep_offline


@dataclass(frozen=True, kw_only=True)
class LaughRecipe(Recipe):
    """talk_run   folder of the finished first stage
    encoder    what listens, as in stage one; `encoder.emotion_checkpoint` is where the laugh branch of the seed begins
    """

    data: VoiceData
    talk_run: str
    objective: Objective = field(default_factory=Objective)
    encoder: EncoderChoice = field(default_factory=EncoderChoice)


class LaughTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: LaughRecipe) -> None:
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        self.batches = data.batches(optim.batch, optim.seed)
        surface = MouthSurface(open_head())
        self.talk_student = trained_talk(Path(recipe.talk_run), surface, recipe.encoder)
        self.talk_hash = hash_of(self.talk_student.talk)
        # The styles are those that the talk branch knows: it is they that it was given vectors for.
        self.batches.styles = self.talk_student.style_names
        torch.manual_seed(optim.seed)
        self.student = LaughStudent(
            surface,
            self.talk_student.spread,
            self.talk_student.style_names,
            recipe.objective,
            self.talk_student.talk,
            recipe.encoder.branch(LAUGH_SCORES),
        )
        self.student.styles.load_state_dict(self.talk_student.styles.state_dict())
        self.student.styles.requires_grad_(False)
        self._validation = data.validation_set(min(16, optim.batch), DEFAULT_LOOKAHEAD_HOPS)

    def validate(self, student: nn.Module) -> dict[str, float]:
        """Figures on held-out voices, feeding itself, at the default look-ahead."""
        assert isinstance(student, LaughStudent)
        mouth = MouthFigures(MouthSurface(open_head()))
        heard: list[np.ndarray] = []
        truth: list[np.ndarray] = []
        with torch.no_grad():
            for batch in on_device_of(student, self._validation):
                rows, style = shifted(batch, batch["lookahead"]), student.styles(batch["style"])
                taken = student.sound_for(student.laugh, batch)
                beneath, _ = student.talking(taken, batch["lookahead"], style)
                residual, felt, _ = student.laugh(
                    taken, batch["lookahead"], style, beneath, zero_state(student.laugh.state_schema, taken)
                )
                laughter = torch.sigmoid(felt["laughter"])
                motion = (beneath + gate_of(laughter)[:, :, None] * residual) * student.spread
                weight = rows["motion_weight"] * (torch.nan_to_num(rows["laughter"]) > 0.5)
                mouth.add(motion.cpu(), rows["motion"].cpu(), weight.cpu())
                is_known = torch.isfinite(rows["laughter"])
                heard.append(laughter[is_known].cpu().numpy())
                truth.append((rows["laughter"][is_known] > 0.5).cpu().numpy())
        figures = mouth.figures()
        area = area_under_curve(np.concatenate(heard), np.concatenate(truth))
        return {**figures, "laughter_auc": area, "score": figures["points_mm"] - 5.0 * area}

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Export both branches with the averaged weights; the talk branch must be what it was."""
        student = self.student.cpu()
        student.load_state_dict(averaged_weights(folder))
        if hash_of(student.talk) != self.talk_hash:
            raise RuntimeError("the talk branch changed in stage two: something trained it; nothing was exported")
        print(f"talk branch unchanged, SHA-256 {self.talk_hash}")
        if not isinstance(student.talk, Branch) or not isinstance(student.laugh, Branch):
            return keep_offline(student, path or folder / "voice.safetensors")
        return export_voice(student.talk, student.laugh, student, path or folder / "voice.onnx")


def prepare(table: dict[str, Any], place: Place) -> LaughTask:
    """The task of a recipe's table."""
    return LaughTask(build(LaughRecipe, table))


def hash_of(module: nn.Module) -> str:
    """SHA-256 of a module's weights, by name and value."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def area_under_curve(scores: np.ndarray, is_positive: np.ndarray) -> float:
    """Area under the ROC curve, by ranks; NaN when there is only one class."""
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    if not positives or not negatives:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - 0.5 * (counts - 1))[place]
    return float((ranks[is_positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().numpy().tobytes()
