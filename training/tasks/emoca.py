"""`python -m training.run emoca`: the expression is learnt anew, so that a face's rendering feels like its picture.

Needs a coarse encoder (`deca_coarse`), its texture model, an emotion network (`emotion`, or another: see
`training.emotion_checkpoints`), and pictures with labels of emotions, which only say how often each picture comes.
Everything but the encoder of the expression is frozen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.head.flame import open_head
from models.reconstruction.code import FaceCode, decompose
from models.reconstruction.encoder import CoarseEncoder
from models.reconstruction.expression_encoder import ExpressionEncoder
from models.reconstruction.resnet import ResNet50
from models.reconstruction.texture import load_texture_model
from training.checkpoints import CheckpointError, read_tensors
from training.data.emotion_batches import EmotionData, labelled_pictures
from training.data.emotion_faces import EmotionFaces
from training.emotion_checkpoints import load_emotion_reader
from training.loop import Batch, Losses, Place, averaged_weights, part_of
from training.losses.emoca import EmocaWeights, emotion_loss, landmark_losses
from training.losses.emotion import class_figures
from training.losses.face_surface import FaceSurface
from training.losses.reconstruction import photometric_loss, size_loss
from training.recipe import Recipe, RecipeError, build
from training.render.differentiable import Drawn
from training.render.reconstruction import Reconstruction
from training.tasks.deca_coarse import load_coarse
from training.tasks.voice_data import on_device_of

BACKGROUNDS = ("black", "picture")


@dataclass(frozen=True, kw_only=True)
class EmocaRecipe(Recipe):
    """coarse      file that `deca_coarse` exported
    texture     file of the texture model that it was trained with
    emotion     the emotion network of the loss; judge, another, which only judges ("" for none)
    background  what is behind a rendering when its emotion is read: "black", as EMOCA has it, or the "picture"
    """

    data: EmotionData
    coarse: str
    texture: str
    emotion: str
    judge: str = ""
    background: str = "black"
    weights: EmocaWeights = field(default_factory=EmocaWeights)


class EmocaStudent(nn.Module):
    """The encoder and its losses; emotion network, head, texture and renderer stay as they are."""

    def __init__(self, recipe: EmocaRecipe) -> None:
        super().__init__()
        if recipe.background not in BACKGROUNDS:
            raise RecipeError(f"background is {recipe.background!r}; it must be one of {', '.join(BACKGROUNDS)}")
        coarse, size_px = load_coarse(Path(recipe.coarse))
        if recipe.data.side_px != size_px:
            raise RecipeError(
                f"data.side_px is {recipe.data.side_px}; {recipe.coarse} was trained at {size_px}: set it so"
            )
        try:
            self.reader = load_emotion_reader(Path(recipe.emotion))
            self.judge = load_emotion_reader(Path(recipe.judge)) if recipe.judge else None
            texture = load_texture_model(Path(recipe.texture))
        except (CheckpointError, FileNotFoundError) as error:
            raise RecipeError(str(error)) from error
        self.encoder = ExpressionEncoder(coarse)
        self.scene = Reconstruction(texture, size_px)
        self.weights, self.background = recipe.weights, recipe.background

    def train(self, mode: bool = True) -> EmocaStudent:
        super().train(mode)
        self.reader.eval()
        if self.judge is not None:
            self.judge.eval()
        return self

    def forward(self, batch: Batch, step: int) -> Losses:
        with torch.autocast(batch["picture"].device.type, enabled=False):
            face = decompose(self.encoder(batch["picture"]))
            losses = self.losses(face, batch)
        weighted = {name: getattr(self.weights, name) * loss for name, loss in losses.items()}
        return {**weighted, "total": torch.stack(list(weighted.values())).sum()}

    def losses(self, face: FaceCode, batch: Batch) -> Losses:
        """All losses by the names of `EmocaWeights`, unweighted, of codes for the batch's pictures."""
        vertices = self.scene.head(face)
        drawn = self.scene.draw(face, vertices)
        told = self.scene.landmarks(face, vertices)
        picture = batch["picture"]
        return {
            "emotion": emotion_loss(self.reader, self.shown(drawn, picture), picture),
            "photometric": photometric_loss(drawn.picture, picture, batch["mask"] * drawn.face.detach()),
            **landmark_losses(told, batch["landmarks"], batch["seen"]),
            "expression": size_loss(face.exp),
        }

    def shown(self, drawn: Drawn, picture: Tensor) -> Tensor:
        """What the emotion is read from: the rendering [B, 3, S, S], perhaps before its picture."""
        return drawn.picture + (1.0 - drawn.cover) * picture if self.background == "picture" else drawn.picture


class EmocaTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: EmocaRecipe) -> None:
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        learnt = labelled_pictures(data, data.stores, data.uses, ("train",))
        self.batches = EmotionFaces(learnt, data, optim.batch, optim.seed, is_validation=False)
        self._validation: dict[str, list[Batch]] = {}
        for name in data.validation or data.stores[:1]:
            splits = ("val",) if name in data.stores else ("train", "val", "test")
            held_out = labelled_pictures(data, [name], data.validation_uses, splits)
            faces = EmotionFaces(held_out, data, optim.batch, 0, is_validation=True)
            self._validation[name] = [faces[number] for number in range(data.validation_batches)]
        torch.manual_seed(optim.seed)
        self.student = EmocaStudent(recipe)
        self._surface = FaceSurface(open_head())

    def validate(self, student: nn.Module) -> dict[str, float]:
        """Of each store, for the coarse encoder's expression (`base`) and the learnt one (`moved`): see `agreement`."""
        assert isinstance(student, EmocaStudent)
        figures: dict[str, float] = {}
        for name, batches in self._validation.items():
            for kind, encoder in (("base", student.encoder.coarse), ("moved", student.encoder)):
                found = agreement(student, encoder, list(on_device_of(student, batches)), self._surface)
                figures |= {f"{name}_{kind}_{key}": value for key, value in found.items()}
        first = next(iter(self._validation))
        return {**figures, "score": figures[f"{first}_moved_distance"]}

    def validation_batch(self) -> Batch:
        """The first of the first store's held-out pictures."""
        return next(iter(self._validation.values()))[0]

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Save the averaged encoder, coarse part and all, as safetensors."""
        path = path or folder / "emoca.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        weights = part_of(averaged_weights(folder), "encoder")
        network = "resnet50" if isinstance(self.student.encoder.coarse.encoder, ResNet50) else "backbone"
        said = {"head": open_head().id, "size_px": str(self.recipe.data.side_px), "network": network}
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path, metadata=said)
        return path


def agreement(
    student: EmocaStudent, encoder: nn.Module, batches: list[Batch], surface: FaceSurface
) -> dict[str, float]:
    """How far the renderings of an encoder's codes feel like their pictures.

    distance   mean squared difference of the reader's features
    same       share of renderings that the reader calls by the emotion that it sees in the picture
    balanced   balanced accuracy of the reader on renderings, by the pictures' labels
    judge_same, judge_balanced   the same of the judge, which no loss has seen
    points_mm  mean distance of the face's points from the true ones, at rest's identity, where the truth is known
    """
    told: dict[str, list[Tensor]] = {}

    def note(name: str, values: Tensor) -> None:
        told.setdefault(name, []).append(values)

    readers = {"": student.reader} | ({"judge_": student.judge} if student.judge is not None else {})
    surface = surface.to(batches[0]["picture"].device)
    with torch.no_grad():
        for batch in batches:
            face = decompose(encoder(batch["picture"]))
            shown = student.shown(student.scene.draw(face, student.scene.head(face)), batch["picture"])
            note("label", batch["emotion"].argmax(dim=1))
            for name, reader in readers.items():
                drawn, seen = reader(shown), reader(batch["picture"])
                note(f"{name}distance", (drawn["feature"] - seen["feature"]).square().mean(dim=1))
                note(f"{name}same", (drawn["logits"].argmax(dim=1) == seen["logits"].argmax(dim=1)).float())
                note(f"{name}logits", drawn["logits"])
            truth = torch.cat([batch["expression"], batch["jaw"]], dim=1)
            is_made = torch.isfinite(truth).all(dim=1) & (batch["belief"][:, 0] >= 1.0)
            if is_made.any():
                apart = surface(torch.cat([face.exp, face.jaw], dim=1)[is_made]) - surface(truth[is_made])
                note("points_mm", apart.norm(dim=2).mean(dim=1))
    whole = {name: torch.cat(values) for name, values in told.items()}
    figures = {
        name: float(values.mean()) for name, values in whole.items() if name.endswith(("distance", "same", "mm"))
    }
    for name in readers:
        figures[f"{name}balanced"] = class_figures(whole[f"{name}logits"], whole["label"])["balanced"]
    return figures


def load_emoca(path: Path) -> tuple[ExpressionEncoder, int]:
    """(the encoder, in eval mode, the size of its pictures in pixels) of what a run of `emoca` exported.

    CheckpointError for anything else.
    """
    try:
        with safe_open(str(path), "pt") as file:  # pyright: ignore[reportUnknownVariableType]
            said = file.metadata() or {}
        network, size_px, head = said["network"], int(said["size_px"]), said["head"]
    except (OSError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"{path} is no encoder of the recipe emoca ({error}); train it first") from error
    if head != open_head().id:
        raise CheckpointError(f"{path} tells the head {head!r}; this is {open_head().id!r}: train it anew")
    encoder = ExpressionEncoder(CoarseEncoder(network))
    encoder.load_state_dict(read_tensors(path))
    return encoder.eval(), size_px


def prepare(table: dict[str, Any], place: Place) -> EmocaTask:
    """The task of a recipe's table."""
    return EmocaTask(build(EmocaRecipe, table))
