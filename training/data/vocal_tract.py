"""Other speakers than were recorded: a longer or shorter vocal tract, as a warp of the log-mel bands.

Vocal tract length perturbation (Jaitly and Hinton, 2013): formants lie as far apart as the tract is short, so a voice
whose frequencies are stretched is the voice of somebody else who says the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.audio.front_end import HIGHEST_HZ, LOWEST_HZ, MEL_COUNT


@dataclass(frozen=True)
class VocalTracts:
    """Which speakers are made up.

    warped     share of excerpts that are somebody else's
    shortest, longest   how much the frequencies are stretched: 1 is the speaker's own tract
    """

    warped: float = 0.6
    shortest: float = 0.85
    longest: float = 1.18


def with_other_tracts(mel: Tensor, tracts: VocalTracts) -> Tensor:
    """Log-mel [B, T, frames * 64], some rows warped by a stretch of their own, drawn from torch's generator."""
    rows = len(mel)
    stretch = tracts.shortest + (tracts.longest - tracts.shortest) * torch.rand(rows, device=mel.device)
    is_warped = torch.rand(rows, device=mel.device) < tracts.warped
    return warped(mel, torch.where(is_warped, stretch, 1.0))


def warped(mel: Tensor, stretch: Tensor) -> Tensor:
    """Log-mel [B, T, frames * 64] whose content at frequency f is moved to f * stretch [B].

    What comes from beyond the ends of the scale is the last band there.
    """
    low, high = _mel(torch.tensor(LOWEST_HZ)), _mel(torch.tensor(HIGHEST_HZ))
    step = (high - low) / (MEL_COUNT + 1)
    centre = (low + step * torch.arange(1, MEL_COUNT + 1)).to(mel.device)
    source = _mel(_hz(centre) / stretch[:, None])
    place = ((source - centre[0]) / step).clamp(0.0, MEL_COUNT - 1.0)
    # A row of the matrix is a triangle around the place in the scale that the band takes its level from.
    weights = (1.0 - (place[:, :, None] - torch.arange(MEL_COUNT, device=mel.device)).abs()).clamp(min=0.0)
    frames = mel.reshape(*mel.shape[:2], -1, MEL_COUNT)
    return torch.einsum("btfm,bnm->btfn", frames, weights).reshape(mel.shape)


def _mel(frequency_hz: Tensor) -> Tensor:
    return 2595.0 * torch.log10(1.0 + frequency_hz / 700.0)


def _hz(mel: Tensor) -> Tensor:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
