"""A face's code -> the head that it describes, in the camera's axes, and its landmarks in the picture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.flame_torch import FlameTorch
from models.head.flame import HeadModel
from models.head.landmarks import LandmarkEmbedding
from models.reconstruction.code import FaceCode
from models.reconstruction.landmarks68 import LANDMARKS_68


class HeadDecoder(nn.Module):
    """Codes -> vertices [B, V, 3] in m, turned as they are seen: +X to the subject's left, +Y up, +Z to the viewer.

    The head turns about its own origin; neck and eyeballs rest, as in DECA.
    """

    corners: Tensor
    shares: Tensor

    def __init__(self, head: HeadModel, embedding: LandmarkEmbedding) -> None:
        super().__init__()
        if embedding.head != head.id:
            raise ValueError(f"the landmarks are those of {embedding.head!r}; the head is {head.id!r}")
        self.flame = FlameTorch(head)
        ids = np.array(LANDMARKS_68)
        self.register_buffer("corners", torch.from_numpy(head.f[embedding.triangles[ids]].astype(np.int64)), False)
        self.register_buffer("shares", torch.from_numpy(np.array(embedding.barycentric[ids], np.float32)), False)

    def forward(self, face: FaceCode) -> Tensor:
        gaze = face.exp.new_zeros(len(face.exp), 4)
        return self.flame(face.exp, face.jaw, face.lids, gaze, face.shape, face.head_rotation)

    def at_rest(self, shape: Tensor) -> Tensor:
        """Vertices [B, V, 3] of identities [B, 100], looking ahead."""
        return self.flame.template + torch.einsum("vcs,bs->bvc", self.flame.shape_dirs[:, :, : shape.shape[1]], shape)

    def landmarks(self, vertices: Tensor) -> Tensor:
        """The 68 landmarks [B, 68, 3] on vertices [B, V, 3]."""
        return (vertices[:, self.corners] * self.shares[:, :, None]).sum(dim=2)
