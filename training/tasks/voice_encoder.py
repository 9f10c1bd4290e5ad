"""What listens in a branch: the streaming encoder that ships, or the seed's wav2vec 2.0 from a file of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.audio.branch import AnyBranch, Branch
from models.audio.voice import LAUGH_SCORES
from training.recipe import RecipeError


@dataclass(frozen=True)
class EncoderChoice:
    """kind                 "streaming", or "wav2vec2": the seed's, for offline use and as a teacher
    dropout              of the streaming encoder
    checkpoint           wav2vec2: where both branches begin (see `training.checkpoints`)
    emotion_checkpoint   wav2vec2: where the laugh branch begins instead, fine-tuned for emotions
    window_hops          wav2vec2: what each step hears; 0 = the whole clip
    """

    kind: str = "streaming"
    dropout: float = 0.05
    checkpoint: str = ""
    emotion_checkpoint: str = ""
    window_hops: int = 0

    def branch(self, scores: tuple[str, ...]) -> AnyBranch:
        """A new branch for `scores`. RecipeError when the choice lacks its checkpoint."""
        if self.kind == "streaming":
            return Branch(scores, self.dropout)
        if self.kind != "wav2vec2":
            raise RecipeError(f"encoder.kind is {self.kind!r}; it must be streaming or wav2vec2")
        chosen = self.emotion_checkpoint if scores == LAUGH_SCORES and self.emotion_checkpoint else self.checkpoint
        if not chosen:
            raise RecipeError("encoder.kind is wav2vec2; name its weights in encoder.checkpoint")
        from training.checkpoints import build_seed_branch

        return build_seed_branch(Path(chosen), scores, self.window_hops or None)
