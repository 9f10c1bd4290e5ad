"""Pictures of faces with the emotion that they show, as batches in which every emotion is as frequent as any other.

Everything random of a batch comes from (seed, step), so a resumed run sees exactly what it would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from models.perceptual.emotion import EMOTION_PX, EMOTIONS
from models.perceptual.emotion_from_coefficients import EmotionFromCoefficients
from training.data.balanced import Balanced
from training.data.emotion_acting import told_emotion
from training.data.emotion_labels import LABELS_NAME, EmotionLabel, read_labels
from training.data.face_looks import draw_look
from training.data.face_store import COLUMNS_OF, FaceStore
from training.data.packed_faces import open_faces
from training.data.sub_crop import Jitter, cut
from training.loop import Batch
from training.recipe import RecipeError

Floats = NDArray[np.float32]
_AT_ONCE = 4096


@dataclass(frozen=True)
class EmotionData:
    """folder       of the stores; those with an `emotions.tsv` are labelled by it
    stores       whose pictures are learnt from; `validation` likewise, each by itself, for the figures while learning
    uses         which clips may be learnt from (see FaceClipInfo.use)
    teacher_run  finished run of `emotion_from_coefficients`, which labels the stores that have no labels, by what is
                 known of their faces; "" leaves them out
    looks        share of pictures that are seen through a random camera (see `face_looks`)
    jitter       of the crops
    side_px      of the batches' pictures
    """

    folder: str
    stores: list[str]
    validation: list[str] = field(default_factory=list)
    uses: list[str] = field(default_factory=lambda: ["free", "weights"])
    validation_uses: list[str] = field(default_factory=lambda: ["free", "weights", "research"])
    teacher_run: str = ""
    looks: float = 0.7
    jitter: Jitter = field(default_factory=Jitter)
    side_px: int = EMOTION_PX
    validation_batches: int = 8


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """rows of `stores`: (store, row) int64 [N, 2]; emotion [N, 8], valence and arousal [N] (NaN unknown), float32."""

    stores: list[FaceStore]
    rows: NDArray[np.int64]
    emotion: Floats
    valence: Floats
    arousal: Floats

    @property
    def classes(self) -> NDArray[np.int64]:
        """The likeliest emotion of each, int64 [N]."""
        return self.emotion.argmax(axis=1)

    def people(self, chosen: NDArray[np.int64]) -> list[str]:
        """Whose faces these rows are."""
        clips = [
            (store, np.searchsorted(self.stores[store].first, row, "right") - 1) for store, row in self.rows[chosen]
        ]
        return [self.stores[store].infos[int(clip)].person for store, clip in clips]

    def batch(self, chosen: NDArray[np.int64]) -> Batch:
        """What is said of these rows, as tensors: emotion [B, 8], valence, arousal [B]."""
        said = {"emotion": self.emotion, "valence": self.valence, "arousal": self.arousal}
        return {name: torch.from_numpy(values[chosen]) for name, values in said.items()}

    def coefficients(self, chosen: NDArray[np.int64]) -> Batch:
        """What the stores tell of these faces: shape [B, 100], expression [B, 50], jaw [B, 3], belief [B]."""
        told = np.stack([self.stores[store].truths[row] for store, row in self.rows[chosen]]).astype(np.float32)
        known = {name: torch.from_numpy(told[:, COLUMNS_OF[name]]) for name in ("shape", "expression", "jaw", "belief")}
        return known | {"belief": known["belief"][:, 0]}


def placed(batch: Batch) -> Batch:
    """The same, with valence and arousal of the likeliest emotion's word (emotions.toml) where nobody judged them.

    For figures only: a word is no measurement.
    """
    place = torch.tensor([told_emotion(name)[1:] for name in EMOTIONS])[batch["emotion"].argmax(dim=1)]
    words = dict(zip(("valence", "arousal"), place.unbind(1), strict=True))
    return batch | {name: torch.where(torch.isfinite(batch[name]), batch[name], word) for name, word in words.items()}


def labelled_pictures(
    data: EmotionData,
    stores: list[str],
    uses: list[str],
    splits: tuple[str, ...],
    teacher: EmotionFromCoefficients | None = None,
) -> LabelledPictures:
    """All pictures of `stores` whose emotion is said, of these uses and splits. RecipeError when there are none."""
    opened: list[FaceStore] = []
    parts: list[tuple[NDArray[np.int64], Floats]] = []
    for name in stores:
        folder = Path(data.folder) / name
        if not (folder / "index.jsonl").is_file():
            raise RecipeError(f"the store {folder} does not exist; build it with training.data.build_*")
        store = open_faces(folder)
        has_labels = (folder / LABELS_NAME).is_file()
        if not has_labels and teacher is None:
            raise RecipeError(f"{folder} has no {LABELS_NAME}; label it, or give data.teacher_run")
        allowed = [n for n, info in enumerate(store.infos) if info.split in splits and info.use in uses]
        said = _by_label(store, allowed, read_labels(folder)) if has_labels else _by_teacher(store, allowed, teacher)
        parts += [(np.stack([np.full_like(rows, len(opened)), rows], axis=1), values) for rows, values in said]
        opened.append(store)
    if not parts:
        raise RecipeError(
            f"the stores {', '.join(stores)} in {data.folder} have no picture with a known emotion of split "
            f"{' or '.join(splits)} and use {', '.join(uses)}"
        )
    rows = np.concatenate([rows for rows, _ in parts])
    values = np.concatenate([values for _, values in parts])
    count = len(EMOTIONS)
    return LabelledPictures(opened, rows, values[:, :count], values[:, count], values[:, count + 1])


Said = list[tuple[NDArray[np.int64], Floats]]


def _by_label(store: FaceStore, clips: list[int], labels: dict[str, EmotionLabel]) -> Said:
    """Rows of a clip, and (emotion, valence, arousal) float32 [n, 10] of each."""
    said: Said = []
    for clip in clips:
        label = labels.get(store.infos[clip].name)
        if label is not None:
            row = np.array([*told_emotion(label.emotion, label.amount)[0], label.valence, label.arousal], np.float32)
            count = int(store.counts[clip])
            said.append((store.first[clip] + np.arange(count), np.tile(row, (count, 1))))
    return said


def _by_teacher(store: FaceStore, clips: list[int], teacher: EmotionFromCoefficients | None) -> Said:
    """Likewise, as the teacher says of those faces whose coefficients are how the picture was made."""
    assert teacher is not None
    rows = np.concatenate([np.arange(store.counts[clip]) + store.first[clip] for clip in clips] or [np.zeros(0, int)])
    said: Said = []
    for begin in range(0, len(rows), _AT_ONCE):
        part = rows[begin : begin + _AT_ONCE]
        told = np.asarray(store.truths[part], np.float32)
        names = ("shape", "expression", "jaw")
        is_known = np.isfinite(np.concatenate([told[:, COLUMNS_OF[name]] for name in names], axis=1)).all(axis=1)
        is_known &= np.nan_to_num(told[:, COLUMNS_OF["belief"]][:, 0]) >= 1.0
        if is_known.any():
            with torch.no_grad():
                felt = teacher(*(torch.from_numpy(told[is_known][:, COLUMNS_OF[name]]) for name in names))
            mood = torch.stack([felt["valence"], felt["arousal"]], dim=1)
            said.append((part[is_known], torch.cat([felt["logits"].softmax(dim=1), mood], dim=1).numpy()))
    return said


class EmotionBatches(Dataset[Batch]):
    """Item `step` is the batch of that step: crop uint8 [B, S, S, 3] and what `LabelledPictures.batch` says.

    Emotions come equally often (see `Balanced`). `is_validation` draws pictures as they were taken.
    """

    def __init__(
        self, pictures: LabelledPictures, data: EmotionData, batch: int, seed: int, is_validation: bool
    ) -> None:
        self.pictures, self.data, self.size = pictures, data, batch
        self.seed, self.is_validation = seed, is_validation
        self.balanced = Balanced(pictures.classes)

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, step: int) -> Batch:
        rng = self.rng(step)
        return self.of(self.balanced.draw(rng, step, self.size), rng)

    def rng(self, step: int) -> np.random.Generator:
        """What is random in batch number `step`."""
        return np.random.default_rng([self.seed, step])

    def of(self, chosen: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """The batch of these rows."""
        mirrored = rng.random(len(chosen)) < 0.5
        if self.is_validation:
            mirrored[:] = False
        crops = np.stack(
            [self._crop(int(row), is_mirrored, rng) for row, is_mirrored in zip(chosen, mirrored, strict=True)]
        )
        return {"crop": torch.from_numpy(crops)} | self.pictures.batch(chosen)

    def _crop(self, number: int, is_mirrored: bool, rng: np.random.Generator) -> NDArray[np.uint8]:
        store, row = self.pictures.rows[number]
        picture = np.asarray(self.pictures.stores[store].pictures[row])
        picture = np.ascontiguousarray(picture[:, ::-1]) if is_mirrored else picture
        if self.is_validation:
            return cut(picture, Jitter(0.0, 0.0, 0.0, 0.0).draw(rng), self.data.side_px)
        crop = cut(picture, self.data.jitter.draw(rng), self.data.side_px)
        return draw_look(rng)(crop, rng) if rng.random() < self.data.looks else crop
