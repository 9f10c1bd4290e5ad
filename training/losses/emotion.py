"""Losses and figures of emotions: classes, and valence and arousal as continuous signals.

PCC = cov(x, y) / (s_x s_y); CCC = 2 cov(x, y) / (s_x^2 + s_y^2 + (m_x - m_y)^2) (Lin 1989, "A concordance correlation
coefficient to evaluate reproducibility"), with biased variances; SAGR, how often the signs agree (Nicolaou, Gunes,
Pantic 2011). What is not known is NaN and counts for nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.perceptual.emotion import EMOTIONS

_FLOOR = 1e-8
_MOOD = ("valence", "arousal")


def pcc(told: Tensor, truth: Tensor) -> Tensor:
    """Pearson's correlation of two signals [N]; 0 where one of them is constant."""
    told, truth = told - told.mean(), truth - truth.mean()
    return (told * truth).mean() / (told.square().mean() * truth.square().mean()).sqrt().clamp(min=_FLOOR)


def ccc(told: Tensor, truth: Tensor) -> Tensor:
    """Concordance correlation of two signals [N]: 1 only where they are equal."""
    apart = told.mean() - truth.mean()
    told, truth = told - told.mean(), truth - truth.mean()
    spread = told.square().mean() + truth.square().mean() + apart.square()
    return 2.0 * (told * truth).mean() / spread.clamp(min=_FLOOR)


def rmse(told: Tensor, truth: Tensor) -> Tensor:
    """Root of the mean squared error of two signals [N]."""
    return (told - truth).square().mean().sqrt()


def sign_agreement(told: Tensor, truth: Tensor) -> Tensor:
    """Share of [N] on the same side of 0; 0 is a side of its own."""
    return (torch.sign(told) == torch.sign(truth)).float().mean()


def mood_figures(told: Tensor, truth: Tensor, name: str) -> dict[str, float]:
    """The four of one signal [N] where its truth is known, as `name_ccc` and so on; nothing where it never is."""
    known = torch.isfinite(truth)
    if not known.any():
        return {}
    told, truth = told[known].double(), truth[known].double()
    measures = {"ccc": ccc, "pcc": pcc, "rmse": rmse, "sagr": sign_agreement}
    return {f"{name}_{measure}": float(of(told, truth)) for measure, of in measures.items()}


def class_figures(logits: Tensor, truth: Tensor) -> dict[str, float]:
    """accuracy; balanced, the mean recall of the classes that occur; f1, the mean of theirs.

    logits [N, 8]; truth int64 [N].
    """
    told = logits.argmax(dim=1)
    recalls, scores = list[Tensor](), list[Tensor]()
    for number in range(len(EMOTIONS)):
        is_true, is_told = truth == number, told == number
        if is_true.any():
            hits = (is_true & is_told).sum().float()
            recalls.append(hits / is_true.sum())
            scores.append(2.0 * hits / (is_true.sum() + is_told.sum()))
    return {
        "accuracy": float((told == truth).float().mean()),
        "balanced": float(torch.stack(recalls).mean()),
        "f1": float(torch.stack(scores).mean()),
    }


def mood_loss(told: Tensor, truth: Tensor, shares: Tensor) -> Tensor:
    """EMOCA's loss of a signal [N]: squared error, 1 - PCC and 1 - CCC by `shares` [3]; 0 where too little is known."""
    known = torch.isfinite(truth)
    if int(known.sum()) < 2:
        return (told * 0.0).sum()
    told, truth = told[known], truth[known]
    parts = torch.stack([(told - truth).square().mean(), 1.0 - pcc(told, truth), 1.0 - ccc(told, truth)])
    return (shares * parts).sum()


def drawn_shares(like: Tensor) -> Tensor:
    """Three positive weights that sum to 1, drawn anew for each step ("shake-shake"), on the device of `like`."""
    drawn = torch.rand(3, device=like.device) + _FLOOR
    return drawn / drawn.sum()


def emotion_losses(told: dict[str, Tensor], emotion: Tensor, valence: Tensor, arousal: Tensor) -> dict[str, Tensor]:
    """The named losses of a reader's outputs (see `models.perceptual.emotion`), `total` among them.

    emotion [N, 8], how likely each class is (sums to 1); valence, arousal [N], NaN where unknown. Draws random weights.
    """
    losses = {"class": functional.cross_entropy(told["logits"].float(), emotion)}
    for name, truth in zip(_MOOD, (valence, arousal), strict=True):
        losses[name] = mood_loss(told[name].float(), truth, drawn_shares(truth))
    return {**losses, "total": torch.stack(list(losses.values())).sum()}
