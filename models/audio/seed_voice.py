"""LaughTalk as it was published: two wav2vec 2.0 encoders, two decoders, the second's motion added to the first's.

For those who have the weights, offline, and as a teacher: see models/audio/wav2vec.py. The streaming `Voice` differs in
its encoder and in that laughter gates the residual; here the sum is plain. One thing is ours in both: the laugh branch
is told the motion that it adds to.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.audio.branch import AnyBranch
from models.audio.decoder import MOTION_SIZE, STYLE_SIZE
from models.audio.encoder import LONGEST_LOOKAHEAD_HOPS
from models.audio.front_end import HOP_SAMPLES
from models.audio.wav2vec import Wav2VecEncoder
from models.layers import state_of
from models.streaming import Outputs, State

EXPRESSION_SIZE = 50


class SeedBranch(AnyBranch):
    """A branch that takes raw sound. A new one moves nothing, whatever it hears.

    An encoder that hears the whole clip has no state: each call is a clip of its own.
    """

    takes = "signal"
    encoder: Wav2VecEncoder

    def __init__(self, encoder: Wav2VecEncoder, scores: tuple[str, ...]) -> None:
        super().__init__(encoder, scores)
        for last in (self.decoder.to_motion, self.decoder.from_sound):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def initial_state(self, batch: int = 1) -> State:
        """The state of `batch` streams that have heard nothing: all zeros."""
        device = self.to_scores.weight.device
        return {
            name: torch.zeros(batch, *tensor.shape, dtype=tensor.dtype, device=device)
            for name, tensor in self.state_schema.items()
        }


class SeedVoice(nn.Module):
    """A clip's sound float32 [B, T * 320] in -1..1 at 16 kHz -> `expression` [B, T, 50] (sd), `jaw` [B, T, 3] (rad).

    Row t is the face at the end of hop t. The talk branch learns first; after `freeze_talk` only the laugh branch does.

    spread   float32 [53]: what one unit of normalised motion is, in expression and jaw
    """

    spread: Tensor

    def __init__(self, talk: SeedBranch, laugh: SeedBranch, spread: Tensor) -> None:
        super().__init__()
        if tuple(spread.shape) != (MOTION_SIZE,) or not bool((spread > 0).all()):
            raise ValueError(f"spread is {tuple(spread.shape)}; it must be {MOTION_SIZE} numbers above 0")
        self.register_buffer("spread", spread.float())
        self.talk = talk
        self.laugh = laugh

    @property
    def is_talk_frozen(self) -> bool:
        return not any(parameter.requires_grad for parameter in self.talk.parameters())

    def freeze_talk(self) -> None:
        """From here on the talk branch neither learns nor drops anything out."""
        self.talk.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> SeedVoice:
        """As of any module, but that a frozen talk branch never trains."""
        super().train(mode)
        if self.is_talk_frozen:
            self.talk.eval()
        return self

    def forward(self, signal: Tensor, style: Tensor | None = None, lookahead_hops: int = 0) -> Outputs:
        """See the class. `style` [B, 8] is nobody's when left out.

        lookahead_hops   future that each row may hear, 0..12; means nothing to an encoder that hears the whole clip
        """
        if not 0 <= lookahead_hops <= LONGEST_LOOKAHEAD_HOPS:
            raise ValueError(f"lookahead_hops is {lookahead_hops}; it must be 0..{LONGEST_LOOKAHEAD_HOPS}")
        batch = len(signal)
        style = signal.new_zeros(batch, STYLE_SIZE) if style is None else style
        talk = self._move(self.talk, signal, style, None, lookahead_hops)
        residual = self._move(self.laugh, signal, style, talk, lookahead_hops)
        motion = (talk + residual) * self.spread
        return {"expression": motion[:, :, :EXPRESSION_SIZE], "jaw": motion[:, :, EXPRESSION_SIZE:]}

    @staticmethod
    def _move(branch: SeedBranch, signal: Tensor, style: Tensor, beneath: Tensor | None, hops: int) -> Tensor:
        """Normalised motion [B, T, 53], each row at its own instant."""
        hops = hops if branch.encoder.is_streaming else 0
        lookahead = torch.full((len(signal),), hops, dtype=torch.int64, device=signal.device)
        state = branch.initial_state(len(signal))
        sound, _, _ = branch.listen(functional.pad(signal, (0, hops * HOP_SAMPLES)), lookahead, state)
        sound = sound[:, hops:]
        if beneath is None:
            beneath = signal.new_zeros(*sound.shape[:2], MOTION_SIZE)
        motion, _ = branch.decoder(sound, style, beneath, state_of("decoder", state))
        return motion
