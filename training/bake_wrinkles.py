"""A person's wrinkles as maps that an engine blends:  python -m training.bake_wrinkles RUN PERSON --out FOLDER

RUN is a run of `deca_detail`. PERSON is a crop of a face as `models.head.crop` describes it, or a recording (.adrec) of
the driver with `--detail`, whose last code is taken. FOLDER gets

    rest.png            the displacement of the face at rest
    <ARKit shape>.png   what that shape at 1 adds to it
    wrinkles.json       the shapes with the most that each changes in mm, and what a grey level is in metres

all 16-bit grey, `zero` for none, in the open head's texture layout. An engine adds  rest + sum of weight * shape  and
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
from models.reconstruction.detail import MOST_M
from protocol.frame import ARKIT_SHAPES, FaceFrame
from protocol.msgpack_codec import Hello, decode
from protocol.recording_format import KIND_PACKET, RecordingReader
from training.tasks.deca_detail import LoadedDetail, load_detail

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


def bake(loaded: LoadedDetail, detail: Tensor) -> WrinkleMaps:
    """The maps of a person's detail [1, 128]."""
    rest = displacement(loaded, detail, {})
    return WrinkleMaps(rest, {name: displacement(loaded, detail, {name: 1.0}) - rest for name in SHAPES})


@torch.no_grad()
def displacement(loaded: LoadedDetail, detail: Tensor, weights: dict[str, float]) -> NDArray[np.float32]:
    """What the network itself says of ARKit weights, [T, T] in m."""
    levels = np.array([weights.get(name, 0.0) for name in ARKIT_SHAPES], np.float32)
    expression, jaw, *_ = _arkit().to_motion(levels)
    jaws, expressions = (torch.as_tensor(np.asarray(part, np.float32))[None] for part in (jaw, expression))
    return loaded.displacement(jaws, expressions, detail)[0, 0].numpy()


@cache
def _arkit() -> ArkitMap:
    return ArkitMap(open_head())


def blend_error_mm(loaded: LoadedDetail, detail: Tensor, maps: WrinkleMaps, seed: int = 0) -> float:
    """Root mean square distance of the blend from the network, over the face, in random moments of a few shapes."""
    rng, squares = np.random.default_rng(seed), list[float]()
    for _ in range(_RANDOM_FACES):
        names = rng.choice(SHAPES, int(rng.integers(1, _MOST_SHAPES + 1)), replace=False)
        weights = {str(name): float(rng.uniform(0.2, 1.0)) for name in names}
        apart = maps.blended(weights) - displacement(loaded, detail, weights)
        squares.append(float(np.square(apart).sum()) / float(loaded.face.sum()))
    return 1000.0 * float(np.sqrt(np.mean(squares)))


def pictured_detail(path: Path, loaded: LoadedDetail) -> Tensor:
    """What the encoder reads [1, 128] of a crop. ValueError for no picture."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise ValueError(f"{path} is no picture that OpenCV reads; give a PNG or JPEG, or a recording")
    small = cv2.resize(picture, (loaded.picture_px, loaded.picture_px), interpolation=cv2.INTER_AREA)
    rgb = torch.from_numpy(np.ascontiguousarray(small[:, :, ::-1]))
    with torch.no_grad():
        return loaded.encoder(rgb.permute(2, 0, 1)[None].float() / 255.0)


def recorded_detail(path: Path, loaded: LoadedDetail) -> Tensor:
    """The last code [1, 128] of a recording of the driver. ValueError where it has none, or another network's."""
    code, whose = None, ""
    with path.open("rb") as file:
        for record in RecordingReader(file):
            packet = decode(record.payload) if record.kind == KIND_PACKET else None
            if isinstance(packet, Hello):
                whose = packet.detail
            elif isinstance(packet, FaceFrame) and packet.detail is not None:
                code = packet.detail
    if code is None:
        raise ValueError(f"{path} carries no detail; record with avatar-driver --detail detail.onnx")
    if whose != loaded.id:
        raise ValueError(f"the details in {path} are codes of {whose!r}, the run's are {loaded.id!r}; give its own run")
    return torch.tensor(code)[None]


def write_maps(folder: Path, maps: WrinkleMaps) -> None:
    """PNGs and their table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in {"rest": maps.rest, **maps.shapes}.items():
        levels = np.clip(np.round(values / _METRES_A_LEVEL) + _ZERO, 0, 65535).astype(np.uint16)
        cv2.imwrite(str(folder / f"{name}.png"), levels)
    deepest_mm = {name: round(1000.0 * float(np.abs(values).max()), 3) for name, values in maps.shapes.items()}
    table = {"head": open_head().id, "zero": _ZERO, "metres_a_level": _METRES_A_LEVEL, "shapes": deepest_mm}
    (folder / "wrinkles.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("person", type=Path, metavar="PICTURE|RECORDING.adrec")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    loaded = load_detail(chosen.run / "deca_detail.safetensors")
    try:
        of_person = recorded_detail if chosen.person.suffix == ".adrec" else pictured_detail
        detail = of_person(chosen.person, loaded)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    maps = bake(loaded, detail)
    write_maps(chosen.out, maps)
    deepest_mm = 1000.0 * max(float(np.abs(values).max()) for values in (maps.rest, *maps.shapes.values()))
    off_mm = blend_error_mm(loaded, detail, maps)
    print(f"{chosen.out}: {1 + len(maps.shapes)} maps, up to {deepest_mm:.2f} mm; the blend is {off_mm:.3f} mm off")


if __name__ == "__main__":
    main()
