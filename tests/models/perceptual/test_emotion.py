"""What reads emotions, from pictures and from coefficients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.perceptual.emotion import EMOTIONS, FEATURE_SIZE, EmotionNetwork
from models.perceptual.emotion_from_coefficients import EmotionFromCoefficients
from models.perceptual.face_api import FaceApiExpression, padded


def test_a_picture_of_any_size_has_an_emotion_and_a_gradient() -> None:
    torch.manual_seed(0)
    network = EmotionNetwork().eval()
    pictures = torch.rand(2, 3, 64, 80, requires_grad=True)
    told = network(pictures)
    assert (told["feature"].shape, told["logits"].shape) == ((2, FEATURE_SIZE), (2, len(EMOTIONS)))
    assert float(torch.stack([told["valence"], told["arousal"]]).detach().abs().max()) <= 1.0
    told["feature"].square().sum().backward()
    assert pictures.grad is not None
    assert bool((pictures.grad.abs().sum(dim=(1, 2, 3)) > 0).all())


def test_a_large_picture_and_its_small_copy_feel_alike() -> None:
    torch.manual_seed(0)
    network = EmotionNetwork().eval()
    large = functional.interpolate(torch.rand(1, 3, 12, 12), size=(256, 256), mode="bilinear")
    small = functional.interpolate(large, size=(128, 128), mode="bilinear", antialias=True)
    with torch.no_grad():
        assert torch.allclose(network(large)["feature"], network(small)["feature"], atol=1e-4)


@pytest.mark.parametrize(("has_detail", "inputs"), [(False, 153), (True, 281)])
def test_coefficients_have_an_emotion(has_detail: bool, inputs: int) -> None:
    torch.manual_seed(0)
    network = EmotionFromCoefficients(32, 3, has_detail).eval()
    given = (torch.randn(4, 100), 5.0 * torch.randn(4, 50), torch.randn(4, 3))
    detail = torch.randn(4, 128) if has_detail else None
    told = network(*given, detail)
    assert next(iter(network.parameters())).shape == (inputs,)
    assert told["logits"].shape == (4, 8)
    assert float(torch.stack([told["valence"], told["arousal"]]).detach().abs().max()) <= 1.0
    with pytest.raises(ValueError, match="detail"):
        network(*given, None if has_detail else torch.randn(4, 128))


def test_emocas_own_size_is_the_default() -> None:
    wide = [tuple(weight.shape) for weight in EmotionFromCoefficients().parameters() if weight.ndim == 2]
    assert wide == [(2048, 153), (2048, 2048), (2048, 2048), (2048, 2048), (10, 2048)]


@pytest.mark.parametrize(("side", "stride", "expected"), [(112, 2, (0, 1)), (7, 2, (1, 1)), (14, 1, (1, 1))])
def test_padding_is_tensorflows(side: int, stride: int, expected: tuple[int, int]) -> None:
    ones = padded(torch.ones(1, 1, side, side), stride)[0, 0]
    row = ones[side // 2]
    assert (int(torch.argmax(row)), len(row) - side - int(torch.argmax(row))) == expected
    assert len(range(0, len(row) - 2, stride)) == -(-side // stride)


def test_face_apis_block_adds_up_as_published() -> None:
    """out4 of the last sum sees relu(out1 + out2 + out3), and out1 is rectified before it is added."""
    torch.manual_seed(0)
    block = FaceApiExpression().blocks[1]
    x = torch.randn(1, 32, 8, 8)
    first, second, third, fourth = block.layers
    with torch.no_grad():
        out1 = torch.relu(first(x))
        out2 = second(out1)
        out3 = third(torch.relu(out1 + out2))
        out4 = fourth(torch.relu(out1 + out2 + out3))
        assert torch.allclose(block(x), torch.relu(out1 + out2 + out3 + out4), atol=1e-6)


def test_face_api_never_tells_contempt_and_keeps_our_order() -> None:
    torch.manual_seed(0)
    network = FaceApiExpression().eval()
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.arange(7.0))  # neutral, happy, sad, anger, fear, disgust, surprise
        logits = network(torch.rand(1, 3, 40, 40))["logits"][0]
    told = dict(zip(EMOTIONS, logits.tolist(), strict=True))
    assert told.pop("contempt") < -20.0
    assert told == {"neutral": 0, "happy": 1, "sad": 2, "anger": 3, "fear": 4, "disgust": 5, "surprise": 6}
    assert np.isfinite(logits.numpy()).all()
