"""A run of `deca_detail` as files for those who run it:  python -m training.export_detail RUN --out FOLDER

    detail.onnx         picture uint8 [1, S, S, 3], RGB, a crop as `models.head.crop` describes it -> detail [1, 128]
    displacement.onnx   jaw [1, 3] rad, expression [1, 50] sd, detail [1, 128] -> displacement [1, 1, T, T] m, outwards,
                        in the open head's texture layout, first row at v = 1

`avatar-driver --detail detail.onnx` sends codes; who draws the face makes wrinkles of them with the other file. Both
bear the same id, which the driver's hello repeats: codes of one run mean nothing to another.

Each file is written only when ONNX Runtime agrees with torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from models.reconstruction.code import SIZES
from models.reconstruction.detail import DETAIL_SIZE, JAW_SIZE, DetailDecoder, DetailEncoder
from protocol.frame import OPEN_HEAD_ID
from training.export import ExportError, graph_of, record_hash, write_file
from training.tasks.deca_detail import LoadedDetail, load_detail

VERSION = "1"
# Of the largest value: codes reach tens, displacements thousandths.
TOLERANCE = 1e-4


class _Reads(nn.Module):
    def __init__(self, encoder: DetailEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, picture: Tensor) -> Tensor:
        return self.encoder(picture.permute(0, 3, 1, 2).float() / 255.0)


class _Displaces(nn.Module):
    face: Tensor

    def __init__(self, decoder: DetailDecoder, face: Tensor) -> None:
        super().__init__()
        self.decoder = decoder
        self.register_buffer("face", face)

    def forward(self, jaw: Tensor, expression: Tensor, detail: Tensor) -> Tensor:
        return self.decoder.driven(jaw, expression, detail) * self.face


def export_detail(detail: LoadedDetail, folder: Path) -> list[Path]:
    """Write both files and their hashes into `folder`. ExportError when one differs from torch."""
    draw = torch.Generator().manual_seed(0)
    size = detail.picture_px
    picture = {"picture": torch.randint(0, 256, (1, size, size, 3), generator=draw, dtype=torch.uint8)}
    driven = {
        "jaw": 0.1 * torch.randn(1, JAW_SIZE, generator=draw),
        "expression": torch.randn(1, SIZES["exp"], generator=draw),
        "detail": torch.randn(1, DETAIL_SIZE, generator=draw),
    }
    displaces = _Displaces(detail.decoder, detail.face)
    return [
        _write(folder / "detail.onnx", _Reads(detail.encoder), picture, "detail", detail.id),
        _write(folder / "displacement.onnx", displaces, driven, "displacement", detail.id),
    ]


def _write(path: Path, module: nn.Module, given: dict[str, Tensor], gives: str, detail_id: str) -> Path:
    module = module.cpu().eval().requires_grad_(False)
    graph = graph_of(module, given, dict.fromkeys(given), list(given), [gives])
    said = {"name": path.stem, "version": VERSION, "head": OPEN_HEAD_ID, "detail": detail_id}
    onnx.helper.set_model_props(graph, said)
    content = graph.SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run([gives], {name: values.numpy() for name, values in given.items()})
    wanted = module(**given).numpy()
    apart = float(np.abs(np.asarray(found) - wanted).max()) / float(np.abs(wanted).max())
    if not apart <= TOLERANCE:
        raise ExportError(f"{path.name} differs from torch by {apart:g} of its largest value; nothing was written")
    write_file(path, content)
    record_hash(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run of deca_detail")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    detail = load_detail(chosen.run / "deca_detail.safetensors")
    for path in export_detail(detail, chosen.out):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, codes of {detail.id}")


if __name__ == "__main__":
    main()
