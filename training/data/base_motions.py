"""What a trained face tells of stored clips, picture by picture: the base that SPECTRE's encoder refines.

    python -m training.data.base_motions --folder DIR --stores NAME [NAME ...] [--face FILE.onnx]

writes DIR/base.npz: for each clip at 25 Hz of the stores in DIR, what the network told of it without its residual in
time. Told in the stored crop's terms (`training.data.face_store`), so that the head can be drawn where it was.
"""

from __future__ import annotations

import argparse
from itertools import accumulate
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich.progress import track

from training.data.face_store import MARGIN, PICTURE_PX, Picture
from training.data.packed_faces import open_faces
from training.recipe import RecipeError

NAME = "base.npz"
SIZES = {"expression": 50, "jaw": 3, "eyelids": 2, "gaze": 4, "shape": 100, "rotation": 9, "place": 3}
COLUMNS_OF = {
    name: slice(end - size, end) for (name, size), end in zip(SIZES.items(), accumulate(SIZES.values()), strict=True)
}
DEFAULT_FACE = Path(__file__).parents[2] / "models" / "weights" / "face.onnx"
_RATE_HZ, _RATE_TOLERANCE_HZ = 25.0, 0.5
_BATCH = 16

Floats = NDArray[np.float32]


class Base:
    """A face network, a picture at a time."""

    def __init__(self, face: Path = DEFAULT_FACE) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(face), options, providers=["CPUExecutionProvider"])
        self._inputs = {item.name: item.shape[1:] for item in self._session.get_inputs()}
        self._side = int(self._inputs["crop"][0])

    def told(self, pictures: Picture) -> Floats:
        """[n, 171] of stored pictures uint8 [n, 192, 192, 3]: see COLUMNS_OF."""
        edge = (PICTURE_PX - self._side) // 2
        crops = np.ascontiguousarray(pictures[:, edge : edge + self._side, edge : edge + self._side])
        rows = [self._batch(crops[begin : begin + _BATCH]) for begin in range(0, len(crops), _BATCH)]
        return np.concatenate(rows)

    def _batch(self, crops: Picture) -> Floats:
        fed = {
            name: np.zeros((len(crops), *shape), np.float32) for name, shape in self._inputs.items() if name != "crop"
        }
        fed["state_knob_residual"] -= 1.0  # each picture by itself
        names = list(SIZES)
        told = dict(zip(names, self._session.run(names, {"crop": crops, **fed}), strict=True))
        # From the network's crop, the middle of the stored one, to that.
        place = np.asarray(told["place"], np.float32)
        told["place"] = np.concatenate([0.5 + (place[:, :2] - 0.5) / MARGIN, place[:, 2:] / MARGIN], axis=1)
        return np.concatenate([np.asarray(told[name]).reshape(len(crops), -1) for name in names], axis=1)


def write_bases(folder: Path, stores: list[str], face: Path = DEFAULT_FACE, clips: int = 0) -> Path:
    """Tell of every clip that is not told of yet, of the first `clips` of each store (0: all); the file."""
    path, base = folder / NAME, Base(face)
    rows = dict(read_bases(folder)) if path.exists() else {}
    for name in stores:
        store = open_faces(folder / name)
        wanted = [n for n, info in enumerate(store.infos) if abs(info.rate_hz - _RATE_HZ) < _RATE_TOLERANCE_HZ]
        for number in track(wanted[: clips or None], name):
            if store.infos[number].name not in rows:
                first = int(store.first[number])
                pictures = np.asarray(store.pictures[first : first + int(store.counts[number])])
                rows[store.infos[number].name] = base.told(pictures)
    with path.open("wb") as file:
        np.savez(file, **rows)  # pyright: ignore[reportArgumentType]
    return path


def read_bases(folder: Path) -> dict[str, Floats]:
    """Name of a clip -> what the base tells of it, [n, 171]. RecipeError where nothing was written."""
    path = folder / NAME
    if not path.exists():
        raise RecipeError(
            f"{path} does not exist; write it with python -m training.data.base_motions --folder {folder}"
        )
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of the stores")
    parser.add_argument("--stores", nargs="+", default=["talking_faces", "real_faces"])
    parser.add_argument("--face", type=Path, default=DEFAULT_FACE, help="the network; default ours as it is shipped")
    parser.add_argument("--clips", type=int, default=0, help="of each store; default all")
    arguments = parser.parse_args()
    print(write_bases(arguments.folder, arguments.stores, arguments.face, arguments.clips))


if __name__ == "__main__":
    main()
