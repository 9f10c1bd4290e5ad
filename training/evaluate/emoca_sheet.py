"""What EMOCA's run makes of drawn people:  python -m training.evaluate.emoca_sheet RUN --out FILE.webp [key=value ...]

A column an emotion of a held-out person: the picture; the head that the coarse encoder tells, in grey; the head with
the expression that was learnt. `key=value` are the run's own settings.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.perceptual.emotion import EMOTIONS
from models.reconstruction.code import FaceCode, decompose
from training.loop import Place, averaged_weights
from training.recipe import read_table, recipe_path
from training.render.differentiable import even_light
from training.tasks.emoca import EmocaStudent, prepare

_GREY = 0.6
_TILE_PX = 150
_WEBP = [cv2.IMWRITE_WEBP_QUALITY, 88]


@torch.no_grad()
def sheet(student: EmocaStudent, picture: Tensor) -> NDArray[np.uint8]:
    """uint8 [3 * 150, B * 150, 3] RGB of pictures [B, 3, S, S]."""
    student.eval()
    light = even_light(len(picture)) * 0.6
    light[:, 2], light[:, 3] = 0.3, 0.4
    grey, white = torch.full((len(picture), 3, 8, 8), _GREY), torch.ones_like(picture)

    def in_grey(face: FaceCode) -> Tensor:
        return student.scene.renderer(student.scene.head(face), face.cam, grey, light, white).picture

    told = [decompose(encoder(picture)) for encoder in (student.encoder.coarse, student.encoder)]
    rows = [picture, *(in_grey(face) for face in told)]
    tiles = [np.concatenate([_tile(one) for one in row], axis=1) for row in rows]
    return np.concatenate(tiles)


def _tile(picture: Tensor) -> NDArray[np.uint8]:
    levels = (255.0 * picture.clamp(0.0, 1.0)).permute(1, 2, 0).numpy().astype(np.uint8)
    return np.asarray(cv2.resize(levels, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_CUBIC), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run of emoca")
    parser.add_argument("settings", nargs="*", help="section.key=value over the recipe's, as the run had them")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_intermixed_args()
    settings = [*chosen.settings, f"optim.batch={len(EMOTIONS)}", "data.validation_batches=1"]
    task = prepare(read_table(recipe_path("emoca"), settings), Place(torch.device("cpu")))
    task.student.load_state_dict(averaged_weights(chosen.run))
    batch = task.validation_batch()
    order = batch["emotion"].argmax(dim=1).argsort()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(chosen.out), sheet(task.student, batch["picture"][order])[:, :, ::-1], _WEBP)


if __name__ == "__main__":
    main()
