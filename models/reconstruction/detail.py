"""DECA's detail: a code of a person's skin and what expression and jaw make of it, as a displacement of the surface.

    [jaw 3, expression 50, detail 128] -> one channel over the texture, at most 10 mm along the normal

Only `detail` knows the person, and only expression and jaw know the moment: a face keeps its wrinkles when it is posed
anew, and smiles with its own (Feng et al. 2021; seed-systems 1.2, 1.5).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.reconstruction.code import SIZES, FaceCode
from models.reconstruction.encoder import PictureEncoder

DETAIL_SIZE = 128
MOST_M = 0.01
JAW_SIZE = 3
_CHANNELS = (128, 64, 64, 32, 16)
_FIRST_CHANNELS = 128
_FIRST_SCALE = 0.1
# A detail begins as a random reading of the features and moves in small steps: one that runs away from the expression
# drowns it in the first layer of the decoder.
_FIRST_DETAIL, _DETAIL_UNIT = 400.0, 0.02
_DOUBLINGS = 1 << len(_CHANNELS)


class DetailEncoder(PictureEncoder):
    """Pictures [B, 3, H, W] in 0..1 -> details [B, 128]: DECA's E_d."""

    def __init__(self, network: str = "backbone") -> None:
        super().__init__(DETAIL_SIZE, network)
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight.mul_(_FIRST_DETAIL)

    def forward(self, pictures: Tensor) -> Tensor:
        return _DETAIL_UNIT * super().forward(pictures)

    @torch.no_grad()
    def begin_about(self, pictures: Tensor) -> None:
        """Let the details of `pictures` [B, 3, H, W], of several people, be 0 on average and 1 in size, each number.

        A fresh reading differs from picture to picture by a tenth of what expressions do, and the decoder would hear
        these alone (after Salimans & Kingma 2016, data-dependent initialisation).
        """
        was_training = self.training
        deviation, mean = torch.std_mean(self.train()(pictures), dim=0)
        self.train(was_training)
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        last.weight.div_(deviation[:, None])
        last.bias.sub_(mean / _DETAIL_UNIT).div_(deviation)


class DetailDecoder(nn.Module):
    """Details [B, 128] of faces -> displacement [B, 1, T, T] in m, outwards, first row at v = 1: DECA's F_d.

    T is 256 in the seed; ValueError unless it is a multiple of 32.
    """

    def __init__(self, size_px: int = 256) -> None:
        super().__init__()
        if size_px < _DOUBLINGS or size_px % _DOUBLINGS:
            raise ValueError(f"a displacement map of {size_px} px cannot be; take a multiple of {_DOUBLINGS}")
        self.size_px = size_px
        self.first_px = size_px // _DOUBLINGS
        self.first = nn.Linear(JAW_SIZE + SIZES["exp"] + DETAIL_SIZE, _FIRST_CHANNELS * self.first_px**2)
        self.norm = nn.BatchNorm2d(_FIRST_CHANNELS)
        blocks: list[nn.Module] = []
        inputs = _FIRST_CHANNELS
        for outputs in _CHANNELS:
            blocks += [
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                nn.Conv2d(inputs, outputs, 3, padding=1),
                nn.BatchNorm2d(outputs, eps=0.8),
                nn.LeakyReLU(0.2),
            ]
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Conv2d(inputs, 1, 3, padding=1)
        # It begins smooth: tenths of a millimetre.
        with torch.no_grad():
            for values in self.last.parameters():
                values.mul_(_FIRST_SCALE)

    def forward(self, face: FaceCode, detail: Tensor) -> Tensor:
        return self.driven(face.jaw, face.exp, detail)

    def driven(self, jaw: Tensor, expression: Tensor, detail: Tensor) -> Tensor:
        """The same of a jaw [B, 3] rad and an expression [B, 50] sd, all that counts of a face."""
        driven = torch.cat([jaw, expression, detail], dim=1)
        x = self.norm(self.first(driven).reshape(len(driven), _FIRST_CHANNELS, self.first_px, self.first_px))
        return MOST_M * torch.tanh(self.last(self.blocks(x)))


def detail_normals(place: Tensor, normals: Tensor, displacement: Tensor) -> Tensor:
    """Unit normals [B, 3, T, T] of a surface displaced along its own.

    place [B, 3, T, T] m and normals [B, 3, T, T]: of the smooth surface at its texels; displacement [B, 1, T, T] m.
    What the displacement changes in the texels' own slopes is added to the smooth normals, so no facets show.
    """
    moved = place + displacement * normals
    change = _slope_normals(moved) - _slope_normals(place)
    return functional.normalize(normals + change, dim=1, eps=1e-9)


def _slope_normals(place: Tensor) -> Tensor:
    """Unit normals by central differences: columns run to +X, rows run down."""
    across = functional.pad(place[..., :, 2:] - place[..., :, :-2], (1, 1, 0, 0))
    down = functional.pad(place[..., 2:, :] - place[..., :-2, :], (0, 0, 1, 1))
    return functional.normalize(torch.linalg.cross(across, -down, dim=1), dim=1, eps=1e-12)
