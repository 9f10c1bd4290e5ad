"""Stage one: `python -m training.run talk`. The talk branch learns speech and is frozen for ever after."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.audio.branch import Branch
from models.audio.encoder import DEFAULT_LOOKAHEAD_HOPS
from models.audio.voice import TALK_SCORES
from models.head.flame import open_head
from training.data.clips import UNKNOWN_PHONE
from training.data.packed_clips import open_clips
from training.loop import Place, averaged_weights
from training.losses.mouth import MouthSurface
from training.recipe import Recipe, RecipeError, build
from training.tasks.voice import Objective, TalkStudent, shifted
from training.tasks.voice_data import MouthFigures, VoiceData, on_device_of, spread_of
from training.tasks.voice_encoder import EncoderChoice
from training.tasks.voice_export import export_voice, keep_offline


@dataclass(frozen=True, kw_only=True)
class TalkRecipe(Recipe):
    """data, objective   of the talk branch
    spread_store      whose motion sets the unit of each coefficient
    encoder           what listens, see `training.tasks.voice_encoder`
    """

    data: VoiceData
    objective: Objective = field(default_factory=Objective)
    spread_store: str = "synthetic"
    encoder: EncoderChoice = field(default_factory=EncoderChoice)


class TalkTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: TalkRecipe) -> None:
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        self.batches = data.batches(optim.batch, optim.seed)
        spread = spread_of(open_clips(Path(data.folder) / recipe.spread_store))
        surface = MouthSurface(open_head())
        torch.manual_seed(optim.seed)
        styles = self.batches.styles
        branch = recipe.encoder.branch(TALK_SCORES)
        self.student = TalkStudent(surface, spread, styles, recipe.objective, branch)
        self._validation = data.validation_set(min(16, optim.batch), DEFAULT_LOOKAHEAD_HOPS)

    def validate(self, student: nn.Module) -> dict[str, float]:
        """Figures on held-out voices, feeding itself, at the default look-ahead."""
        assert isinstance(student, TalkStudent)
        mouth = MouthFigures(MouthSurface(open_head()))
        right, known = 0, 0
        with torch.no_grad():
            for batch in on_device_of(student, self._validation):
                rows = shifted(batch, batch["lookahead"])
                taken, style = student.sound_for(student.talk, batch), student.styles(batch["style"])
                motion, sound = student.talking(taken, batch["lookahead"], style)
                mouth.add((motion * student.spread).cpu(), rows["motion"].cpu(), rows["motion_weight"].cpu())
                is_known = rows["phones"] != UNKNOWN_PHONE
                right += int((student.to_phones(sound).argmax(dim=2) == rows["phones"])[is_known].sum())
                known += int(is_known.sum())
        figures = mouth.figures()
        return {**figures, "phones_right": right / max(1, known), "score": figures["points_mm"]}

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Export the averaged weights without a laugh branch that moves: for listening before stage two."""
        student = self.student.cpu()
        student.load_state_dict(averaged_weights(folder))
        if not isinstance(student.talk, Branch):
            return keep_offline(student, path or folder / "voice.safetensors")
        return export_voice(student.talk, None, student, path or folder / "voice.onnx")


def prepare(table: dict[str, Any], place: Place) -> TalkTask:
    """The task of a recipe's table."""
    return TalkTask(build(TalkRecipe, table))


def trained_talk(folder: Path, surface: MouthSurface, encoder: EncoderChoice) -> TalkStudent:
    """The student of a finished run of the same encoder, with its averaged weights."""
    try:
        tensors = averaged_weights(folder)
    except FileNotFoundError as error:
        raise RecipeError(f"{error}: run stage one first, python -m training.run talk") from error
    names = (folder / "styles.txt").read_text(encoding="utf-8").split("\n")
    student = TalkStudent(surface, tensors["spread"], names, Objective(), encoder.branch(TALK_SCORES))
    student.load_state_dict(tensors)
    return student
