"""Mouths that speak, cut from stores of faces: grey crops at 25 Hz with the viseme of each.

A clip of a face store whose phones are known (a `phones.jsonl` in one of the folders of `MouthData.phones` has its
name) is material. The crop follows the lips slowly, so that it does not tremble with them (SPECTRE, section 3.3: the
middle of the lips' points, smoothed over six pictures to each side, at a fixed share of the face).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from models.head.crop import CROP_SIDE_M, Crop
from models.head.landmarks import MOUTH_ROWS
from models.perceptual.visual_speech import MOUTH_PX, VISEMES
from training.data.clips import HOP_S
from training.data.face_store import COLUMNS_OF, MARGIN, PICTURE_PX, FaceClipInfo
from training.data.packed_faces import open_faces
from training.data.phones import Phone
from training.data.speech_clips import SIDECAR, phones_of_store
from training.data.sub_crop import cut
from training.data.viseme_groups import viseme_rows
from training.recipe import RecipeError

Batch = dict[str, Tensor]
Doubles = NDArray[np.float64]

RATE_HZ = 25.0
# The side of a mouth's crop: 0.10 m, as 88 px of the 224 of a face 1.6 times as large as its points.
MOUTH_SIDE_M = 0.10
MOUTH_SIDE = MOUTH_SIDE_M / (MARGIN * CROP_SIDE_M)  # of a stored crop
_SMOOTHED_PICTURES = 6
_RATE_TOLERANCE_HZ = 0.5
# Drawn mouths: pictures of this size, whose side is so many times that of a mouth's crop.
DRAWN_FILE, DRAWN_PX, DRAWN_MARGIN = "mouths.u8", 104, 1.3


@dataclass(frozen=True)
class MouthData:
    """folder      of the stores
    stores      store of faces -> its share of every batch; `validation` likewise
    phones      folders within `folder` whose phones.jsonl say what is said in which clip
    uses        which clips may be learnt from (see FaceClipInfo.use)
    fold, folds   learn from every `folds`-th clip only, beginning with the `fold`-th: two readers that share none
    pictures    in a row
    shift, size, roll_rad   how far a crop may be off: as shares of its side, and turned
    noise       of grey levels, at most; `light` of the gain and offset
    """

    folder: str
    stores: dict[str, float]
    phones: list[str]
    validation: dict[str, float] = field(default_factory=dict)
    uses: list[str] = field(default_factory=lambda: ["free", "weights"])
    fold: int = 0
    folds: int = 1
    pictures: int = 40
    shift: float = 0.07
    size: float = 0.12
    roll_rad: float = 0.12
    noise: float = 0.03
    light: float = 0.3
    validation_split: str = "val"
    validation_batches: int = 6


@dataclass(frozen=True, eq=False)
class MouthClip:
    """info       of the clip
    pictures   uint8 [n, H, W] or [n, H, W, 3], a memory map
    centres_px float64 [n, 2]: middle of the mouth, smoothed        side_px   of its crop
    visemes    int64 [n]: number in VISEMES of each picture
    """

    info: FaceClipInfo
    pictures: NDArray[np.uint8]
    centres_px: Doubles
    side_px: float
    visemes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.visemes)

    def crop(self, picture: int) -> Crop:
        """Where the mouth is in a picture."""
        x, y = self.centres_px[picture]
        return Crop(float(x), float(y), self.side_px, 0.0)


def mouth_clips(data: MouthData, split: str, stores: Sequence[str] | None = None) -> dict[str, list[MouthClip]]:
    """Store -> its clips of a split whose phones are known. RecipeError where a store has none.

    Folds are of the clips that are learnt from; all of what is held out is everybody's.
    """
    folder = Path(data.folder)
    phones: dict[str, list[Phone]] = {}
    for name in data.phones:
        if not (folder / name / SIDECAR).exists():
            raise RecipeError(f"{folder / name} holds no {SIDECAR}; build it with training.data.build_*")
        phones |= {clip: said for clip, (_, said) in phones_of_store(folder / name).items()}
    found: dict[str, list[MouthClip]] = {}
    for name in stores or data.stores:
        if not (folder / name / "index.jsonl").exists():
            raise RecipeError(f"the store {folder / name} does not exist; build it with training.data.build_*")
        is_drawn = (folder / name / DRAWN_FILE).exists()
        all_clips = drawn_clips(folder / name, phones) if is_drawn else face_clips(folder / name, phones)
        clips = [
            clip
            for clip in all_clips
            if clip.info.split == split
            and len(clip) >= data.pictures
            and (split != "train" or clip.info.use in data.uses)
        ]
        found[name] = clips[data.fold :: data.folds] if split == "train" else clips
        if not found[name]:
            raise RecipeError(
                f"the store {folder / name} has no clip of split {split!r} with {data.pictures} pictures at "
                f"{RATE_HZ:g} Hz whose phones are in {', '.join(data.phones)}"
            )
    return found


def face_clips(folder: Path, phones: Mapping[str, list[Phone]]) -> Iterator[MouthClip]:
    """The mouths of a store of faces, of the clips at 25 Hz that have a name in `phones` and points everywhere."""
    store = open_faces(folder)
    for number, info in enumerate(store.infos):
        if info.name not in phones or abs(info.rate_hz - RATE_HZ) > _RATE_TOLERANCE_HZ:
            continue
        rows = slice(int(store.first[number]), int(store.first[number] + store.counts[number]))
        truths = np.asarray(store.truths[rows], np.float64)
        points = truths[:, COLUMNS_OF["points"]].reshape(len(truths), -1, 2)[:, MOUTH_ROWS]
        times_s = truths[:, COLUMNS_OF["time_s"]][:, 0]
        if np.isfinite(points).all() and np.isfinite(times_s).all():
            visemes = np.array(viseme_rows(phones[info.name], times_s.tolist()), np.int64)
            centres_px = PICTURE_PX * smoothed(points.mean(axis=1))
            yield MouthClip(info, store.pictures[rows], centres_px, MOUTH_SIDE * PICTURE_PX, visemes)


def drawn_clips(folder: Path, phones: Mapping[str, list[Phone]]) -> Iterator[MouthClip]:
    """Those of `training.data.build_drawn_mouths`: the mouth is in the middle of each picture, with a margin."""
    lines = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    total = sum(line["count"] for line in lines)
    pictures = np.memmap(folder / DRAWN_FILE, np.uint8, "r", shape=(total, DRAWN_PX, DRAWN_PX))
    for line in lines:
        first, count = line.pop("first"), line.pop("count")
        info = FaceClipInfo(**line)
        times_s = HOP_S + np.arange(count) / RATE_HZ
        visemes = np.array(viseme_rows(phones[info.name], times_s.tolist()), np.int64)
        centres_px = np.full((count, 2), 0.5 * DRAWN_PX)
        yield MouthClip(info, pictures[first : first + count], centres_px, DRAWN_PX / DRAWN_MARGIN, visemes)


def smoothed(course: Doubles, reach: int = _SMOOTHED_PICTURES) -> Doubles:
    """The mean of `reach` rows to each side [n, K], of as many to one as to the other: fewer at the ends."""
    sums = np.concatenate([np.zeros((1, course.shape[1])), np.cumsum(course, axis=0)])
    at = np.arange(len(course))
    near = np.minimum(np.minimum(at, at[::-1]), reach)
    return (sums[at + near + 1] - sums[at - near]) / (2 * near + 1)[:, None]


def grey_mouths(clip: MouthClip, begin: int, count: int, off: Crop | None = None) -> NDArray[np.float32]:
    """float32 [count, 88, 88], 0..1. `off` shifts each crop by x and y and scales it by side (shares), and turns it."""
    mouths = np.empty((count, MOUTH_PX, MOUTH_PX), np.float32)
    for row in range(count):
        crop = clip.crop(begin + row)
        if off is not None:
            side = crop.side_px
            crop = Crop(crop.x_px + off.x_px * side, crop.y_px + off.y_px * side, side * off.side_px, off.roll_rad)
        picture = cut(np.asarray(clip.pictures[begin + row]), crop, MOUTH_PX)
        mouths[row] = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return mouths / 255.0


class MouthSequences(Dataset[Batch]):
    """Item `step` is the batch of that step: mouths float32 [B, T, 88, 88], visemes int64 [B, T].

    Validation's are as they were taken, from the beginning of their clips.
    """

    def __init__(self, data: MouthData, batch: int, seed: int, is_validation: bool = False) -> None:
        self.data, self.batch, self.seed, self.is_validation = data, batch, seed, is_validation
        shares = (data.validation or data.stores) if is_validation else data.stores
        split = data.validation_split if is_validation else "train"
        self._clips = list(mouth_clips(data, split, list(shares)).values())
        self._shares = np.array(list(shares.values())) / sum(shares.values())

    def __len__(self) -> int:
        return 1 << 30

    def viseme_shares(self) -> Tensor:
        """How often each of VISEMES is drawn, float32 [17], sum 1."""
        counts = [
            np.bincount(np.concatenate([clip.visemes for clip in clips]), minlength=len(VISEMES))
            for clips in self._clips
        ]
        shares = sum(share * count / count.sum() for share, count in zip(self._shares, counts, strict=True))
        return torch.tensor(shares, dtype=torch.float32)

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng([self.seed, index])
        rows = [self._row(rng) for _ in range(self.batch)]
        return {
            "mouths": torch.from_numpy(np.stack([mouths for mouths, _ in rows])),
            "visemes": torch.from_numpy(np.stack([visemes for _, visemes in rows])),
        }

    def _row(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        clips = self._clips[int(rng.choice(len(self._clips), p=self._shares))]
        clip, count = clips[int(rng.integers(len(clips)))], self.data.pictures
        begin = int(rng.integers(0, len(clip) - count + 1))
        if self.is_validation:
            return grey_mouths(clip, begin, count), clip.visemes[begin : begin + count]
        data = self.data
        x, y = rng.uniform(-data.shift, data.shift, 2)
        size = 1.0 + rng.uniform(-data.size, data.size)
        mouths = grey_mouths(clip, begin, count, Crop(x, y, size, rng.uniform(-data.roll_rad, data.roll_rad)))
        if rng.random() < 0.5:
            mouths = mouths[:, :, ::-1]
        gain, offset = 1.0 + rng.uniform(-data.light, data.light), 0.5 * rng.uniform(-data.light, data.light)
        shades = gain * (mouths - 0.5) + 0.5 + offset
        shades = shades + rng.normal(0.0, rng.uniform(0.0, data.noise), mouths.shape)
        return np.clip(shades, 0.0, 1.0).astype(np.float32), clip.visemes[begin : begin + count]
