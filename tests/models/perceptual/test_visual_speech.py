"""A lip reader sees a mouth as far as it should and no farther, and reads what it was shown often enough."""

from __future__ import annotations

import pytest
import torch

from models.perceptual.visual_speech import MOUTH_PX, STEM_PICTURES, VISEMES, ReaderShape, VisualSpeech

SMALL = ReaderShape(stem=4, trunk=[8, 8], feature=12, width=16, depth=1, dropout=0.0)
RECURRENT = ReaderShape(stem=4, trunk=[8, 8], feature=12, width=16, depth=1, dropout=0.0, context="recurrent")


def mouths(count: int = 9, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, count, MOUTH_PX, MOUTH_PX, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [SMALL, RECURRENT])
def test_every_picture_is_told_in_visemes(shape: ReaderShape) -> None:
    reader = VisualSpeech(shape).eval()
    assert reader(mouths(7)).shape == (1, 7, len(VISEMES))
    assert reader.features(mouths(1)).shape == (1, 1, shape.feature)


def test_a_feature_is_of_a_picture_and_two_to_each_side() -> None:
    reader, shown = VisualSpeech(SMALL).eval(), mouths()
    changed = shown.clone()
    changed[:, 4] = 1.0 - changed[:, 4]
    with torch.no_grad():
        moved = (reader.features(changed) - reader.features(shown)).abs().amax(dim=(0, 2))
    reach = STEM_PICTURES // 2
    assert torch.all(moved[4 - reach : 4 + reach + 1] > 1e-6)
    assert torch.all(torch.cat([moved[: 4 - reach], moved[4 + reach + 1 :]]) == 0.0)


def test_the_context_of_convolutions_reaches_both_ways() -> None:
    reader, features = VisualSpeech(SMALL).eval(), torch.randn(1, 21, SMALL.feature)
    changed = features.clone()
    changed[:, 10] += 1.0
    with torch.no_grad():
        moved = (reader.read(changed) - reader.read(features)).abs().amax(dim=(0, 2))
    assert moved[8] > 0.0
    assert moved[12] > 0.0
    assert moved[0] == 0.0


def test_it_learns_to_tell_open_from_closed() -> None:
    torch.manual_seed(0)
    reader = VisualSpeech(SMALL)
    shown = torch.full((2, 8, MOUTH_PX, MOUTH_PX), 0.5)
    shown[:, ::2, 30:60, 20:70] = 0.0
    truth = torch.tensor([VISEMES.index("a"), VISEMES.index("p")]).repeat(2, 4)
    optimizer = torch.optim.Adam(reader.parameters(), 0.01)
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(reader(shown).flatten(0, 1), truth.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (reader(shown).argmax(dim=2) == truth).float().mean() > 0.9


def test_a_context_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="take convolutions or recurrent"):
        VisualSpeech(ReaderShape(context="attention"))
