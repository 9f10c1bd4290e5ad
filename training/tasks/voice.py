"""The voice's two stages: `talk` learns speech; `laugh` learns what laughing adds, with the talk branch frozen.

A decoder that is fed the truth in training and itself in use would drift. So it is fed its own motion here too: it runs
freely over the excerpt first, as in use, and what it said becomes the past that it learns on, with noise. (Passes over
the true past instead of a free run will not do: what they give still tells the truth of a few steps before, and a
decoder that learns on it trusts its past more than its ears.) Steps before the sound began (look-ahead) count for
nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.audio.branch import AnyBranch
from models.audio.decoder import MOTION_SIZE, STYLE_SIZE
from models.audio.encoder import WIDTH
from models.audio.front_end import LogMel
from models.audio.voice import gate_of
from models.layers import Schema, state_of
from models.streaming import State
from training.data.clips import UNKNOWN_PHONE
from training.data.phones import PHONES
from training.data.vocal_tract import VocalTracts, with_other_tracts
from training.loop import Batch, Losses
from training.losses.motion import MotionLoss, MotionWeights, known_cross_entropy, known_square, weighted_mean
from training.losses.mouth import MouthSurface


@dataclass(frozen=True)
class Feedback:
    """How the decoder learns to live with its own past.

    noise       spread of noise on the past, in units of normalised motion
    forgotten   share of rows whose past is nothing at all: a decoder that leans on its past alone drifts
    """

    noise: float = 0.1
    forgotten: float = 0.1


@dataclass(frozen=True)
class Scores:
    """Weights of what is heard besides the motion."""

    phones: float = 0.5
    speech: float = 0.2
    error: float = 0.02
    laughter: float = 1.0
    mood: float = 0.2
    leak: float = 0.3


@dataclass(frozen=True)
class Objective:
    """All weights of a voice's losses."""

    motion: MotionWeights = field(default_factory=MotionWeights)
    scores: Scores = field(default_factory=Scores)
    feedback: Feedback = field(default_factory=Feedback)
    tracts: VocalTracts = field(default_factory=VocalTracts)


class VoiceStudent(nn.Module):
    """What both stages share: sound to features, rows shifted by their look-ahead, styles, the fed-back past.

    styles   their names, "" (nobody's) first; its vector is zero and stays zero
    """

    spread: Tensor
    talk: AnyBranch

    def __init__(self, surface: MouthSurface, spread: Tensor, styles: list[str], objective: Objective) -> None:
        super().__init__()
        self.objective, self.style_names = objective, styles
        self.front_end = LogMel()
        self.styles = nn.Embedding(len(styles), STYLE_SIZE, padding_idx=0)
        self.motion_loss = MotionLoss(surface, spread, objective.motion)
        self.register_buffer("spread", spread)

    def sound_for(self, branch: AnyBranch, batch: Batch) -> Tensor:
        """What the branch takes of the batch's sound, from a stream's beginning: log-mel [B, T, 128], or it raw.

        While learning, some of the log-mel is of speakers that are made up.
        """
        if branch.takes == "signal":
            return batch["audio"]
        # In half precision the transform of a loud band would drown the quiet ones.
        with torch.no_grad(), torch.autocast(batch["audio"].device.type, enabled=False):
            mel, _ = self.front_end(batch["audio"], zero_state(self.front_end.state_schema, batch["audio"]))
            return with_other_tracts(mel, self.objective.tracts) if self.training else mel

    def _decode(self, branch: AnyBranch, sound: Tensor, style: Tensor, beneath: Tensor, first: Tensor) -> Tensor:
        """The branch's motion [B, T, 53] on its own past, which begins with `first` [B, 53]; see the module's text."""
        feedback, decoder = self.objective.feedback, branch.decoder
        start = zero_state(decoder.state_schema, sound)
        # Single steps are too small to gain from half precision.
        with torch.no_grad(), torch.autocast(sound.device.type, enabled=False):
            own, _ = decoder(sound.float(), style.float(), beneath.float(), start | {"motion": first})
        past = delayed(own, first)
        is_kept = torch.rand(len(past), 1, 1, device=past.device) >= feedback.forgotten
        past = past * is_kept + feedback.noise * torch.randn_like(past)
        return decoder.teach(sound, past, style, beneath, start)[0]

    def talking(self, taken: Tensor, lookahead: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """The talk branch's motion [B, T, 53] of what it takes, feeding itself, and its features [B, T, 256]."""
        state = zero_state(self.talk.state_schema, taken)
        sound, _, _ = self.talk.listen(taken, lookahead, state)
        nothing = taken.new_zeros(*sound.shape[:2], MOTION_SIZE)
        motion, _ = self.talk.decoder(sound, style, nothing, state_of("decoder", state))
        return motion, sound


class TalkStudent(VoiceStudent):
    """Stage one: speech. The phones are a side task that makes the encoder listen to what is said."""

    def __init__(
        self, surface: MouthSurface, spread: Tensor, styles: list[str], objective: Objective, talk: AnyBranch
    ) -> None:
        super().__init__(surface, spread, styles, objective)
        self.talk = talk
        self.to_phones = nn.Linear(WIDTH, len(PHONES))

    def forward(self, batch: Batch, step: int) -> Losses:
        taken, lookahead = self.sound_for(self.talk, batch), batch["lookahead"]
        rows = shifted(batch, lookahead)
        sound, heard, _ = self.talk.listen(taken, lookahead, zero_state(self.talk.state_schema, taken))
        truth = rows["motion"] / self.spread
        first = batch["past"] / self.spread * (lookahead == 0)[:, None]
        weight = rows["motion_weight"]
        nothing = torch.zeros_like(truth)
        style = self.styles(batch["style"])
        motion = self._decode(self.talk, sound, style, nothing, first)

        is_quiet = (torch.nan_to_num(rows["speech"], nan=1.0) < 0.5).to(weight.dtype)
        losses, error = self.motion_loss(motion, truth, weight, is_quiet)
        scores = self.objective.scores
        losses["phones"] = scores.phones * phone_loss(self.to_phones(sound), rows["phones"])
        losses["speech"] = scores.speech * known_cross_entropy(heard["speech"], rows["speech"])
        losses["error"] = scores.error * error_loss(heard["error"], error.detach(), weight)
        return with_total(losses)


class LaughStudent(VoiceStudent):
    """Stage two: what laughing adds to a talk branch that no longer changes."""

    def __init__(
        self, surface: MouthSurface, spread: Tensor, styles: list[str], objective: Objective,
        talk: AnyBranch, laugh: AnyBranch,
    ) -> None:  # fmt: skip
        super().__init__(surface, spread, styles, objective)
        self.talk = talk.eval().requires_grad_(False)
        self.laugh = laugh

    def train(self, mode: bool = True) -> LaughStudent:
        super().train(mode)
        self.talk.eval()
        return self

    def forward(self, batch: Batch, step: int) -> Losses:
        taken, lookahead = self.sound_for(self.laugh, batch), batch["lookahead"]
        rows = shifted(batch, lookahead)
        style = self.styles(batch["style"])
        with torch.no_grad():
            beneath, _ = self.talking(taken, lookahead, style)
        sound, felt, _ = self.laugh.listen(taken, lookahead, zero_state(self.laugh.state_schema, taken))

        truth = rows["motion"] / self.spread
        is_laughing = torch.nan_to_num(rows["laughter"])
        weight = rows["motion_weight"] * gate_of(is_laughing)
        residual = self._decode(self.laugh, sound, style, beneath, torch.zeros_like(truth[:, 0]))
        # How the residual moves is learnt where somebody laughs, whatever the branch hears itself; `leak` below is the
        # other side: where nobody does, what its own gate would let through must be nothing.
        is_quiet = torch.zeros_like(weight)
        losses, _ = self.motion_loss(beneath + residual, truth, weight, is_quiet)
        scores = self.objective.scores
        losses["laughter"] = scores.laughter * known_cross_entropy(felt["laughter"], rows["laughter"])
        mood = known_square(torch.tanh(felt["valence"]), rows["valence"])
        losses["mood"] = scores.mood * (mood + known_square(torch.tanh(felt["arousal"]), rows["arousal"]))
        gate = gate_of(torch.sigmoid(felt["laughter"]))
        is_speech = (torch.isfinite(rows["laughter"]) & (is_laughing < 0.05)).to(weight.dtype)
        losses["leak"] = scores.leak * weighted_mean((gate[:, :, None] * residual).square().mean(dim=2), is_speech)
        return with_total(losses)


def zero_state(schema: Schema, like: Tensor) -> State:
    """The state of streams that have heard nothing, for the rows of `like`."""
    return {name: torch.zeros(len(like), *item.shape, dtype=item.dtype, device=like.device)
            for name, item in schema.items()}  # fmt: skip


def shifted(batch: Batch, lookahead: Tensor) -> Batch:
    """The rows of a batch as a model with `lookahead` [B] must give them: row t tells of hop t - lookahead.

    Rows from before the excerpt have weight 0 and unknown labels.
    """
    hops = batch["motion"].shape[1]
    at = torch.arange(hops, device=lookahead.device) - lookahead[:, None]
    is_before, at = at < 0, at.clamp(min=0)

    def rows(name: str) -> Tensor:
        return batch[name].gather(1, at)

    motion = batch["motion"].gather(1, at[:, :, None].expand(-1, -1, MOTION_SIZE))
    shifted_rows: Batch = {"motion": torch.where(is_before[:, :, None], 0.0, motion)}
    shifted_rows["motion_weight"] = torch.where(is_before, 0.0, rows("motion_weight"))
    shifted_rows["phones"] = torch.where(is_before, UNKNOWN_PHONE, rows("phones"))
    for name in ("speech", "laughter", "valence", "arousal"):
        shifted_rows[name] = torch.where(is_before, math.nan, rows(name))
    return shifted_rows


def delayed(motion: Tensor, first: Tensor) -> Tensor:
    """The motion before each step: [B, T, 53] one step later, with `first` [B, 53] before the first."""
    return torch.cat([first[:, None], motion[:, :-1]], dim=1)


def phone_loss(logits: Tensor, phones: Tensor) -> Tensor:
    """Cross-entropy [B, T, phones] where the phone is known."""
    if not bool((phones != UNKNOWN_PHONE).any()):
        return logits.sum() * 0.0
    return functional.cross_entropy(logits.transpose(1, 2), phones, ignore_index=UNKNOWN_PHONE, label_smoothing=0.05)


def error_loss(expected: Tensor, error_mm: Tensor, weight: Tensor) -> Tensor:
    """Negative log likelihood of the error, exponential with mean softplus(expected): the network knows its doubt."""
    scale = functional.softplus(expected) + 1e-3
    return weighted_mean(torch.log(scale) + error_mm / scale, weight)


def with_total(losses: Losses) -> Losses:
    return {**losses, "total": torch.stack(list(losses.values())).sum()}
