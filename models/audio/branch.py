"""A branch: an encoder that listens, a decoder that moves. The talk and the laugh branch are two of the same kind."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from models.audio.decoder import MotionDecoder
from models.audio.encoder import WIDTH, VoiceEncoder
from models.audio.wav2vec import Wav2VecEncoder
from models.layers import Schema, parts_schema, prefixed, state_of
from models.streaming import Outputs, State


class AnyBranch(nn.Module):
    """Sound in, normalised motion and scores out.

    takes    what it calls sound: "mel", log-mel [B, T, 128], or "signal", raw [B, T * 320]
    scores   names of what else is heard at each step, each a logit (`speech`, `laughter`) or a plain value
    """

    takes: ClassVar[str]

    def __init__(self, encoder: VoiceEncoder | Wav2VecEncoder, scores: tuple[str, ...]) -> None:
        super().__init__()
        self.scores = scores
        self.encoder = encoder
        self.decoder = MotionDecoder()
        self.to_scores = nn.Linear(WIDTH, len(scores))
        self.state_schema: Schema = parts_schema(encoder=encoder.state_schema, decoder=self.decoder.state_schema)

    def listen(self, taken: Tensor, lookahead: Tensor, state: State) -> tuple[Tensor, Outputs, State]:
        """Features [B, T, 256] and scores, each [B, T], of the instants `lookahead` [B] hops ago."""
        sound, after = self.encoder(taken, lookahead, state_of("encoder", state))
        values = self.to_scores(sound).unbind(dim=2)
        return sound, dict(zip(self.scores, values, strict=True)), prefixed("encoder", after)

    def forward(
        self, taken: Tensor, lookahead: Tensor, style: Tensor, beneath: Tensor, state: State
    ) -> tuple[Tensor, Outputs, State]:
        """Normalised motion [B, T, 53], scores [B, T] and the next state, feeding itself."""
        sound, scores, following = self.listen(taken, lookahead, state)
        motion, after = self.decoder(sound, style, beneath, state_of("decoder", state))
        return motion, scores, following | prefixed("decoder", after)


class Branch(AnyBranch):
    """The branch that ships: it takes log-mel and streams."""

    takes = "mel"

    def __init__(self, scores: tuple[str, ...], dropout: float = 0.0) -> None:
        super().__init__(VoiceEncoder(dropout), scores)
