"""DECA's linear model of skin, from our own:  python -m training.data.build_textures [--out FILE] [--data SHARED]

Paints the coats of random people (`training.render.skin`) and keeps their mean and principal components, in the open
head's texture layout. The seed's own model comes from the Basel Face Model, which nobody may pass on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from models.reconstruction.code import SIZES
from models.reconstruction.texture import save_texture_model
from training.render import wear
from training.render.makehuman import load_skins
from training.render.skin import draw_complexion, paint_coat

DEFAULT_PATH = Path("runs/data/texture.safetensors")


def painted_textures(people: int, size_px: int, data: Path | None = None, seed: int = 0) -> Tensor:
    """The coats of random people, float32 [N, 3, T, T] in 0..1, first row at v = 1."""
    skins = load_skins(data) if data else []
    coats: list[np.ndarray] = []
    for number in track(range(people), "painting", transient=True):
        rng = np.random.default_rng([seed, number])
        red, green, blue = (float(level) ** (1.0 / 2.2) for level in wear.hair_colour(rng))
        who = draw_complexion(rng, (red, green, blue), float(rng.choice([0.0, 0.95])), len(skins))
        coat = cv2.resize(paint_coat(rng, who, skins), (size_px, size_px), interpolation=cv2.INTER_AREA)
        coats.append(np.asarray(coat, np.float32) / 255.0)
    return torch.from_numpy(np.stack(coats)).permute(0, 3, 1, 2)


def principal_components(textures: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """(mean [3, T, T], components [K, 3, T, T] in colour per standard deviation), K at most `count` and N - 1."""
    mean = textures.mean(dim=0)
    flat = (textures - mean).flatten(1)
    _, spread, directions = torch.linalg.svd(flat, full_matrices=False)
    kept = min(count, len(textures) - 1)
    scaled = directions[:kept] * (spread[:kept] / (len(textures) - 1) ** 0.5)[:, None]
    return mean, scaled.reshape(kept, *mean.shape)


def build(path: Path, people: int, size_px: int, data: Path | None = None) -> float:
    """Write the model; the share of the paintings' variance that its components explain."""
    textures = painted_textures(people, size_px, data)
    mean, components = principal_components(textures, SIZES["tex"])
    save_texture_model(path, mean, components)
    return float(components.square().sum() * (people - 1) / (textures - mean).square().sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_PATH)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--size", type=int, default=128, help="pixels along each side")
    parser.add_argument("--data", type=Path, help="the folder of MANIFEST.tsv: MakeHuman's skins")
    chosen = parser.parse_args()
    explained = build(chosen.out, chosen.people, chosen.size, chosen.data)
    print(f"{chosen.out}: {chosen.out.stat().st_size / 1e6:.1f} MB, {100 * explained:.1f} % of the variance")


if __name__ == "__main__":
    main()
