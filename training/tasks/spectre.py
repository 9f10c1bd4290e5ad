"""`python -m training.run spectre`: a residual on a base's expression and jaw, learnt by how the rendered mouth reads.

Needs a lip reader (`visual_speech`, or a user's own), a base (`python -m training.data.base_motions`), and films with
points; no words and no true motion. What the student is judged by on held-out films: how its mouths look to the reader,
and, where the true motion is known, its error in mm.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.head.flame import open_head
from models.perceptual.emotion import EMOTION_PX
from models.perceptual.visual_speech import ReaderShape, VisualSpeech
from models.reconstruction.perceptual_encoder import EXPRESSION_SIZE, MouthFeatures, PerceptualEncoder
from training.checkpoints import CheckpointError, read_tensors
from training.data.mouths import MouthData
from training.data.spoken_sequences import SpokenClip, SpokenSequences, spoken_clips
from training.emotion_checkpoints import load_emotion_reader
from training.lip_readers import load_lip_reader
from training.loop import Batch, Losses, Place, averaged_weights, part_of
from training.losses.face_surface import FaceSurface, projected
from training.losses.mouth import MouthSurface
from training.losses.perceptual import (
    EDGE,
    PerceptualWeights,
    expression_prior,
    jaw_prior,
    landmarks_around,
    lip_reading,
    relative_mouth,
    valid,
)
from training.recipe import Recipe, RecipeError, build
from training.render.mouth_pictures import MouthPictures, Seen

# How the exported file says what it is and how it is built.
METADATA_KEY = "perceptual_encoder"
# What EmotionReaders see of a stored crop: its middle two thirds, the face.
_FACE_BOX = (0.5, 0.5, 2.0 / 3.0)
# Sequences whose features the encoder's normalisation takes its statistics from, before the first step.
_SETTLED_BY = 24


@dataclass(frozen=True, kw_only=True)
class SpectreRecipe(Recipe):
    """reader     file of a lip reader (see training.lip_readers)
    emotion    of an emotion network (see training.emotion_checkpoints); "" leaves the emotion loss out
    sees       what the encoder looks at: "mouth" (begins at the reader's picture part) or "face" (MobileNetV2)
    lookahead  pictures, 0..2
    """

    data: MouthData
    reader: str
    emotion: str = ""
    sees: str = "mouth"
    lookahead: int = 2
    weights: PerceptualWeights = field(default_factory=PerceptualWeights)


class SpectreStudent(nn.Module):
    """The encoder and its losses; reader, emotion network and renderer stay as they are."""

    def __init__(self, recipe: SpectreRecipe) -> None:
        super().__init__()
        try:
            reader = load_lip_reader(Path(recipe.reader))
            emotion = load_emotion_reader(Path(recipe.emotion)) if recipe.emotion else None
        except CheckpointError as error:
            raise RecipeError(str(error)) from error
        shape = reader.shape if isinstance(reader, VisualSpeech) else None
        try:
            self.encoder = PerceptualEncoder(recipe.sees, recipe.lookahead, shape)
        except ValueError as error:
            raise RecipeError(f"the recipe's encoder: {error}") from error
        if isinstance(reader, VisualSpeech) and isinstance(self.encoder.features, MouthFeatures):
            self.encoder.features.begin_at(reader)
        self.weights = recipe.weights
        self.reader, self.emotion = reader, emotion
        self.mouths = MouthPictures()
        self.faces = MouthPictures(size_px=EMOTION_PX, whole=True) if emotion else None
        self.surface = FaceSurface(open_head())

    def train(self, mode: bool = True) -> SpectreStudent:
        super().train(mode)
        self.reader.eval()
        if self.emotion is not None:
            self.emotion.eval()
        return self

    @torch.no_grad()
    def settle(self, batches: list[Batch]) -> None:
        """Take the statistics that the encoder keeps from these films; see `PerceptualEncoder.train`."""
        features = self.encoder.features
        if isinstance(features, MouthFeatures) and features.is_taught:
            self.encoder.train()
            self.encoder.residual.settle(torch.cat([features(batch["mouths"]) for batch in batches]))

    def moved(self, batch: Batch) -> Tensor:
        """The refined motion [B, T, 53] of a batch of `SpokenSequences`."""
        base = torch.cat([batch["expression"], batch["jaw"]], dim=2)
        return self.encoder(batch["mouths" if self.encoder.sees == "mouth" else "crop"], base)

    def forward(self, batch: Batch, step: int) -> Losses:
        weights = self.weights
        motion = self.moved(batch)
        expression, jaw = motion[:, :, :EXPRESSION_SIZE], motion[:, :, EXPRESSION_SIZE:]
        losses = {
            "expression": weights.expression * expression_prior(expression, batch["expression"]),
            "jaw": weights.jaw * jaw_prior(jaw, batch["jaw"]),
        }
        points = self._points(motion, batch)
        told, seen = torch.nan_to_num(batch["points"]), batch["points_seen"]
        with torch.no_grad():
            base = self._points(torch.cat([batch["expression"], batch["jaw"]], dim=2), batch)
        losses["landmarks"] = weights.landmarks * landmarks_around(points, told, base, seen)
        losses["relative"] = weights.relative * relative_mouth(points, told, base)
        if weights.lips > 0.0:
            with torch.no_grad():
                filmed = self.reader.features(batch["mouths"])
            read = self.reader.features(self.draw(motion, batch))
            losses["lips"] = weights.lips * lip_reading(filmed, read, weights.lip_distance)
        if self.emotion is not None and self.faces is not None and weights.emotion > 0.0:
            losses["emotion"] = weights.emotion * self._emotion(motion, batch)
        return {**losses, "total": torch.stack(list(losses.values())).sum()}

    def draw(self, motion: Tensor, batch: Batch) -> Tensor:
        """Mouths [B, T, 88, 88] of motion [B, T, 53], posed and looked at as the base and the batch say."""
        return drawn_mouths(self.mouths, motion, batch)

    def _points(self, motion: Tensor, batch: Batch) -> Tensor:
        told = self.surface(motion, batch["eyelids"], batch["gaze"], batch["shape"]).flatten(0, 1)
        rotation, place, focal = (batch[name].flatten(0, 1) for name in ("rotation", "place", "focal"))
        return projected(told, rotation, place, focal).unflatten(0, motion.shape[:2])

    def _emotion(self, motion: Tensor, batch: Batch) -> Tensor:
        """Of one inner picture a sequence, drawn at random: emotions last."""
        assert self.emotion is not None
        assert self.faces is not None
        chosen = int(torch.randint(EDGE, motion.shape[1] - EDGE, ()))
        one = {name: values[:, chosen : chosen + 1] for name, values in batch.items()}
        seen = seen_of(one)
        box = seen.box.new_tensor([_FACE_BOX]).expand(len(seen.box), -1)
        flat = motion[:, chosen]
        faces = self.faces.coloured(flat[:, :EXPRESSION_SIZE], flat[:, EXPRESSION_SIZE:], seen.looked_at(box))
        filmed = one["crop"][:, 0].permute(0, 3, 1, 2).to(faces.dtype) / 255.0
        with torch.no_grad():
            truth = self.emotion(filmed)["feature"]
        return (self.emotion(faces)["feature"] - truth).square().mean()


def seen_of(batch: Batch) -> Seen:
    """How the heads of a batch [B, T, ...] are seen, by the base, pictures on one axis."""
    names = ("shape", "eyelids", "gaze", "rotation", "place", "focal", "box")
    return Seen(**{name: batch[name].flatten(0, 1) for name in names})


def drawn_mouths(pictures: MouthPictures, motion: Tensor, batch: Batch) -> Tensor:
    """Mouths [B, T, 88, 88] of motion [B, T, 53], posed and looked at as the base and the batch say."""
    flat = motion.flatten(0, 1)
    drawn = pictures(flat[:, :EXPRESSION_SIZE], flat[:, EXPRESSION_SIZE:], seen_of(batch))
    return drawn.unflatten(0, motion.shape[:2])


class SpectreTask:
    """See `training.loop.Task`."""

    def __init__(self, recipe: SpectreRecipe) -> None:
        self.recipe = recipe
        data, optim = recipe.data, recipe.optim
        needs_crop = recipe.sees == "face" or bool(recipe.emotion)
        self.batches = SpokenSequences(data, optim.batch, optim.seed, needs_crop)
        held_out = spoken_clips(data, data.validation_split, list(data.validation or data.stores))
        self._validation: list[Batch] = []
        for clips in held_out.values():
            self._validation += [whole(clip, needs_crop) for clip in clips[: data.validation_batches]]
        torch.manual_seed(optim.seed)
        self.student = SpectreStudent(recipe)
        self.student.settle([self.batches[step] for step in range(-(-_SETTLED_BY // optim.batch))])
        self._mouth = MouthSurface(open_head())

    def validate(self, student: nn.Module) -> dict[str, float]:
        """On held-out films: 1 - cosine of the reader's features, mm of the mouth where it is known; the base's too."""
        assert isinstance(student, SpectreStudent)
        figures: dict[str, list[float]] = {}
        with torch.no_grad():
            for clip in self._validation:
                device = student.encoder.residual.last.weight.device
                batch = {name: values.to(device) for name, values in clip.items()}
                base = torch.cat([batch["expression"], batch["jaw"]], dim=2)
                moved = student.moved(batch)
                filmed = student.reader.features(batch["mouths"])
                for name, motion in (("base", base), ("moved", moved)):
                    far = lip_reading(filmed, student.reader.features(student.draw(motion, batch)))
                    figures.setdefault(f"lips_{name}", []).append(float(far))
                    if torch.isfinite(batch["truth"]).all():
                        surface = self._mouth.to(device)
                        error = valid(surface(motion) - surface(batch["truth"])).norm(dim=3).mean()
                        figures.setdefault(f"mouth_mm_{name}", []).append(float(error))
        means = {name: sum(values) / len(values) for name, values in figures.items()}
        return {**means, "score": means["lips_moved"]}

    def finish(self, folder: Path, path: Path | None) -> Path:
        """Write the averaged encoder as safetensors."""
        path = path or folder / "spectre.safetensors"
        kept = part_of(averaged_weights(folder), "encoder")
        encoder = self.student.encoder
        about = {"sees": encoder.sees, "lookahead": encoder.residual.lookahead}
        if isinstance(encoder.features, MouthFeatures):
            about["shape"] = asdict(encoder.features.reader.shape)
        save_file(kept, path, metadata={METADATA_KEY: json.dumps(about)})
        return path


def load_perceptual_encoder(path: Path) -> PerceptualEncoder:
    """What a run of `spectre` exported, in eval mode. CheckpointError for anything else."""
    try:
        with safe_open(str(path), "pt") as file:  # pyright: ignore[reportUnknownVariableType]
            about = json.loads((file.metadata() or {})[METADATA_KEY])
    except (OSError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"{path} is no encoder of the recipe spectre ({error}); train it first") from error
    shape = build(ReaderShape, about["shape"], "shape.") if "shape" in about else None
    encoder = PerceptualEncoder(about["sees"], about["lookahead"], shape)
    encoder.load_state_dict(read_tensors(path))
    return encoder.eval()


def whole(clip: SpokenClip, with_crop: bool = False) -> Batch:
    """All of a clip as a batch of one."""
    return {name: values[None] for name, values in clip.sequence(0, len(clip), with_crop).items()}


def prepare(table: dict[str, Any], place: Place) -> SpectreTask:
    """The task of a recipe's table."""
    return SpectreTask(build(SpectreRecipe, table))
