"""Where the reconstruction's networks may begin: a user's own files, read by the loader that runs no code.

encoder.checkpoint   of the network "backbone": the last.safetensors of a run of `expression`, our face encoder.
                     Of "resnet50": one in the names that torchvision and most others use, whatever stands before them:
                     of ImageNet, of VGGFace2, or DECA's own `deca_model.tar`, whose last layers are then taken too
                     where their sizes fit (they tell FLAME's coefficients, not the open head's)
recogniser           the face recogniser of DECA's identity loss: a ResNet-50 of VGGFace2
patches              the VGG19 of ImageNet that DECA's ID-MRF compares patches by
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.reconstruction.encoder import CoarseEncoder, Features, PictureEncoder
from models.reconstruction.resnet import ResNet50
from models.reconstruction.vgg import Vgg19
from models.video.backbone import Backbone
from training.checkpoints import read_tensors
from training.recipe import RecipeError

_FIRST = "conv1.weight"
_BACKBONE_FIRST = "backbone.stem.0.weight"
# VGGFace2's networks take 224 px, in 0..255, BGR, less these means.
_RECOGNISER_PX = 224
_BGR_MEANS = (91.4953, 103.8827, 131.0912)


class Recogniser(nn.Module):
    """Pictures float32 [B, 3, S, S] in 0..1 RGB -> features [B, 2048] of who it is. Frozen, always in eval mode."""

    means: Tensor

    def __init__(self, network: ResNet50) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.register_buffer("means", torch.tensor(_BGR_MEANS)[None, :, None, None], persistent=False)

    def train(self, mode: bool = True) -> Recogniser:
        return super().train(False)

    def forward(self, pictures: Tensor) -> Tensor:
        large = functional.interpolate(pictures, (_RECOGNISER_PX, _RECOGNISER_PX), mode="bilinear")
        return self.network(255.0 * large.flip(1) - self.means)


def load_recogniser(path: Path) -> Recogniser:
    """The recogniser in a user's file. RecipeError when it holds none."""
    network = ResNet50()
    _fill(network, read_tensors(path), path)
    return Recogniser(network)


def begin_at(encoder: PictureEncoder, path: Path) -> None:
    """Take over what `path` has of an encoder's features and, of a ResNet-50's file where they fit, last layers.

    RecipeError where it has none.
    """
    tensors = read_tensors(path)
    if isinstance(encoder.encoder, Features):
        _fill_backbone(encoder.encoder.backbone, tensors, path)
        return
    prefix = _fill(encoder.encoder, tensors, path).removesuffix("encoder.")
    own = encoder.layers.state_dict()
    last = {name: tensors.get(f"{prefix}layers.{name}") for name in own}
    fitting = {name: tensor for name, tensor in last.items() if tensor is not None and tensor.shape == own[name].shape}
    if len(fitting) == len(own):
        encoder.layers.load_state_dict(fitting)
        if isinstance(encoder, CoarseEncoder):
            encoder.units.fill_(1.0)


def _fill_backbone(backbone: Backbone, tensors: dict[str, Tensor], path: Path) -> None:
    """Of several in a file, as in a run's checkpoint, the averaged one."""
    first = sorted(name for name in tensors if name.endswith(_BACKBONE_FIRST))
    wanted = backbone.state_dict()
    if first:
        prefix = first[0].removesuffix(_BACKBONE_FIRST) + "backbone."
        found = {name: tensors[prefix + name] for name in wanted if prefix + name in tensors}
        if all(name in found and found[name].shape == wanted[name].shape for name in wanted):
            backbone.load_state_dict(found)
            return
    raise RecipeError(
        f"{path} has no backbone of our face encoder; give the last.safetensors of a run of `expression`, or set "
        "encoder.network to resnet50"
    )


def _fill(network: ResNet50, tensors: dict[str, Tensor], path: Path) -> str:
    """Load the one whose first convolution comes first; what stands before its names."""
    first = next((name for name in tensors if name.endswith(_FIRST) and tensors[name].shape[2:] == (7, 7)), None)
    if first is None:
        raise RecipeError(f"{path} holds no ResNet-50 (no 7 x 7 {_FIRST}); give one in torchvision's names")
    prefix = first.removesuffix(_FIRST)
    wanted = network.state_dict()
    found = {name: tensors[prefix + name] for name in wanted if prefix + name in tensors}
    counted = {name for name in wanted if not name.endswith("num_batches_tracked")}
    missing = sorted(name for name in counted if name not in found or found[name].shape != wanted[name].shape)
    if missing:
        raise RecipeError(f"{path} is no ResNet-50: {prefix}{missing[0]} is missing or misshapen ({len(missing)} such)")
    network.load_state_dict(wanted | found)
    return prefix


class PatchFeatures(nn.Module):
    """Pictures float32 [B, 3, H, W] in 0..1 -> the maps that ID-MRF compares. Frozen, always in eval mode."""

    def __init__(self, network: Features | Vgg19) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> PatchFeatures:
        return super().train(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        if isinstance(self.network, Vgg19):
            # The seed compares relu3_2 and relu4_2 for style and relu4_2 for content.
            style, content = self.network(pictures)
            return [style, content, content]
        return self.network.maps(pictures)[1:3]


def load_patch_features(path: Path) -> PatchFeatures:
    """VGG19 in a user's file, in torchvision's names. RecipeError when it holds none."""
    tensors = read_tensors(path)
    network = Vgg19()
    wanted = network.state_dict()
    missing = sorted(name for name in wanted if name not in tensors or tensors[name].shape != wanted[name].shape)
    if missing:
        raise RecipeError(f"{path} is no VGG19: {missing[0]} is missing or misshapen; give one in torchvision's names")
    network.load_state_dict({name: tensors[name] for name in wanted})
    return PatchFeatures(network)
