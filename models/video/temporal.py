"""The temporal residual: what the pictures before (and perhaps after) say about the motion in one picture.

SPECTRE's (Filntisis et al. 2023): five features in a row -> Conv1d -> BatchNorm -> ReLU -> a residual on expression and
jaw, whose last layer begins at a thousandth so that training begins at the single picture's motion. Two things are
ours. The five taps are 1/30 s apart whatever the camera's rate: a ring of the last pictures with their ages is read
between its pictures, so that 25, 30 and 60 Hz look alike to it. And the look-ahead is a knob: there is one last layer
for each age that the told picture may have (0..3 taps), and ages between them mix two.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.streaming import Outputs, State, StateTensor, StreamingModule
from models.video.face_encoder import FEATURE_SIZE, HEAD_SIZES
from protocol.frame import PART_BY_NAME

EXPRESSION_SIZE, JAW_SIZE = HEAD_SIZES["expression"], HEAD_SIZES["jaw"]
MOTION_SIZE = EXPRESSION_SIZE + JAW_SIZE
TAPS = 5
TAP_S = 1.0 / 30.0
LONGEST_LOOKAHEAD = 2
# Four taps are eight pictures at 60 Hz.
RING = 9
_TARGET_AGES = 4
_HIDDEN = 256
_FIRST_SCALE = 0.001
ROW_SIZE = FEATURE_SIZE + MOTION_SIZE


class TemporalResidual(StreamingModule):
    """Signal [B, T, 256 + 53 + 1]: a picture's feature, its expression and jaw, and the seconds since the one before.

    Outputs `expression` [B, T, 50] and `jaw` [B, T, 3] of the picture `knob_lookahead` (0..2) pictures ago. A step of 0
    means 1/30 s. A stream begins as if its first picture had always been there.

    `knob_residual` is the strength of the residual, less 1: at -1 a picture is told by itself.
    """

    hop_size = 1
    hop_s = TAP_S
    is_stepwise = True
    state_schema: Mapping[str, StateTensor]
    tap_ages_s: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(ROW_SIZE, _HIDDEN, TAPS, bias=False)
        self.norm = nn.BatchNorm1d(_HIDDEN)
        self.last = nn.Linear(_HIDDEN, _TARGET_AGES * MOTION_SIZE)
        with torch.no_grad():
            self.last.weight.mul_(_FIRST_SCALE)
            self.last.bias.mul_(_FIRST_SCALE)
        self.register_buffer("tap_ages_s", TAP_S * torch.arange(float(TAPS)), persistent=False)
        self.state_schema = {
            "ring": StateTensor((RING, ROW_SIZE), "features and motions of the last pictures, newest first"),
            "ages_s": StateTensor((RING,), "how long before the newest each was taken, s"),
            "begun": StateTensor((), "1 once there was a picture"),
            "knob_lookahead": StateTensor((), "pictures of look-ahead, 0..2"),
            "knob_residual": StateTensor((), "strength of the residual, less 1"),
        }

    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        """See the class."""
        lookahead = torch.round(state["knob_lookahead"]).clamp(0, LONGEST_LOOKAHEAD)
        ring, ages_s, begun = state["ring"], state["ages_s"], state["begun"]
        taps: list[Tensor] = []
        targets: list[Tensor] = []
        target_ages_s: list[Tensor] = []
        is_target = _is(lookahead, RING)
        for step in range(signal.shape[1]):
            ring, ages_s, begun = _pushed(signal[:, step], ring, ages_s, begun)
            taps.append(_between(ages_s, self.tap_ages_s) @ ring)
            targets.append((is_target[:, None] @ ring[:, :, FEATURE_SIZE:])[:, 0])
            target_ages_s.append((is_target * ages_s).sum(dim=1))
        motion = torch.stack(targets, dim=1)
        strength = (1.0 + state["knob_residual"]).clamp(min=0.0)[:, None, None]
        motion = motion + strength * self._residual(torch.stack(taps, dim=1), torch.stack(target_ages_s, dim=1))
        jaw_range = PART_BY_NAME["jaw"]
        outputs = {
            "expression": motion[:, :, :EXPRESSION_SIZE],
            "jaw": motion[:, :, EXPRESSION_SIZE:].clamp(jaw_range.minimum, jaw_range.maximum),
        }
        # A copy of each knob: a graph whose output is its own input is refused by ONNX Runtime.
        knobs = {name: state[name].clone() for name in ("knob_lookahead", "knob_residual")}
        return outputs, {"ring": ring, "ages_s": ages_s, "begun": begun, **knobs}

    def _residual(self, taps: Tensor, target_ages_s: Tensor) -> Tensor:
        """Taps [B, T, 5, 309] newest first, age of the told picture [B, T] -> residual [B, T, 53]."""
        batch, steps = target_ages_s.shape
        rows = taps.reshape(batch * steps, TAPS, ROW_SIZE).transpose(1, 2)
        hidden = torch.relu(self.norm(self.conv(rows)[:, :, 0]))
        of_each_age = self.last(hidden).reshape(batch, steps, _TARGET_AGES, MOTION_SIZE)
        age = (target_ages_s / TAP_S).clamp(0.0, _TARGET_AGES - 1.0)[:, :, None]
        nearness = (1.0 - (age - torch.arange(float(_TARGET_AGES), device=age.device)).abs()).clamp(min=0.0)
        return (nearness[:, :, None] @ of_each_age)[:, :, 0]


def _pushed(row: Tensor, ring: Tensor, ages_s: Tensor, begun: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ring, ages and `begun` after a row of the signal [B, 310]; a first row fills the whole ring."""
    told, step_s = row[:, :-1], row[:, -1:]
    step_s = torch.where(step_s > 0.0, step_s, TAP_S)
    has_begun = begun[:, None] > 0.5
    older = torch.cat([torch.zeros_like(step_s), ages_s[:, :-1] + step_s], dim=1)
    at_first = step_s * torch.arange(float(RING), device=row.device)
    shifted = torch.cat([told[:, None], ring[:, :-1]], dim=1)
    ring = torch.where(has_begun[:, :, None], shifted, told[:, None].expand(-1, RING, -1))
    return ring, torch.where(has_begun, older, at_first), torch.ones_like(begun)


def _between(ages_s: Tensor, wanted_s: Tensor) -> Tensor:
    """Weights [B, W, R] that read a ring of ages [B, R], rising from 0, at the ages `wanted_s` [W] between its rows.

    Linear between two rows, the oldest row beyond it.
    """
    gap = (ages_s[:, 1:] - ages_s[:, :-1]).clamp(min=1e-4)
    passed = ((wanted_s[None, :, None] - ages_s[:, None, :-1]) / gap[:, None]).clamp(0.0, 1.0)
    ends = torch.ones_like(passed[:, :, :1])
    return torch.cat([ends, passed], dim=2) - torch.cat([passed, torch.zeros_like(ends)], dim=2)


def _is(number: Tensor, count: int) -> Tensor:
    """[B, count]: 1 at each row's `number` [B], else 0."""
    return (number[:, None] == torch.arange(float(count), device=number.device)).to(torch.float32)
