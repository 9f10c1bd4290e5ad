"""Pictures of faces with their points, in which every emotion is as frequent as any other: what EMOCA learns from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from training.data.balanced import Balanced
from training.data.emotion_batches import EmotionData, LabelledPictures
from training.data.face_looks import draw_look
from training.data.face_people import example
from training.data.face_source import picture_of
from training.data.mirror import mirrored
from training.data.sub_crop import Jitter, cut, told_in
from training.loop import Batch


class EmotionFaces(Dataset[Batch]):
    """Item `step` is the batch of that step: what `training.data.face_people.example` tells of each picture (picture,
    landmarks, seen, mask, ...), and what is said of its emotion (see `LabelledPictures.batch`).

    `is_validation` draws pictures as they were taken. Everything random comes from (seed, step).
    """

    def __init__(
        self, pictures: LabelledPictures, data: EmotionData, batch: int, seed: int, is_validation: bool
    ) -> None:
        self.pictures, self.data, self.batch = pictures, data, batch
        self.seed, self.is_validation = seed, is_validation
        self.balanced = Balanced(pictures.classes)

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        return self.of(self.balanced.draw(rng, step, self.batch), rng)

    def of(self, chosen: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """The batch of these rows."""
        rows = [self._row(int(number), rng) for number in chosen]
        batch = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
        return batch | self.pictures.batch(chosen)

    def _row(self, number: int, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
        store, row = self.pictures.rows[number]
        picture, truth = picture_of(self.pictures.stores[store], int(row))
        if self.is_validation:
            crop = Jitter(0.0, 0.0, 0.0, 0.0).draw(rng)
            return example(cut(picture, crop, self.data.side_px), told_in(truth, crop))
        if rng.random() < 0.5:
            picture, truth = np.ascontiguousarray(picture[:, ::-1]), mirrored(truth)
        crop = self.data.jitter.draw(rng)
        seen = cut(picture, crop, self.data.side_px)
        seen = draw_look(rng)(seen, rng) if rng.random() < self.data.looks else seen
        return example(seen, told_in(truth, crop))
