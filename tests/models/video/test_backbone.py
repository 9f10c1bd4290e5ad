"""The backbone's own convolution is PyTorch's, with quicker gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.video.backbone import Backbone, ConvNorm, Stage


@pytest.mark.parametrize("side", [16, 17])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_convolution_learns_as_pytorchs(stride: int, side: int) -> None:
    torch.manual_seed(0)
    ours = ConvNorm(6, 6, 3, stride, groups=6)[0].train()
    theirs = nn.Conv2d(6, 6, 3, stride, 1, groups=6, bias=False)
    theirs.load_state_dict(ours.state_dict())
    pictures = [torch.randn(2, 6, side, side).requires_grad_() for _ in range(2)]
    pictures[1].data.copy_(pictures[0].data)
    results = [conv(picture) for conv, picture in zip((ours, theirs), pictures, strict=True)]
    torch.testing.assert_close(*results)
    weight = torch.randn_like(results[0])
    for result in results:
        (weight * result).sum().backward()
    torch.testing.assert_close(pictures[0].grad, pictures[1].grad)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
    torch.testing.assert_close(ours.eval()(pictures[0]), results[0])


def test_maps_shrink_by_their_strides() -> None:
    backbone = Backbone(8, [Stage(12, 2, 2), Stage(16, 1, 1), Stage(20, 1, 2)])
    maps = backbone(torch.zeros(2, 3, 32, 48))
    assert [tuple(one.shape) for one in maps] == [(2, 12, 8, 12), (2, 16, 8, 12), (2, 20, 4, 6)]
