"""A made-up speaker says the same, with formants elsewhere."""

from __future__ import annotations

import math

import pytest
import torch

from models.audio.front_end import FEATURE_SIZE, MEL_COUNT, LogMel
from training.data.vocal_tract import VocalTracts, warped, with_other_tracts


def tone_mel(frequency_hz: float) -> torch.Tensor:
    time_s = torch.arange(6400) / 16_000
    tone = 0.3 * torch.sin(2.0 * math.pi * frequency_hz * time_s)[None]
    mel, _ = LogMel()(tone, {"overlap": torch.zeros(1, 320)})
    return mel[:, 4:]


@pytest.mark.parametrize("stretch", [0.85, 0.95, 1.1, 1.18])
def test_a_warped_tone_is_the_tone_of_another_frequency(stretch: float) -> None:
    moved = warped(tone_mel(1000.0), torch.tensor([stretch]))
    wanted = tone_mel(1000.0 * stretch)
    loudest = moved.reshape(-1, MEL_COUNT).argmax(dim=1).float()
    assert (loudest - wanted.reshape(-1, MEL_COUNT).argmax(dim=1)).abs().max() <= 1.0


def test_nobody_else_is_the_same_sound() -> None:
    mel = torch.randn(2, 5, FEATURE_SIZE)
    torch.testing.assert_close(warped(mel, torch.ones(2)), mel, atol=1e-4, rtol=0.0)
    assert torch.equal(with_other_tracts(mel, VocalTracts(warped=0.0)), warped(mel, torch.ones(2)))


def test_a_share_of_the_rows_is_warped_each_by_its_own() -> None:
    torch.manual_seed(0)
    mel = torch.randn(1, 3, FEATURE_SIZE).expand(400, -1, -1)
    other = with_other_tracts(mel, VocalTracts(warped=0.6))
    changed = ((other - mel).abs().amax(dim=(1, 2)) > 1e-3).float().mean()
    assert 0.5 < float(changed) < 0.7
    assert len(torch.unique(other[:, 0, 30])) > 200


def test_silence_stays_silence() -> None:
    silent = torch.full((1, 4, FEATURE_SIZE), -1.0)
    torch.testing.assert_close(warped(silent, torch.tensor([1.18])), silent)
