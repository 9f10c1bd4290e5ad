"""Which triangle each pixel shows, by PyTorch3D's rasteriser: for those who have it, faster on a GPU."""

from __future__ import annotations

import importlib

import torch
from torch import Tensor

from training.render.differentiable.surface import NOTHING

# PyTorch3D leaves out what is behind its camera; a head is within a picture's width or two of its own middle.
_BEFORE_CAMERA = 10.0


@torch.no_grad()
def visible_by_pytorch3d(seen: Tensor, triangles: Tensor, size_px: int) -> Tensor:
    """See `training.render.differentiable.Visibility`. ImportError, with the remedy, where PyTorch3D is not there."""
    try:
        structures = importlib.import_module("pytorch3d.structures")
        mesh = importlib.import_module("pytorch3d.renderer.mesh")
    except ImportError as error:
        raise ImportError(
            "PyTorch3D is not installed; build it for this torch (pytorch3d.org), or leave visibility at its default"
        ) from error
    # Its axes: +X to the left, +Y up, +Z away from the viewer.
    flipped = seen * seen.new_tensor([-1.0, -1.0, 1.0]) + seen.new_tensor([0.0, 0.0, _BEFORE_CAMERA])
    meshes = structures.Meshes(flipped, triangles.expand(len(seen), -1, -1))
    shown = mesh.rasterize_meshes(meshes, size_px, blur_radius=0.0, faces_per_pixel=1, cull_backfaces=True)[0][..., 0]
    return torch.where(shown < 0, NOTHING, shown % len(triangles))
