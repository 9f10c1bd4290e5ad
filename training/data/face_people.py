"""Stores of faces as batches of people, several pictures of each: what DECA learns from.

Everything random of a batch comes from (seed, step), so a resumed run sees exactly what it would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from models.head.landmarks import FACE_POINTS, IRISES, OUTLINE_ROWS
from models.reconstruction.landmarks68 import INNER_LIPS, ROWS_68
from training.data.face_source import picture_of
from training.data.face_store import FaceStore, Picture
from training.data.mirror import Truth, mirrored
from training.data.packed_faces import open_faces
from training.data.sub_crop import Jitter, cut, told_in
from training.recipe import RecipeError

Batch = dict[str, Tensor]

_NOBODY = "nobody"
_IRIS_ROWS = [FACE_POINTS.index(landmark) for landmark in IRISES]
_INNER_LIPS_ROWS = [FACE_POINTS.index(landmark) for landmark in INNER_LIPS]
# Around a point that something hides, so much of the crop is not looked at.
_HIDDEN_RADIUS = 0.05
_KEPT = ("shape", "expression", "jaw", "eyelids", "belief")


@dataclass(frozen=True)
class PeopleData:
    """folder       of the stores (`python -m training.data.build_synthetic_faces`, `... build_real_faces`)
    stores       store -> its share of the people; `validation` likewise, for the figures while learning
    uses         which clips may be learnt from (see FaceClipInfo.use)
    each         pictures of a person in a batch
    size_px      of a crop
    jitter       of the crops
    """

    folder: str
    stores: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)
    uses: list[str] = field(default_factory=lambda: ["free", "weights"])
    validation_uses: list[str] = field(default_factory=lambda: ["free", "weights", "research"])
    each: int = 2
    size_px: int = 112
    jitter: Jitter = field(default_factory=Jitter)
    validation_batches: int = 4


class FacePeople(Dataset[Batch]):
    """Item `step` is the batch of that step: rows k * each .. of the k-th person.

    picture float32 [B, 3, S, S] in 0..1 · landmarks [B, 68, 2] in -1..1 over the crop, seen [B, 68] ·
    mask [B, 1, S, S]: 1 on the face's skin, as the points tell it, and 0 where something hides it · shape, expression,
    jaw, eyelids, belief: what is known (NaN where not), for figures only · person [B] int64
    """

    def __init__(self, data: PeopleData, batch: int, seed: int, is_validation: bool = False) -> None:
        if batch % data.each or batch < 2 * data.each:
            raise RecipeError(
                f"optim.batch is {batch}; people come {data.each} pictures each, take a multiple of it, two or more"
            )
        self.data, self.batch, self.seed, self.is_validation = data, batch, seed, is_validation
        stores = (data.validation or data.stores) if is_validation else data.stores
        uses = data.validation_uses if is_validation else data.uses
        self._stores: list[tuple[FaceStore, list[NDArray[np.int64]]]] = []
        shares: list[float] = []
        for name, share in stores.items():
            path = Path(data.folder) / name
            if not (path / "index.jsonl").exists():
                raise RecipeError(f"the store {path} does not exist; build it with training.data.build_*")
            store = open_faces(path)
            people = _rows_of_people(store, "val" if is_validation else "train", uses)
            if people:
                self._stores.append((store, people))
                shares.append(share)
        if not self._stores:
            raise RecipeError(f"the stores {', '.join(stores)} in {data.folder} show nobody of uses {', '.join(uses)}")
        self._shares = np.array(shares) / sum(shares)

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng([self.seed, index])
        rows: list[dict[str, np.ndarray]] = []
        for person in range(self.batch // self.data.each):
            store, people = self._stores[int(rng.choice(len(self._stores), p=self._shares))]
            pictures = people[int(rng.integers(len(people)))]
            chosen = rng.choice(pictures, self.data.each, replace=len(pictures) < self.data.each)
            is_mirrored = bool(rng.random() < 0.5) and not self.is_validation
            rows += [self._row(store, int(row), is_mirrored, rng) | {"person": np.array(person)} for row in chosen]
        return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}

    def _row(self, store: FaceStore, number: int, is_mirrored: bool, rng: np.random.Generator) -> dict[str, np.ndarray]:
        picture, truth = picture_of(store, number)
        if is_mirrored:
            picture, truth = np.ascontiguousarray(picture[:, ::-1]), mirrored(truth)
        crop = Jitter(0.0, 0.0, 0.0, 0.0).draw(rng) if self.is_validation else self.data.jitter.draw(rng)
        return example(cut(picture, crop, self.data.size_px), told_in(truth, crop))


def example(picture: Picture, truth: Truth) -> dict[str, np.ndarray]:
    """One row of a batch, of a crop uint8 [S, S, 3] and the truths told in it. Unknown points count as hidden."""
    points = truth["points"].reshape(-1, 2)
    known = np.asarray(np.isfinite(points).all(axis=1))
    seen = np.where(known, truth["points_seen"], 0.0).astype(np.float32)
    points = np.where(known[:, None], points, 0.5).astype(np.float32)
    rows = list(ROWS_68)
    return {
        "picture": picture.transpose(2, 0, 1).astype(np.float32) / 255.0,
        "landmarks": 2.0 * points[rows] - 1.0,
        "seen": seen[rows],
        "mask": skin_mask(points, seen, len(picture))[None],
        **{name: truth[name] for name in _KEPT},
    }


def skin_mask(points: NDArray[np.float32], seen: NDArray[np.float32], size_px: int) -> NDArray[np.float32]:
    """float32 [S, S]: 1 within the hull of FACE_POINTS [140, 2] (crop coordinates), 0 in the mouth, at hidden points.

    Points of the outline hide themselves when the head turns, and irises behind their lids; they say nothing about what
    is in front.
    """
    mask = np.zeros((size_px, size_px), np.float32)
    pixels = np.round(points * size_px - 0.5).astype(np.int32).clip(-size_px, 2 * size_px)
    cv2.fillConvexPoly(mask, cv2.convexHull(pixels), 1.0)
    cv2.fillPoly(mask, [pixels[_INNER_LIPS_ROWS]], 0.0)
    tells = np.ones(len(points), bool)
    tells[OUTLINE_ROWS] = False
    tells[_IRIS_ROWS] = False
    for x, y in pixels[(seen < 0.5) & tells].tolist():
        cv2.circle(mask, (x, y), max(1, round(_HIDDEN_RADIUS * size_px)), 0.0, -1)
    return mask


def _rows_of_people(store: FaceStore, split: str, uses: list[str]) -> list[NDArray[np.int64]]:
    """The pictures' rows of each person of a split."""
    rows: dict[str, list[NDArray[np.int64]]] = {}
    for number, info in enumerate(store.infos):
        if info.split == split and info.use in uses and info.kind != _NOBODY:
            first, count = int(store.first[number]), int(store.counts[number])
            rows.setdefault(info.person, []).append(np.arange(first, first + count))
    return [np.concatenate(of_one) for of_one in rows.values()]
