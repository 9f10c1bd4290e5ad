"""The front end that the field's published lip readers share (Ma et al. 2021, auto-avsr; Shi et al. 2022, AV-HuBERT).

A convolution over space and time, then a ResNet-18 of each picture (He et al. 2016): SPECTRE compares its 512 features.
The weights are a user's own: `training.lip_readers` finds them in a checkpoint. Only this part is rebuilt; the layers
along time and the decoder of words have no place in a loss (see `models.perceptual.visual_speech`).
"""

from __future__ import annotations

from torch import Tensor, nn

from models.perceptual.visual_speech import GREY_MEAN, GREY_SD

PUBLISHED_FEATURE_SIZE = 512
_CHANNELS = (64, 128, 256, 512)
_BLOCKS = 2
_ACTIVATIONS = ("swish", "prelu", "relu")


class PublishedReader(nn.Module):
    """Mouths float32 [B, T, 88, 88], grey 0..1, at 25 Hz -> `features` [B, T, 512]. It reads no visemes.

    activation   "swish" (auto-avsr), "prelu" (AV-HuBERT) or "relu"; ValueError for another
    """

    feature_size = PUBLISHED_FEATURE_SIZE

    def __init__(self, activation: str = "swish") -> None:
        super().__init__()
        if activation not in _ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}; it is one of {', '.join(_ACTIVATIONS)}")
        first = _CHANNELS[0]
        self.stem = nn.Sequential(
            nn.Conv3d(1, first, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False),
            nn.BatchNorm3d(first),
            activated(activation, first),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )
        blocks: list[nn.Module] = []
        inputs = first
        for stage, channels in enumerate(_CHANNELS):
            for number in range(_BLOCKS):
                blocks.append(BasicBlock(inputs, channels, 2 if stage and not number else 1, activation))
                inputs = channels
        self.blocks = nn.ModuleList(blocks)

    def features(self, mouths: Tensor) -> Tensor:
        """See the class."""
        batch, steps = mouths.shape[:2]
        x = self.stem(((mouths - GREY_MEAN) / GREY_SD)[:, None]).transpose(1, 2).flatten(0, 1)
        for block in self.blocks:
            x = block(x)
        return x.mean(dim=(2, 3)).unflatten(0, (batch, steps))

    def forward(self, mouths: Tensor) -> Tensor:
        return self.features(mouths)


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut, [B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.relu1 = nn.BatchNorm2d(outputs), activated(activation, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2, self.relu2 = nn.BatchNorm2d(outputs), activated(activation, outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + self.downsample(x))


def activated(activation: str, channels: int) -> nn.Module:
    """The activation of that name; a PReLU has one slope a channel."""
    kinds = {"swish": nn.SiLU(), "prelu": nn.PReLU(channels), "relu": nn.ReLU()}
    return kinds[activation]
