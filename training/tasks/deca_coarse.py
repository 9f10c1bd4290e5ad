"""`python -m training.run deca_coarse`: from single pictures to shape, expression, pose, texture, light and camera,
learnt without any 3D truth, as DECA's first stage (Feng et al. 2021).

First landmarks alone (`landmark_steps`), then all losses. In every batch, from the first, each person's shapes are
exchanged among their pictures, and the exchanged codes have to explain the same pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from models.head.flame import open_head
from models.reconstruction.code import FaceCode, decompose, joined, order_within, swapped
from models.reconstruction.encoder import CoarseEncoder
from models.reconstruction.texture import TextureModel, load_texture_model
from training.data.face_people import FacePeople, PeopleData
from training.loop import Batch, Losses, Place, averaged_weights, part_of
from training.losses import reconstruction
from training.losses.reconstruction import CoarseWeights
from training.recipe import Recipe, RecipeError, build
from training.reconstruction_checkpoints import Recogniser, begin_at, load_recogniser
from training.render.reconstruction import Reconstruction
from training.tasks.voice_data import on_device_of

_MM = 1000.0
# What the score counts besides the landmarks' error in percent: a grey level of 255 as much as this.
_PHOTOMETRIC_NME = 0.2


@dataclass(frozen=True)
class EncoderChoice:
    """network     "backbone" (ours, small) or "resnet50" (the seed's)
    checkpoint  where it begins: "" at random; a run of `expression`; or a user's file of tensors (ImageNet, VGGFace2,
                DECA's own): see `training.reconstruction_checkpoints`
    """

    network: str = "backbone"
    checkpoint: str = ""


@dataclass(frozen=True, kw_only=True)
class CoarseRecipe(Recipe):
    """data, weights of the losses, encoder

    texture         the file of `python -m training.data.build_textures`
    recogniser      a user's face recogniser for the identity loss: a ResNet-50 of VGGFace2; "" for none
    landmark_steps  steps on landmarks alone
    """

    data: PeopleData
    texture: str
    weights: CoarseWeights = field(default_factory=CoarseWeights)
    encoder: EncoderChoice = field(default_factory=EncoderChoice)
    recogniser: str = ""
    landmark_steps: int = 0


class CoarseStudent(nn.Module):
    """The encoder and its losses."""

    def __init__(self, recipe: CoarseRecipe, texture: TextureModel, recogniser: Recogniser | None = None) -> None:
        super().__init__()
        self.recipe = recipe
        self.encoder = CoarseEncoder(recipe.encoder.network)
        self.scene = Reconstruction(texture, recipe.data.size_px)
        self.recogniser = recogniser

    def forward(self, batch: Batch, step: int) -> Losses:
        with torch.autocast(batch["picture"].device.type, enabled=False):
            face = decompose(self.encoder(batch["picture"]))
            # Shape consistency: any picture's shape of a person must do for all of that person's.
            order = order_within(len(face.shape) // self.recipe.data.each, self.recipe.data.each).to(face.shape.device)
            face = joined(face, swapped(face, "shape", order))
            twice = {name: torch.cat([values, values]) for name, values in batch.items()}
            if step < self.recipe.landmark_steps:
                return self._weighted(self._landmark_losses(face, twice) | reconstruction.code_losses(face))
            return self._weighted(self.losses(face, twice))

    def losses(self, face: FaceCode, batch: Batch) -> Losses:
        """All losses by the names of `CoarseWeights`, unweighted, of codes for the batch's pictures."""
        vertices = self.scene.head(face)
        found = self._landmark_losses(face, batch, vertices) | reconstruction.code_losses(face)
        drawn = self.scene.draw(face, vertices, batch["picture"])
        # A mask with gradients would teach the face to hide: a small one covers few pixels that could be wrong.
        mask = batch["mask"] * drawn.face.detach()
        found["photometric"] = reconstruction.photometric_loss(drawn.picture, batch["picture"], mask)
        if self.recogniser is not None:
            # Only geometry learns from it: texture and light stay, the picture itself is behind.
            lit = drawn.cover * drawn.albedo.detach() * drawn.shade.detach()
            pasted = lit + (1.0 - drawn.cover) * batch["picture"]
            with torch.no_grad():
                wanted = self.recogniser(batch["picture"])
            found["identity"] = reconstruction.identity_loss(self.recogniser(pasted), wanted)
        return found

    def _landmark_losses(self, face: FaceCode, batch: Batch, vertices: Tensor | None = None) -> Losses:
        told = self.scene.landmarks(face, self.scene.head(face) if vertices is None else vertices)
        truth = batch["landmarks"]
        return {
            "landmarks": reconstruction.landmark_loss(told, truth, batch["seen"]),
            "eyes": reconstruction.eye_closure_loss(told, truth, batch["seen"]),
            "lips": reconstruction.lip_distance_loss(told, truth, batch["seen"]),
        }

    def _weighted(self, losses: Losses) -> Losses:
        weighted = {name: getattr(self.recipe.weights, name) * loss for name, loss in losses.items()}
        return {**weighted, "total": torch.stack(list(weighted.values())).sum()}


class CoarseTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: CoarseRecipe) -> None:
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        self.batches = FacePeople(data, optim.batch, optim.seed)
        held_out = FacePeople(data, min(32, optim.batch), 0, is_validation=True)
        self.judged = [held_out[number] for number in range(data.validation_batches)]
        torch.manual_seed(optim.seed)
        try:
            texture = load_texture_model(Path(recipe.texture))
        except FileNotFoundError as error:
            raise RecipeError(str(error)) from error
        recogniser = load_recogniser(Path(recipe.recogniser)) if recipe.recogniser else None
        self.student = CoarseStudent(recipe, texture, recogniser)
        if recipe.encoder.checkpoint:
            begin_at(self.student.encoder, Path(recipe.encoder.checkpoint))

    def validate(self, student: nn.Module) -> dict[str, float]:
        """Figures on held-out people: landmarks, picture, and what the losses never saw: shape and openings in 3D."""
        assert isinstance(student, CoarseStudent)
        with torch.no_grad():
            rows = [figures_of(student, batch) for batch in on_device_of(student, self.judged)]
        found = {name: float(torch.stack([row[name] for row in rows]).nanmean()) for name in rows[0]}
        return {**found, "score": found["nme"] + _PHOTOMETRIC_NME * found["grey_levels"]}

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Save the averaged encoder as safetensors; its metadata says how it is built."""
        weights = part_of(averaged_weights(folder), "encoder")
        return save_coarse(path or folder / "deca_coarse.safetensors", weights, self.recipe)


def figures_of(student: CoarseStudent, batch: Batch) -> dict[str, Tensor]:
    """nme: landmarks' error in percent of the distance between the outer corners of the eyes (their 3D distance, seen
    from the front, so that a turned head is not excused) · grey_levels: of the skin, of 255 · shape_mm: distance of the
    landmarks at rest from the true identity's, and what a mean head's is · jaw_deg: of the opening · lids: 0..1 ·
    crop_sd: how far the expression moves, in standard deviations (mean over its numbers), when the crop is shifted by
    5 % of its side and 5 % larger: the bound of what a driver's crop may do
    """
    face = decompose(student.encoder(batch["picture"]))
    vertices = student.scene.head(face)
    told = student.scene.landmarks(face, vertices)
    drawn = student.scene.draw(face, vertices, batch["picture"])
    mask = batch["mask"] * drawn.face.detach()
    rest = student.scene.head
    points = rest.landmarks(rest.at_rest(face.shape))
    between = face.cam[:, 0] * (points[:, 36] - points[:, 45]).norm(dim=1)
    seen = batch["seen"]
    error = ((told - batch["landmarks"]).norm(dim=2) * seen).sum(dim=1) / seen.sum(dim=1).clamp(min=1.0) / between
    true_points = rest.landmarks(rest.at_rest(torch.nan_to_num(batch["shape"])))
    mean_points = rest.landmarks(rest.at_rest(torch.zeros_like(face.shape)))
    known = torch.where(torch.isfinite(batch["shape"]).all(dim=1) & (batch["belief"][:, 0] > 0.9), 1.0, torch.nan)
    grey = (mask * (drawn.picture - batch["picture"]).abs()).sum() / (3.0 * mask.sum()).clamp(min=1.0)
    return {
        "nme": 100.0 * error.nanmean(),
        "grey_levels": 255.0 * grey,
        "shape_mm": (_MM * known * _aligned_distance(points, true_points)).nanmean(),
        "mean_head_mm": (_MM * known * _aligned_distance(mean_points, true_points)).nanmean(),
        "jaw_deg": torch.rad2deg(face.jaw[:, 0] - batch["jaw"][:, 0]).abs().nanmean(),
        "lids": (face.lids - batch["eyelids"]).abs().nanmean(),
        "crop_sd": (decompose(student.encoder(_another_crop(batch["picture"]))).exp - face.exp).abs().mean(),
    }


def _aligned_distance(points: Tensor, truth: Tensor) -> Tensor:
    """Mean distance [B] of points [B, N, 3] from the truth, both about their middles."""
    apart = (points - points.mean(dim=1, keepdim=True)) - (truth - truth.mean(dim=1, keepdim=True))
    return apart.norm(dim=2).mean(dim=1)


def _another_crop(pictures: Tensor) -> Tensor:
    """The same pictures [B, 3, S, S] in crops 5 % of a side to the right and 5 % larger; their border is drawn out."""
    theta = pictures.new_tensor([[1.05, 0.0, 2.0 * 0.05], [0.0, 1.05, 0.0]]).expand(len(pictures), -1, -1)
    grid = functional.affine_grid(theta, list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def save_coarse(path: Path, weights: dict[str, Tensor], recipe: CoarseRecipe) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {"network": recipe.encoder.network, "size_px": str(recipe.data.size_px), "head": open_head().id}
    save_file({name: values.contiguous() for name, values in weights.items()}, path, metadata=said)
    return path


def load_coarse(path: Path) -> tuple[CoarseEncoder, int]:
    """(the encoder, the size of its pictures in pixels) of a file of `save_coarse`; RecipeError where there is none."""
    if not path.is_file():
        raise RecipeError(f"there is no coarse encoder at {path}; run python -m training.run deca_coarse first")
    with safe_open(path, "pt") as file:
        said = file.metadata() or {}
    if said.get("head") != open_head().id:
        raise RecipeError(f"{path} tells the head {said.get('head')!r}; this is {open_head().id!r}: train it anew")
    encoder = CoarseEncoder(said["network"])
    encoder.load_state_dict(load_file(path))
    return encoder, int(said["size_px"])


def prepare(table: dict[str, Any], place: Place) -> CoarseTask:
    """The task of a recipe's table."""
    return CoarseTask(build(CoarseRecipe, table))
