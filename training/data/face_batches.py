"""Stores of faces as batches: crops a little off, as the driver's are, in random looks, with every truth told anew.

Everything random of a batch comes from (seed, step), so a resumed run sees exactly what it would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from models.head.crop import Crop
from models.video.face_encoder import CROP_PX
from models.video.temporal import LONGEST_LOOKAHEAD
from training.data.face_looks import cover, draw_look
from training.data.face_source import FaceData, FaceSource, picture_of
from training.data.face_store import PICTURE_PX, FaceStore, Picture
from training.data.face_warp import pulled
from training.data.mirror import Truth, mirrored
from training.data.sub_crop import cut, told_in
from training.recipe import RecipeError

Batch = dict[str, Tensor]
Row = tuple[Picture, Truth]

_SHAPES = {"points": (-1, 2), "rotation": (3, 3), "presence": (), "belief": (), "focal": ()}
# In a sequence the crop follows the head: it wanders slowly, by this share of a jitter, and trembles by this one.
_WANDER, _TREMBLE = 0.6, 0.1
# How often a picture of nobody is what lies beside a face, and how often such a place is sought.
_BESIDE, _TRIES = 0.5, 8
_BLACK = np.zeros(3, np.uint8)


class FacePairs(Dataset[Batch]):
    """Item `step` is the batch of that step: B rows, row i + B / 2 of the same person as row i and mirrored like it.

    crop uint8 [B, 128, 128, 3]; points [B, 140, 2] in crop coordinates, points_seen [B, 140], rotation [B, 3, 3],
    presence, belief, focal [B] (in crop sides), the other truths [B, size], NaN where unknown; same [B / 2]: 1 where
    both rows are crops of the same picture and the same face. Validation's are all so, and as they were taken.
    """

    def __init__(self, data: FaceData, batch: int, seed: int, is_validation: bool = False) -> None:
        if batch % 2:
            raise RecipeError(f"optim.batch is {batch}; faces come in pairs, take an even one")
        self.data, self.batch, self.seed = data, batch, seed
        self.source, self.is_validation = FaceSource.of(data, 1, is_validation), is_validation

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng([self.seed, index])
        pairs = [self._pair(rng) for _ in range(self.batch // 2)]
        rows = [rows[side] for side in (0, 1) for rows, _ in pairs]
        return stacked(rows) | {"same": torch.tensor([float(is_same) for _, is_same in pairs])}

    def _pair(self, rng: np.random.Generator) -> tuple[tuple[Row, Row], bool]:
        if self.source.has_nobody and rng.random() < self.data.nobody:
            return (self._nobody(rng), self._nobody(rng)), False
        store, clip = self.source.face(rng)
        first = self._any_picture(store, clip, rng)
        if self.is_validation or rng.random() < self.data.same:
            second = first
        else:
            second = self._any_picture(store, self.source.of_same_person(store, clip, rng), rng)
        is_apart = second == first and not self.is_validation and rng.random() < self.data.apart
        is_mirrored = bool(rng.random() < 0.5)
        taken = [self._taken(store, first, rng)]
        if is_apart:
            taken.append(pulled(*picture_of(store, first), rng))
        else:
            taken.append(taken[0] if second == first else self._taken(store, second, rng))
        one, other = (self._row(row, is_mirrored, rng) for row in taken)
        return (one, other), taken[1] is taken[0]

    @staticmethod
    def _any_picture(store: FaceStore, clip: int, rng: np.random.Generator) -> int:
        return int(store.first[clip] + rng.integers(store.counts[clip]))

    def _nobody(self, rng: np.random.Generator) -> Row:
        """A part of a picture without a face, or of what is beside one."""
        store, clip = self.source.nobody(rng)
        picture, truth = picture_of(store, int(store.first[clip] + rng.integers(store.counts[clip])))
        crop = self.data.jitter.draw(rng) if self.is_validation else self.data.jitter.anywhere(rng)
        if not self.is_validation and rng.random() < _BESIDE:
            store, clip = self.source.face(rng)
            beside, face = picture_of(store, int(store.first[clip] + rng.integers(store.counts[clip])))
            free = [crop for crop in (self.data.jitter.anywhere(rng) for _ in range(_TRIES)) if misses(crop, face)]
            picture, crop = (beside, free[0]) if free else (picture, crop)
        row = cropped((picture, truth), crop, bool(rng.random() < 0.5), border(rng))
        if self.is_validation or rng.random() >= self.data.looks:
            return row
        return draw_look(rng)(row[0], rng), row[1]

    def _taken(self, store: FaceStore, number: int, rng: np.random.Generator) -> Row:
        row = picture_of(store, number)
        return row if self.is_validation or rng.random() >= self.data.pulled else pulled(*row, rng)

    def _row(self, taken: Row, is_mirrored: bool, rng: np.random.Generator) -> Row:
        row = cropped(taken, self.data.jitter.draw(rng), is_mirrored, border(rng))
        if self.is_validation:
            return row
        if rng.random() < self.data.covered:
            row = cover(*row, self._other(rng), rng)
        if rng.random() < self.data.looks:
            row = draw_look(rng)(row[0], rng), row[1]
        return row

    def _other(self, rng: np.random.Generator) -> Picture:
        """A crop of something to put in front."""
        store, clip = self.source.nobody(rng) if self.source.has_nobody else self.source.face(rng)
        return cut(np.asarray(store.pictures[int(store.first[clip])]), self.data.jitter.draw(rng), CROP_PX)


class FaceSequences(Dataset[Batch]):
    """Item `step` is the batch of that step: B rows of T pictures in a row of one clip, as one camera took them.

    The tensors of `FacePairs`, [B, T, ...], and step_s [B, T] (seconds since the picture before), lookahead [B] int64.
    Clips of 50 Hz and more are taken at half their rate half the time.
    """

    def __init__(self, data: FaceData, batch: int, seed: int, is_validation: bool = False) -> None:
        self.data, self.batch, self.seed = data, batch, seed
        self.source, self.is_validation = FaceSource.of(data, data.pictures, is_validation), is_validation
        self.stills = FaceSource.of(data, 1, is_validation)

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng([self.seed, index])
        clips = [self._clip(rng) for _ in range(self.batch)]
        length = self.data.pictures
        flat = stacked([row for rows, _ in clips for row in rows])
        batch = {name: values.unflatten(0, (self.batch, length)) for name, values in flat.items()}
        batch["step_s"] = torch.tensor([[step_s] * length for _, step_s in clips])
        batch["lookahead"] = torch.from_numpy(rng.integers(0, LONGEST_LOOKAHEAD + 1, self.batch))
        return batch

    def _clip(self, rng: np.random.Generator) -> tuple[list[Row], float]:
        is_held = bool(rng.random() < self.data.held)
        store, clip = (self.stills if is_held else self.source).face(rng)
        rate_hz, count = store.infos[clip].rate_hz or 30.0, int(store.counts[clip])
        # A clip at 50 Hz or more may be taken at half its rate; slower ones would be too slow for the residual.
        every = 2 if rate_hz >= 50.0 and count >= 2 * self.data.pictures and rng.random() < 0.5 else 1
        every = 0 if is_held else every
        begin = int(store.first[clip] + rng.integers(0, count - every * (self.data.pictures - 1)))
        look = draw_look(rng) if not self.is_validation and rng.random() < self.data.looks else None
        is_mirrored, edge = bool(rng.random() < 0.5), border(rng)
        rows: list[Row] = []
        for number, crop in enumerate(self._crops(rng)):
            picture, truth = cropped(picture_of(store, begin + every * number), crop, is_mirrored, edge)
            rows.append((look(picture, rng) if look else picture, truth))
        return rows, max(every, 1) / rate_hz

    def _crops(self, rng: np.random.Generator) -> list[Crop]:
        """The crop of each picture: from one draw of the jitter to another, trembling."""
        near = replace(self.data.jitter, far=0.0)
        begin, end = near.draw(rng), near.draw(rng)
        crops: list[Crop] = []
        for share in np.linspace(0.0, _WANDER, self.data.pictures).tolist():
            at, off = _between(begin, end, share), near.draw(rng)
            crops.append(_between(at, off, _TREMBLE))
        return crops


def cropped(row: Row, crop: Crop, is_mirrored: bool, edge: NDArray[np.uint8] | None) -> Row:
    """`crop` [128, 128, 3] of a stored picture, or of its mirror image, and its truths told in it."""
    picture, truth = row
    if is_mirrored:
        picture, truth = np.ascontiguousarray(picture[:, ::-1]), mirrored(truth)
    return cut(picture, crop, CROP_PX, edge), told_in(truth, crop)


def misses(crop: Crop, face: Truth) -> bool:
    """Whether a crop of a stored picture shows nothing of its face; False where it is not known where that is."""
    points = face["points"].reshape(-1, 2) * PICTURE_PX
    if not np.isfinite(points).all():
        return False
    low, high = points.min(axis=0), points.max(axis=0)
    off = np.maximum(np.maximum(low - (crop.x_px, crop.y_px), (crop.x_px, crop.y_px) - high), 0.0)
    return bool(np.linalg.norm(off) > math.sqrt(0.5) * crop.side_px)


def border(rng: np.random.Generator) -> NDArray[np.uint8] | None:
    """What lies outside of a picture: black, as at the border of a camera's, or its edge drawn out."""
    return _BLACK if rng.random() < 0.7 else None


def stacked(rows: Sequence[Row]) -> Batch:
    """Rows as tensors, in their shapes; see FacePairs."""
    batch: Batch = {"crop": torch.from_numpy(np.stack([picture for picture, _ in rows]))}
    for name in rows[0][1]:
        values = np.stack([np.asarray(truth[name], np.float32) for _, truth in rows])
        batch[name] = torch.from_numpy(values.reshape(len(rows), *_SHAPES.get(name, values.shape[1:])))
    return batch


def _between(one: Crop, other: Crop, share: float) -> Crop:
    return Crop(
        one.x_px + share * (other.x_px - one.x_px),
        one.y_px + share * (other.y_px - one.y_px),
        one.side_px * math.exp(share * math.log(other.side_px / one.side_px)),
        one.roll_rad + share * math.remainder(other.roll_rad - one.roll_rad, math.tau),
    )
