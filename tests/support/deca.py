"""Codes of plausible faces and a small scene for DECA's tests."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from models.reconstruction.code import (
    COLUMNS,
    WHOLE_SIZE,
    FaceCode,
    decompose,
)
from models.reconstruction.texture import TextureModel
from training.render.reconstruction import Reconstruction


def random_codes(count: int, seed: int = 0) -> FaceCode:
    """Plausible faces in the middle of their pictures."""
    rng = np.random.default_rng(seed)
    code = np.zeros((count, WHOLE_SIZE), np.float32)
    code[:, COLUMNS["shape"]] = rng.normal(0.0, 0.5, (count, 100))
    code[:, COLUMNS["exp"]] = rng.normal(0.0, 0.5, (count, 50))
    code[:, COLUMNS["pose"]] = rng.normal(0.0, (0.1, 0.3, 0.1, 0.1, 0.02, 0.02), (count, 6))
    code[:, COLUMNS["cam"]] = np.array([8.0, 0.0, 0.02]) + rng.normal(0.0, (0.5, 0.01, 0.01), (count, 3))
    code[:, COLUMNS["light"]][:, :3] = 3.0
    return decompose(torch.from_numpy(code))


@cache
def scene(size_px: int = 48) -> Reconstruction:
    rng = torch.Generator().manual_seed(0)
    mean = 0.3 + 0.4 * torch.rand(3, 16, 16, generator=rng)
    return Reconstruction(TextureModel(mean, 0.05 * torch.randn(4, 3, 16, 16, generator=rng)), size_px)
