"""Reads what a mouth says from how its points move: a judge of rendered speech whom no skin, light or pose disturbs.

It knows nothing of pictures and of readers of pictures, and learns in a minute of one core from the true motions of a
speech store (`python -m training.data.build_speech`); voices of the split `val` are not learnt from.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.head.flame import open_head
from models.perceptual.visual_speech import VISEMES
from training.data.build_talking_faces import Lines, times_s
from training.data.viseme_groups import viseme_rows
from training.losses.mouth import EXPRESSION_SIZE, MouthSurface

_WIDTH, _INNER = 96, 64
_PICTURES, _BATCH, _STEPS, _RATE = 50, 12, 700, 4e-3
_SMOOTHING = 0.1
# How a head that was told from a film differs from the truth, all along a clip and from picture to picture, in sd of
# expressions and rad of the jaw; and how much less, or more, it moves.
_OFF_SD, _TREMBLE_SD, _OFF_RAD, _LIVELY = 0.3, 0.05, 0.02, (0.6, 1.2)


class MotionReader(nn.Module):
    """Motion [B, T, 53] (sd, rad) at 25 Hz -> logits of VISEMES [B, T, 17]. T may be any number."""

    def __init__(self) -> None:
        super().__init__()
        self.surface = MouthSurface(open_head())
        size = self.surface(torch.zeros(1, EXPRESSION_SIZE + 3)).flatten().numel()
        self.inside = nn.Sequential(nn.Linear(size, _INNER), nn.ReLU())
        self.context = nn.GRU(_INNER, _WIDTH, batch_first=True, bidirectional=True)
        self.visemes = nn.Linear(2 * _WIDTH, len(VISEMES))
        with torch.no_grad():
            self.rest = self.surface(torch.zeros(1, 1, EXPRESSION_SIZE + 3))

    def forward(self, motion: Tensor) -> Tensor:
        moved = (self.surface(motion) - self.rest).flatten(2)
        return self.visemes(self.context(self.inside(moved))[0])


def fitted(lines: Lines, steps: int = _STEPS, pictures: int = _PICTURES, seed: int = 0) -> MotionReader:
    """A reader that has learnt from stretches of `lines`, in eval mode; the same seed gives the same reader."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        reader = MotionReader()
    optimizer = torch.optim.AdamW(reader.parameters(), _RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        motion, visemes = said_by(lines, np.random.default_rng([seed, step]), "train", _BATCH, pictures)
        logits = reader(as_told(motion, np.random.default_rng([seed, step, 1])))
        loss = functional.cross_entropy(logits.flatten(0, 1), visemes.flatten(), label_smoothing=_SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return reader.eval().requires_grad_(False)


def said_by(lines: Lines, rng: np.random.Generator, split: str, count: int, pictures: int) -> tuple[Tensor, Tensor]:
    """Motion float32 [B, T, 53] of `count` stretches of `lines`, and visemes int64 [B, T]."""
    drawn = [lines.draw(rng, pictures, split) for _ in range(count)]
    motion = np.stack([np.asarray(line.motion, np.float32) for line in drawn])
    visemes = np.array([viseme_rows(line.phones, times_s(pictures).tolist()) for line in drawn], np.int64)
    return torch.from_numpy(motion), torch.from_numpy(visemes)


def as_told(motion: Tensor, rng: np.random.Generator) -> Tensor:
    """True motion [B, T, 53] as an encoder might tell it: livelier or less, off all along, trembling."""
    count, pictures, size = motion.shape
    spread = np.where(np.arange(size) < EXPRESSION_SIZE, _OFF_SD, _OFF_RAD)
    lively = rng.uniform(*_LIVELY, (count, 1, 1))
    off = rng.normal(0.0, spread, (count, 1, size)) + rng.normal(0.0, 1.0, (count, pictures, size)) * (
        spread * _TREMBLE_SD / _OFF_SD
    )
    return motion * torch.tensor(lively, dtype=torch.float32) + torch.tensor(off, dtype=torch.float32)
