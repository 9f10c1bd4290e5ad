"""The voice drives the face: a talk branch, and a laugh branch that adds to it where somebody laughs.

LaughTalk's idea, made to stream. `Voice` is the whole graph: raw sound and the state go in, motion and the next state
come out. The laugh branch's residual is gated by the laughter that it hears itself; below GATE_FROM the gate is exactly
zero, so speech gets the talk branch and nothing else.

Knobs are state tensors [B] (`style` is [B, 8]) that pass unchanged and mean their default when zero:

    knob_lookahead      hops more than DEFAULT_LOOKAHEAD_HOPS (-4 = none, +8 = 240 ms)
    knob_articulation   strength of the talk branch's motion, less 1
    knob_laughter       strength of the laugh branch's residual, less 1 (-1 = talk branch only)
    knob_smoothing      time constant in s of a smoothing of the motion
    knob_style          style vector; the styles that were learnt are listed in the model card
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.audio.branch import Branch
from models.audio.decoder import MOTION_SIZE, STYLE_SIZE
from models.audio.encoder import DEFAULT_LOOKAHEAD_HOPS, LONGEST_LOOKAHEAD_HOPS
from models.audio.front_end import HOP_SAMPLES, SAMPLE_RATE_HZ, LogMel
from models.layers import parts_schema, prefixed, state_of
from models.streaming import Outputs, State, StateTensor, StreamingModule

EXPRESSION_SIZE = 50
# Laughter's probability where the residual sets in, and where it is whole.
GATE_FROM, GATE_TO = 0.3, 0.7

# How much a voice tells about the mouth: little in silence; in speech the less, the larger the error it expects.
CONFIDENCE_IN_SILENCE = 0.2
CONFIDENCE_IN_SPEECH = 0.9

TALK_SCORES = ("speech", "error")
LAUGH_SCORES = ("laughter", "valence", "arousal")


class Voice(StreamingModule):
    """Raw sound float32 [B, hops * 320] in -1..1 at 16 kHz -> motion at 50 Hz.

    Outputs: `expression` [B, hops, 50] (sd), `jaw` [B, hops, 3] (rad), and [B, hops] each: `speech`, `laughter` (0..1),
    `valence`, `arousal` (-1..1), `confidence` (of the mouth, 0..1).

    spread   float32 [53]: what one unit of normalised motion is, in expression and jaw
    """

    hop_size = HOP_SAMPLES
    hop_s = HOP_SAMPLES / SAMPLE_RATE_HZ
    lookahead_s = DEFAULT_LOOKAHEAD_HOPS * HOP_SAMPLES / SAMPLE_RATE_HZ
    is_stepwise = True
    state_schema: Mapping[str, StateTensor]
    spread: Tensor

    def __init__(self, spread: Tensor, dropout: float = 0.0) -> None:
        super().__init__()
        if tuple(spread.shape) != (MOTION_SIZE,) or not bool((spread > 0).all()):
            raise ValueError(f"spread is {tuple(spread.shape)}; it must be {MOTION_SIZE} numbers above 0")
        self.register_buffer("spread", spread.float())
        self.front_end = LogMel()
        self.talk = Branch(TALK_SCORES, dropout)
        self.laugh = Branch(LAUGH_SCORES, dropout)
        self.state_schema = parts_schema(
            front=self.front_end.state_schema,
            talk=self.talk.state_schema,
            laugh=self.laugh.state_schema,
            knob={
                "lookahead": StateTensor((), "hops of look-ahead over the default"),
                "articulation": StateTensor((), "strength of the talk branch's motion, less 1"),
                "laughter": StateTensor((), "strength of the laugh branch's residual, less 1"),
                "smoothing": StateTensor((), "time constant of the smoothing, s"),
                "style": StateTensor((STYLE_SIZE,), "style vector"),
            },
            smoothed={"motion": StateTensor((MOTION_SIZE,), "the last smoothed motion")},
        )

    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        """See the class. Steps are computed one after the other, since each needs the motion before it."""
        knobs = state_of("knob", state)
        lookahead = lookahead_hops(knobs["lookahead"])
        mel, after = self.front_end(signal, state_of("front", state))
        # A copy each: a graph whose output is its own input is refused by ONNX Runtime.
        following = prefixed("knob", {name: knob.clone() for name, knob in knobs.items()}) | prefixed("front", after)

        nothing = torch.zeros(mel.shape[0], mel.shape[1], MOTION_SIZE, dtype=mel.dtype, device=mel.device)
        talk, heard, after = self.talk(mel, lookahead, knobs["style"], nothing, state_of("talk", state))
        following |= prefixed("talk", after)
        residual, felt, after = self.laugh(mel, lookahead, knobs["style"], talk, state_of("laugh", state))
        following |= prefixed("laugh", after)

        laughter = torch.sigmoid(felt["laughter"])
        gate = gate_of(laughter) * (1.0 + knobs["laughter"]).clamp(min=0.0)[:, None]
        strength = (1.0 + knobs["articulation"]).clamp(min=0.0)[:, None, None]
        motion = (strength * talk + gate[:, :, None] * residual) * self.spread
        motion, following["smoothed_motion"] = self._smooth(motion, knobs["smoothing"], state["smoothed_motion"])

        speech = torch.sigmoid(heard["speech"])
        known = torch.maximum(speech, laughter)
        certain = torch.exp(-torch.nn.functional.softplus(heard["error"]))
        outputs = {
            "expression": motion[:, :, :EXPRESSION_SIZE],
            "jaw": motion[:, :, EXPRESSION_SIZE:],
            "speech": speech,
            "laughter": laughter,
            "valence": torch.tanh(felt["valence"]),
            "arousal": torch.tanh(felt["arousal"]),
            "confidence": CONFIDENCE_IN_SILENCE + (CONFIDENCE_IN_SPEECH - CONFIDENCE_IN_SILENCE) * known * certain,
        }
        return outputs, {name: following[name] for name in self.state_schema}

    def _smooth(self, motion: Tensor, time_s: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """One-pole low-pass; a time constant of zero changes nothing, to the last bit."""
        keep = torch.where(time_s > 0.0, torch.exp(-self.hop_s / time_s.clamp(min=1e-3)), torch.zeros_like(time_s))
        steps: list[Tensor] = []
        for step in range(motion.shape[1]):
            last = motion[:, step] + keep[:, None] * (last - motion[:, step])
            steps.append(last)
        return torch.stack(steps, dim=1), last


def lookahead_hops(knob: Tensor) -> Tensor:
    """The look-ahead in hops, int64 [B], of its knob [B]."""
    return torch.round(knob + DEFAULT_LOOKAHEAD_HOPS).clamp(0, LONGEST_LOOKAHEAD_HOPS).to(torch.int64)


def gate_of(laughter: Tensor) -> Tensor:
    """0 up to GATE_FROM, 1 from GATE_TO, smooth between (a cubic)."""
    share = ((laughter - GATE_FROM) / (GATE_TO - GATE_FROM)).clamp(0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
