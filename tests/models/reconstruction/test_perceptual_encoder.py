"""SPECTRE's encoder keeps what is said of it: seed-systems 10.4, checks 1 to 4 and the first half of 6."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.perceptual.visual_speech import MOUTH_PX, ReaderShape, VisualSpeech
from models.reconstruction.perceptual_encoder import (
    EXPRESSION_SIZE,
    MOTION_SIZE,
    OPENING,
    MouthFeatures,
    PerceptualEncoder,
    PerceptualResidual,
    in_chunks,
    of_whole_clip,
)
from models.streaming import check_causal, check_streaming, run

FEATURE = 24
SMALL = ReaderShape(stem=4, trunk=[8, 8], feature=FEATURE, width=16, depth=1)


def residual(lookahead: int = 2, scale: float = 100.0, seed: int = 0) -> PerceptualResidual:
    """One whose residual is as large as if it had been taught; with statistics of its own."""
    torch.manual_seed(seed)
    module = PerceptualResidual(FEATURE, lookahead).eval()
    with torch.no_grad():
        assert module.norm.running_mean is not None
        module.norm.running_mean.normal_(std=0.1)
        module.last.weight.mul_(scale)
        module.last.bias.mul_(scale)
    return module


def rows(count: int = 30, seed: int = 1, batch: int = 1) -> Tensor:
    return torch.randn(batch, count, FEATURE + MOTION_SIZE, generator=torch.Generator().manual_seed(seed))


def base_of(signal: Tensor) -> Tensor:
    return signal[:, :, FEATURE:]


def test_an_untaught_encoder_tells_the_base() -> None:
    signal, module = rows(), residual(scale=1.0)
    with torch.no_grad():
        change = (of_whole_clip(module, signal) - base_of(signal)).abs().max()
        assert 0.0 < change < 1e-2
        module.last.weight.zero_()
        module.last.bias.zero_()
        assert torch.equal(of_whole_clip(module, signal), base_of(signal))


@pytest.mark.parametrize(("lookahead", "touched"), [(2, range(8, 13)), (1, range(9, 14)), (0, range(10, 15))])
def test_a_picture_is_felt_as_far_as_the_taps_reach(lookahead: int, touched: range) -> None:
    module, signal = residual(lookahead), rows()
    changed = signal.clone()
    changed[:, 10, :FEATURE] += torch.randn(FEATURE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        moved = (of_whole_clip(module, changed) - of_whole_clip(module, signal)).abs().amax(dim=(0, 2))
    assert torch.nonzero(moved > 1e-6)[:, 0].tolist() == list(touched)


@pytest.mark.parametrize("lookahead", [0, 1, 2])
def test_any_chunking_streams_the_same(lookahead: int) -> None:
    module = residual(lookahead)
    with torch.no_grad():
        check_streaming(module, rows(40, batch=2), seed=lookahead)
        check_causal(module, rows(40), seed=lookahead)


@pytest.mark.parametrize("lookahead", [0, 2])
@pytest.mark.parametrize("chunk", [1, 7, 50])
def test_a_stream_of_any_chunk_size_is_the_whole_clip(lookahead: int, chunk: int) -> None:
    module, signal = residual(lookahead), rows(60)
    # The last picture is held, as the first is: what comes out is late by the look-ahead.
    held = torch.cat([signal, signal[:, -1:].expand(-1, lookahead, -1)], dim=1)
    with torch.no_grad():
        outputs, _ = run(module, held.split(chunk, dim=1))
        whole = of_whole_clip(module, signal)
    streamed = torch.cat([outputs["expression"], outputs["jaw"]], dim=2)[:, lookahead:]
    assert streamed.shape == whole.shape
    assert torch.allclose(streamed, whole, atol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 49, 50, 51, 96, 140])
@pytest.mark.parametrize("length", [5, 7, 50])
def test_overlapping_chunks_are_the_whole_clip(count: int, length: int) -> None:
    module, signal = residual(), rows(count)
    with torch.no_grad():
        whole, pieces = of_whole_clip(module, signal), in_chunks(module, signal, length)
    assert pieces.shape == whole.shape == (1, count, MOTION_SIZE)
    assert torch.allclose(pieces, whole, atol=1e-5)


def test_chunks_shorter_than_the_taps_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter than the 5 taps"):
        in_chunks(residual(), rows(), 4)


def test_the_jaw_is_only_opened_further() -> None:
    module = residual()
    with torch.no_grad():
        change = module.residual(3.0 * torch.randn(8, 40, FEATURE))
    opening, others = change[:, :, OPENING], torch.cat([change[:, :, :OPENING], change[:, :, OPENING + 1 :]], dim=2)
    assert opening.min() >= 0.0
    assert opening.max() > 0.0
    assert others.min() < 0.0
    assert OPENING == EXPRESSION_SIZE


@pytest.mark.parametrize("lookahead", [-1, 3])
def test_a_lookahead_beyond_the_taps_is_refused(lookahead: int) -> None:
    with pytest.raises(ValueError, match=r"five taps allow 0..2"):
        PerceptualResidual(FEATURE, lookahead)


def test_mouths_begin_at_what_the_reader_sees() -> None:
    torch.manual_seed(3)
    reader, shown = VisualSpeech(SMALL).eval(), torch.rand(1, 6, MOUTH_PX, MOUTH_PX)
    features = MouthFeatures(SMALL).eval()
    with torch.no_grad():
        assert not torch.allclose(features(shown), reader.features(shown))
        features.begin_at(reader)
        assert torch.equal(features(shown), reader.features(shown))


@pytest.mark.parametrize("sees", ["mouth", "face"])
def test_it_sees_mouths_or_faces(sees: str) -> None:
    encoder = PerceptualEncoder(sees, 2, SMALL).eval()
    base = torch.randn(1, 6, MOTION_SIZE)
    pictures = torch.rand(1, 6, MOUTH_PX, MOUTH_PX) if sees == "mouth" else torch.randint(0, 256, (1, 6, 64, 64, 3))
    with torch.no_grad():
        assert encoder(pictures.to(torch.uint8) if sees == "face" else pictures, base).shape == base.shape


def test_a_part_that_cannot_be_seen_is_refused() -> None:
    with pytest.raises(ValueError, match="mouth or face"):
        PerceptualEncoder("hands")
