"""Filmed mouths in a row, with the base's motion, the points and what is said: what SPECTRE's encoder learns from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from training.data.base_motions import COLUMNS_OF as BASE_COLUMNS
from training.data.base_motions import SIZES as BASE_SIZES
from training.data.base_motions import read_bases
from training.data.face_store import COLUMNS_OF, PICTURE_PX
from training.data.mouths import MOUTH_SIDE, MouthClip, MouthData, grey_mouths, mouth_clips
from training.data.packed_faces import open_faces
from training.recipe import RecipeError

Batch = dict[str, Tensor]

_USUAL_FOCAL = 2.5  # of a stored crop, in its sides, where the camera is not known
_CROP_PX = 128


class SpokenClip:
    """A filmed clip with its base. `sequence(begin, count)` are tensors [count, ...]:

    mouths [88, 88] · crop uint8 [128, 128, 3] · box [3] · what the base tells, by name (rotation [3, 3]) · focal ·
    points [140, 2], points_seen [140] · truth [53], NaN where it is not known · visemes int64
    """

    def __init__(self, clip: MouthClip, truths: NDArray[np.float32], base: NDArray[np.float32]) -> None:
        self.clip, self._truths, self._base = clip, truths, base

    def __len__(self) -> int:
        return len(self.clip)

    def sequence(self, begin: int, count: int, with_crop: bool = False) -> Batch:
        rows = slice(begin, begin + count)
        told, base = np.asarray(self._truths[rows], np.float32), self._base[rows]
        middle = self.clip.centres_px[rows] / PICTURE_PX
        seen, focal = told[:, COLUMNS_OF["points_seen"]], told[:, COLUMNS_OF["focal"]][:, 0]
        belief = np.nan_to_num(told[:, COLUMNS_OF["belief"]], nan=1.0)
        truth = told[:, COLUMNS_OF["expression"].start : COLUMNS_OF["jaw"].stop]
        values = {name: base[:, BASE_COLUMNS[name]] for name in BASE_SIZES}
        values["rotation"] = values["rotation"].reshape(count, 3, 3)
        values |= {
            "mouths": grey_mouths(self.clip, begin, count),
            "box": np.concatenate([middle, np.full((count, 1), MOUTH_SIDE)], axis=1),
            "focal": np.where(np.isfinite(focal), focal, _USUAL_FOCAL),
            "points": told[:, COLUMNS_OF["points"]].reshape(count, -1, 2),
            "points_seen": np.where(np.isfinite(seen), seen, 1.0),
            "truth": np.where(belief >= 1.0, truth, np.nan),
        }
        batch: Batch = {name: torch.tensor(np.asarray(array, np.float32)) for name, array in values.items()}
        batch["visemes"] = torch.tensor(self.clip.visemes[rows])
        if with_crop:
            edge = (PICTURE_PX - _CROP_PX) // 2
            inner = slice(edge, edge + _CROP_PX)
            batch["crop"] = torch.tensor(np.asarray(self.clip.pictures[rows, inner, inner]))
        return batch


def spoken_clips(data: MouthData, split: str, stores: list[str]) -> dict[str, list[SpokenClip]]:
    """Store of faces -> its clips that have words and a base. RecipeError where there is none."""
    folder = Path(data.folder)
    bases = read_bases(folder)
    found: dict[str, list[SpokenClip]] = {}
    for name, clips in mouth_clips(data, split, stores).items():
        store = open_faces(folder / name)
        spans = zip(store.first.tolist(), store.counts.tolist(), strict=True)
        rows = {info.name: span for info, span in zip(store.infos, spans, strict=True)}
        found[name] = []
        for clip in clips:
            if clip.info.name in bases and clip.info.name in rows:
                first, count = rows[clip.info.name]
                found[name].append(SpokenClip(clip, store.truths[first : first + count], bases[clip.info.name]))
        if not found[name]:
            raise RecipeError(
                f"no clip of {folder / name} has a base; python -m training.data.base_motions tells of it"
            )
    return found


class SpokenSequences(Dataset[Batch]):
    """Item `step` is the batch of that step: the tensors of `SpokenClip`, [B, T, ...]."""

    def __init__(self, data: MouthData, batch: int, seed: int, with_crop: bool = False) -> None:
        self.data, self.batch, self.seed, self.with_crop = data, batch, seed, with_crop
        self._clips = list(spoken_clips(data, "train", list(data.stores)).values())
        self._shares = np.array(list(data.stores.values())) / sum(data.stores.values())

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng([self.seed, index])
        rows: list[Batch] = []
        for _ in range(self.batch):
            clips = self._clips[int(rng.choice(len(self._clips), p=self._shares))]
            clip = clips[int(rng.integers(len(clips)))]
            begin = int(rng.integers(0, len(clip) - self.data.pictures + 1))
            rows.append(clip.sequence(begin, self.data.pictures, self.with_crop))
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
