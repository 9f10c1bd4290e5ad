"""A person's wrinkles as maps that an engine blends:  python -m training.bake_wrinkles RUN PICTURE --out FOLDER

RUN is a run of `deca_detail`, PICTURE a crop of the person's face as `models.head.crop` describes it. FOLDER gets

    rest.png            the displacement of the face at rest
    <ARKit shape>.png   what that shape at 1 adds to it
    wrinkles.json       the names, and what a grey level is in metres

all 16-bit grey, mid grey for none, in the open head's texture layout. An engine adds  rest + sum of weight * shape  and
displaces along the normal, or makes a normal map of it. The network is not linear: the command tells how far the sum is
from it on random faces, in mm.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.head.arkit import ArkitMap
from models.head.flame import open_head
from models.reconstruction.code import WHOLE_SIZE, FaceCode, decompose
from models.reconstruction.detail import MOST_M, DetailDecoder
from protocol.frame import ARKIT_SHAPES
from training.tasks.deca_detail import load_detail

# Shapes that fold skin. Those of eyeballs and tongue do not.
SHAPES = tuple(name for name in ARKIT_SHAPES if not name.startswith(("eyeLook", "tongue")))
# Mid grey; a difference of two displacements reaches twice as far as one.
_ZERO = 32768
_METRES_A_LEVEL = 2.0 * MOST_M / 32767
_RANDOM_FACES, _MOST_SHAPES = 32, 4


@dataclass(frozen=True, eq=False)
class WrinkleMaps:
    """Displacements in m, float32 [T, T]: at rest, and what each of `SHAPES` adds."""

    rest: NDArray[np.float32]
    shapes: dict[str, NDArray[np.float32]]

    def blended(self, weights: dict[str, float]) -> NDArray[np.float32]:
        """What an engine shows of ARKit weights."""
        return self.rest + sum((level * self.shapes[name] for name, level in weights.items()), np.zeros_like(self.rest))


def bake(decoder: DetailDecoder, detail: Tensor) -> WrinkleMaps:
    """The maps of a person's detail [1, 128]."""
    rest = displacement(decoder, detail, {})
    return WrinkleMaps(rest, {name: displacement(decoder, detail, {name: 1.0}) - rest for name in SHAPES})


@torch.no_grad()
def displacement(decoder: DetailDecoder, detail: Tensor, weights: dict[str, float]) -> NDArray[np.float32]:
    """What the network itself says of ARKit weights, [T, T] in m."""
    levels = np.array([weights.get(name, 0.0) for name in ARKIT_SHAPES], np.float32)
    expression, jaw, *_ = _arkit().to_motion(levels)
    face = decompose(torch.zeros(1, WHOLE_SIZE))
    moved = FaceCode(
        **(
            vars(face)
            | {
                "exp": torch.as_tensor(np.asarray(expression, np.float32))[None],
                "pose": torch.cat([torch.zeros(1, 3), torch.as_tensor(np.asarray(jaw, np.float32))[None]], dim=1),
            }
        )
    )
    return decoder.eval()(moved, detail)[0, 0].numpy()


@cache
def _arkit() -> ArkitMap:
    return ArkitMap(open_head())


def blend_error_mm(decoder: DetailDecoder, detail: Tensor, maps: WrinkleMaps, seed: int = 0) -> float:
    """Root mean square distance of the blend from the network, over random faces of a few shapes each."""
    rng, squares = np.random.default_rng(seed), list[float]()
    for _ in range(_RANDOM_FACES):
        names = rng.choice(SHAPES, int(rng.integers(1, _MOST_SHAPES + 1)), replace=False)
        weights = {str(name): float(rng.uniform(0.2, 1.0)) for name in names}
        apart = maps.blended(weights) - displacement(decoder, detail, weights)
        squares.append(float(np.square(apart).mean()))
    return 1000.0 * float(np.sqrt(np.mean(squares)))


def write_maps(folder: Path, maps: WrinkleMaps) -> None:
    """PNGs and their table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in {"rest": maps.rest, **maps.shapes}.items():
        levels = np.clip(np.round(values / _METRES_A_LEVEL) + _ZERO, 0, 65535).astype(np.uint16)
        cv2.imwrite(str(folder / f"{name}.png"), levels)
    table = {"head": open_head().id, "zero": _ZERO, "metres_a_level": _METRES_A_LEVEL, "shapes": list(maps.shapes)}
    (folder / "wrinkles.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=112, help="pixels of the pictures that the run was taught with")
    chosen = parser.parse_args()
    picture = cv2.imread(str(chosen.picture))
    if picture is None:
        parser.error(f"{chosen.picture} is no picture that OpenCV reads; give a PNG or JPEG")
    small = cv2.resize(picture, (chosen.size, chosen.size), interpolation=cv2.INTER_AREA)
    encoder, decoder = load_detail(chosen.run / "deca_detail.safetensors")
    with torch.no_grad():
        rgb = np.ascontiguousarray(small[:, :, ::-1])
        detail = encoder.eval()(torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255.0)
    maps = bake(decoder, detail)
    write_maps(chosen.out, maps)
    print(f"{chosen.out}: {1 + len(maps.shapes)} maps; the blend is {blend_error_mm(decoder, detail, maps):.3f} mm off")


if __name__ == "__main__":
    main()
