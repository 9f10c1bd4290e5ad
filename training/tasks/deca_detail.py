"""`python -m training.run deca_detail`: the wrinkles of a person, and how expressions deepen them: DECA's second stage.

Shape, texture, light and camera are the frozen coarse encoder's. Details are exchanged among the pictures of a person
and have to explain the others as well: so what an expression does goes by way of expression and jaw (seed-systems 1.5).

With `wrinkles.people` it learns from drawn people whose displacement is known (`training.data.wrinkles`) and tells how
far faces posed anew are from the truth, in mm.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.head.flame import open_head
from models.reconstruction.code import FaceCode, decompose, joined, order_within
from models.reconstruction.detail import DetailDecoder, DetailEncoder
from models.reconstruction.encoder import CoarseEncoder, Features
from models.reconstruction.texture import load_texture_model
from training.data.face_people import FacePeople, PeopleData
from training.data.wrinkles import WrinkleData, WrinkledPictures
from training.loop import Batch, Losses, Place, averaged_weights, part_of
from training.losses import detail as losses_of
from training.losses.detail import DetailWeights
from training.recipe import Recipe, RecipeError, build
from training.reconstruction_checkpoints import PatchFeatures, begin_at, load_patch_features
from training.render.differentiable import Surface, Unwrap
from training.render.reconstruction import DetailScene, Reconstruction, Texels, face_texels
from training.tasks.deca_coarse import EncoderChoice, load_coarse
from training.tasks.voice_data import on_device_of

_MM = 1000.0
# Adam adds 1e-8 to the size of every gradient. Of means over texels, by way of tenths of millimetres, the encoder's are
# 1e-9: without a scale it hardly learns.
_LOSS_SCALE = 1000.0
# So many batches say what people look like before anything is learnt.
_BEGUN_WITH = 8


@dataclass(frozen=True, kw_only=True)
class DetailRecipe(Recipe):
    """data, weights of the losses, encoder

    coarse_run   folder of the run of `deca_coarse` that all else comes from; not looked at where wrinkles are drawn
    texture      the file of `python -m training.data.build_textures`
    patches      a user's VGG19 for ID-MRF; "" for maps of the coarse encoder's backbone
    size_px      side of the displacement maps
    """

    data: PeopleData
    coarse_run: str
    texture: str
    wrinkles: WrinkleData = field(default_factory=WrinkleData)
    weights: DetailWeights = field(default_factory=DetailWeights)
    encoder: EncoderChoice = field(default_factory=EncoderChoice)
    patches: str = ""
    size_px: int = 128


class DetailStudent(nn.Module):
    """E_d and F_d, and their losses; `coarse` is frozen, None where codes come with the batch."""

    def __init__(
        self, recipe: DetailRecipe, scene: DetailScene, coarse: CoarseEncoder | None, patches: PatchFeatures
    ) -> None:
        super().__init__()
        self.recipe, self.scene, self.patches = recipe, scene, patches
        self.encoder = DetailEncoder(recipe.encoder.network)
        self.decoder = DetailDecoder(recipe.size_px)
        self.coarse = coarse
        if coarse is not None:
            coarse.requires_grad_(False)

    def train(self, mode: bool = True) -> DetailStudent:
        super().train(mode)
        if self.coarse is not None:
            self.coarse.eval()
        return self

    def face_of(self, batch: Batch) -> FaceCode:
        if self.coarse is None:
            return decompose(batch["code"])
        with torch.no_grad():
            return decompose(self.coarse(batch["picture"]))

    def displacement(self, face: FaceCode, detail: Tensor) -> Tensor:
        """[B, 1, T, T] in m, of the face only."""
        return self.decoder(face, detail) * self.scene.face

    def forward(self, batch: Batch, step: int) -> Losses:
        with torch.autocast(batch["picture"].device.type, enabled=False):
            face, detail = self.face_of(batch), self.encoder(batch["picture"])
            order = order_within(len(detail) // self.recipe.data.each, self.recipe.data.each).to(detail.device)
            texels = self.scene.texels(face, batch["picture"], batch["mask"])
            found = self.losses(joined(face, face), torch.cat([detail, detail[order]]), texels.twice())
            weighted = {name: getattr(self.recipe.weights, name) * loss for name, loss in found.items()}
            return {**weighted, "total": _LOSS_SCALE * torch.stack(list(weighted.values())).sum()}

    def losses(self, face: FaceCode, detail: Tensor, texels: Texels) -> Losses:
        """All losses by the names of `DetailWeights`, unweighted."""
        displacement = self.displacement(face, detail)
        shade = self.scene.shade(face, texels, displacement)
        drawn = texels.albedo * shade
        pairs = zip(self.patches(drawn * texels.seen), self.patches(texels.picture * texels.seen), strict=True)
        likeness = torch.stack([losses_of.implicit_mrf(one, other) for one, other in pairs]).sum()
        hidden = self.scene.face * (1.0 - texels.seen)
        return {
            "photometric": losses_of.masked_difference(drawn, texels.picture, texels.seen),
            "texture_likeness": likeness,
            "symmetry": losses_of.soft_symmetry(displacement, hidden),
            "size": losses_of.displacement_size(displacement),
            "smoothness": losses_of.roughness(shade * self.scene.face),
        }


class DetailTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: DetailRecipe) -> None:
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        torch.manual_seed(optim.seed)
        try:
            texture = load_texture_model(Path(recipe.texture))
        except FileNotFoundError as error:
            raise RecipeError(str(error)) from error
        scene = DetailScene(Reconstruction(texture, data.size_px), recipe.size_px)
        coarse: CoarseEncoder | None = None
        held_out = min(24, optim.batch)
        if recipe.wrinkles.people:
            self.batches = WrinkledPictures(recipe.wrinkles, scene, optim.batch, data.each, optim.seed)
            held = WrinkledPictures(recipe.wrinkles, scene, held_out, data.each, 0, is_validation=True)
        else:
            coarse, size_px = load_coarse(Path(recipe.coarse_run) / "deca_coarse.safetensors")
            if size_px != data.size_px:
                raise RecipeError(f"data.size_px is {data.size_px}; the coarse encoder was taught at {size_px}")
            self.batches = FacePeople(data, optim.batch, optim.seed)
            held = FacePeople(data, held_out, 0, is_validation=True)
        self.judged = [held[number] for number in range(data.validation_batches)]
        seen_by = coarse.encoder if coarse is not None and isinstance(coarse.encoder, Features) else Features()
        patches = load_patch_features(Path(recipe.patches)) if recipe.patches else PatchFeatures(seen_by)
        self.student = DetailStudent(recipe, scene, coarse, patches)
        if recipe.encoder.checkpoint:
            begin_at(self.student.encoder, Path(recipe.encoder.checkpoint))
        self.student.encoder.begin_about(torch.cat([self.batches[number]["picture"] for number in range(_BEGUN_WITH)]))

    def validate(self, student: nn.Module) -> dict[str, float]:
        """Figures on held-out people; see `figures_of` and, where wrinkles are drawn, `posed_anew`."""
        assert isinstance(student, DetailStudent)
        with torch.no_grad():
            rows = [
                figures_of(student, batch) | (posed_anew(student, batch) if "displacement" in batch else {})
                for batch in on_device_of(student, self.judged)
            ]
        found = {name: float(torch.stack([row[name] for row in rows]).mean()) for name in rows[0]}
        return {**found, "score": found.get("posed_anew_mm", found["grey_levels"])}

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Save the averaged encoder and decoder as safetensors."""
        averaged = averaged_weights(folder)
        kept = {
            f"{part}.{name}": values.contiguous()
            for part in ("encoder", "decoder")
            for name, values in part_of(averaged, part).items()
        }
        path = path or folder / "deca_detail.safetensors"
        said = {
            "network": self.recipe.encoder.network,
            "size_px": str(self.recipe.size_px),
            "picture_px": str(self.recipe.data.size_px),
            "head": open_head().id,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(kept, path, metadata=said)
        return path


def figures_of(student: DetailStudent, batch: Batch) -> dict[str, Tensor]:
    """Grey levels (of 255) that the skin is off: with the picture's own detail, with that of another picture of the
    person (exchanged), with another person's, and with none (smooth).
    """
    face, detail = student.face_of(batch), student.encoder(batch["picture"])
    texels = student.scene.texels(face, batch["picture"], batch["mask"])

    def off(displacement: Tensor) -> Tensor:
        drawn = texels.albedo * student.scene.shade(face, texels, displacement)
        apart = (texels.seen * (drawn - texels.picture).abs()).sum()
        return 255.0 * apart / (3.0 * texels.seen.sum()).clamp(min=1.0)

    each, own = student.recipe.data.each, student.displacement(face, detail)
    return {
        "grey_levels": off(own),
        "grey_levels_exchanged": off(student.displacement(face, _rolled(detail, each))),
        "grey_levels_of_others": off(student.displacement(face, detail.roll(each, dims=0))),
        "grey_levels_smooth": off(torch.zeros_like(own)),
    }


def posed_anew(student: DetailStudent, batch: Batch) -> dict[str, Tensor]:
    """Root mean square errors in mm over the face of displacements whose truth is known, each map about its own mean: a
    skin that is thicker all over looks the same.

    posed_anew_mm: of each picture's expression with the detail of another picture of the person · as_it_was_mm: of that
    other picture's displacement left as it was · of_others_mm: with another person's detail · smooth_mm: of none ·
    follows: how much of the true change from that picture to this one is made, 0 none, 1 all (least squares)
    """
    each = student.recipe.data.each
    face, detail = student.face_of(batch), student.encoder(batch["picture"])
    truth = batch["displacement"]

    def off(displacement: Tensor) -> Tensor:
        share = student.scene.face / student.scene.face.sum()
        apart = displacement - truth
        mean = (share * apart).sum(dim=(1, 2, 3), keepdim=True)
        return _MM * (share * (apart - mean).square()).sum(dim=(1, 2, 3)).mean().sqrt()

    own = student.displacement(face, detail)
    # From the other picture's moment to this one's, with the other's detail all the while.
    change = student.displacement(face, _rolled(detail, each)) - _rolled(own, each)
    true_change = truth - _rolled(truth, each)
    return {
        "follows": (change * true_change).sum() / true_change.square().sum().clamp(min=1e-12),
        "posed_anew_mm": off(student.displacement(face, _rolled(detail, each))),
        "as_it_was_mm": off(_rolled(own, each)),
        "of_others_mm": off(student.displacement(face, detail.roll(each, dims=0))),
        "smooth_mm": off(torch.zeros_like(truth)),
    }


def _rolled(values: Tensor, each: int) -> Tensor:
    """Every row its person's next one."""
    return values.unflatten(0, (-1, each)).roll(1, dims=1).flatten(0, 1)


@dataclass(frozen=True, eq=False)
class LoadedDetail:
    """Both halves as they were learnt, the side of the pictures that the encoder takes, and an id of its codes.

    face   [1, 1, T, T]: the texels that the decoder has learnt anything of
    """

    encoder: DetailEncoder
    decoder: DetailDecoder
    picture_px: int
    id: str
    face: Tensor

    @staticmethod
    def of(encoder: DetailEncoder, decoder: DetailDecoder, picture_px: int, whose: str) -> LoadedDetail:
        surface = Surface.of(open_head())
        face = face_texels(Unwrap(surface, decoder.size_px), surface)
        return LoadedDetail(encoder.eval(), decoder.eval(), picture_px, whose, face)

    def displacement(self, jaw: Tensor, expression: Tensor, detail: Tensor) -> Tensor:
        """[B, 1, T, T] in m of jaws [B, 3] rad, expressions [B, 50] sd, details [B, 128]; 0 beside the face."""
        return self.decoder.driven(jaw, expression, detail) * self.face


def load_detail(path: Path) -> LoadedDetail:
    """The networks of a file that the task wrote, ready to be asked. RecipeError where there is none."""
    if not path.is_file():
        raise RecipeError(f"there is no detail at {path}; run python -m training.run deca_detail first")
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        said = file.metadata() or {}
    encoder, decoder = DetailEncoder(said["network"]), DetailDecoder(int(said["size_px"]))
    encoder.load_state_dict(part_of(tensors, "encoder"))
    decoder.load_state_dict(part_of(tensors, "decoder"))
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].numpy().tobytes())
    return LoadedDetail.of(encoder, decoder, int(said["picture_px"]), f"deca-detail/{digest.hexdigest()[:12]}")


def prepare(table: dict[str, Any], place: Place) -> DetailTask:
    """The task of a recipe's table."""
    return DetailTask(build(DetailRecipe, table))
