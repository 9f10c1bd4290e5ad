"""Pictures of what DECA's recipes have learnt, of drawn people only:

python -m training.evaluate.deca_sheet RUN --out FILE.webp [section.key=value ...]      with the run's own settings
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.reconstruction.code import decompose
from training.data.wrinkles import WrinkledPictures
from training.loop import Place, averaged_weights
from training.recipe import read_table, recipe_path
from training.render.differentiable import even_light
from training.tasks import deca_coarse, deca_detail
from training.tasks.deca_coarse import CoarseStudent
from training.tasks.deca_detail import DetailStudent

Sheet = NDArray[np.uint8]

_COLUMNS = 6
_GREY = 0.6
_TILE_PX = 150
_WEBP = [cv2.IMWRITE_WEBP_QUALITY, 88]


@torch.no_grad()
def coarse_sheet(student: CoarseStudent, picture: Tensor) -> Sheet:
    """A column a picture [B, 3, S, S]: itself; what was rebuilt, over it; the head in grey; looking ahead, at rest."""
    face = decompose(student.encoder(picture))
    vertices = student.scene.head(face)
    count = len(picture)
    light = even_light(count) * 0.6
    light[:, 2], light[:, 3] = 0.3, 0.4
    grey = torch.full((count, 3, 8, 8), _GREY)
    camera = torch.tensor([[8.3, 0.0, 0.02]]).expand(count, -1)
    rows = [
        picture,
        student.scene.draw(face, vertices, picture).picture,
        student.scene.renderer(vertices, face.cam, grey, light, torch.ones_like(picture)).picture,
        student.scene.renderer(
            student.scene.head.at_rest(face.shape), camera, grey, light, torch.ones_like(picture)
        ).picture,
    ]
    return _sheet(rows)


@torch.no_grad()
def detail_sheet(student: DetailStudent, pictures: WrinkledPictures) -> Sheet:
    """A column a drawn picture, three of a person: itself; the truth of its displacement, in grey; what is told of it
    with the detail of *another* picture of the person; with the detail of another person; without any.
    """
    each = pictures.each
    batch = pictures[0]
    face, detail = student.face_of(batch), student.encoder(batch["picture"])
    others = detail.unflatten(0, (-1, each)).roll(1, dims=1).flatten(0, 1)
    told = [
        batch["displacement"],
        student.displacement(face, others),
        student.displacement(face, detail.roll(each, dims=0)),
        torch.zeros_like(batch["displacement"]),
    ]
    world = student.scene
    light = even_light(len(detail)) * 0.45
    light[:, 1], light[:, 2], light[:, 3] = -0.4, 0.4, 0.3
    grey = torch.full((len(detail), 3, 8, 8), _GREY)

    def in_grey(displacement: Tensor) -> Tensor:
        vertices, normals = world.scene.head(face), world.displaced_normals(face, displacement)
        white = torch.ones_like(batch["picture"])
        return world.scene.renderer(vertices, face.cam, grey, light, white, normals).picture

    return _sheet([batch["picture"], *(in_grey(displacement) for displacement in told)])


def _sheet(rows: list[Tensor]) -> Sheet:
    size = (_TILE_PX, _TILE_PX)
    tiles = [functional.interpolate(row[:_COLUMNS], size, mode="bilinear", antialias=True) for row in rows]
    whole = torch.cat([torch.cat(list(row), dim=2) for row in tiles], dim=1).clamp(0.0, 1.0)
    return (255.0 * whole.permute(1, 2, 0) + 0.5).to(torch.uint8).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("settings", nargs="*", help="section.key=value, as the run had them")
    parser.add_argument("--recipe", choices=("deca_coarse", "deca_detail"), default="deca_coarse")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_intermixed_args()
    table = read_table(recipe_path(chosen.recipe), chosen.settings)
    place = Place(torch.device("cpu"))
    task = (deca_coarse if chosen.recipe == "deca_coarse" else deca_detail).prepare(table, place)
    task.student.load_state_dict(averaged_weights(chosen.run), strict=False)
    task.student.eval()
    if isinstance(task, deca_coarse.CoarseTask):
        sheet = coarse_sheet(task.student, task.judged[0]["picture"])
    else:
        recipe = task.recipe
        if not recipe.wrinkles.people:
            parser.error("only drawn wrinkles are shown; give wrinkles.people as the run had it")
        drawn = WrinkledPictures(
            recipe.wrinkles, task.student.scene, 2 * recipe.data.each, recipe.data.each, 1, is_validation=True
        )
        sheet = detail_sheet(task.student, drawn)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(chosen.out), sheet[:, :, ::-1], _WEBP if chosen.out.suffix == ".webp" else [])


if __name__ == "__main__":
    main()
