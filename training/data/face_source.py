"""Which pictures of which stores are learnt from, and how they are drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.face_store import COLUMNS_OF, FaceStore, Picture
from training.data.mirror import Truth
from training.data.packed_faces import open_faces
from training.data.sub_crop import Jitter
from training.recipe import RecipeError

# The kind of a clip that shows no face.
_NOBODY = "nobody"
_LEFT_OUT = ("blendshapes", "time_s")


@dataclass(frozen=True)
class FaceData:
    """folder       of the stores (`python -m training.data.build_synthetic_faces`, `... build_real_faces`)
    stores       store -> its share of every batch; `validation` likewise, for the figures while learning
    uses         which clips may be learnt from (see FaceClipInfo.use)
    nobody       share of pictures without a face, where the stores have them
    looks        share of pictures that are seen through a random camera (see `face_looks`)
    covered      share of pictures with something in front of the face
    pulled       share of pictures that are pulled into other expressions (see `face_warp`)
    same         share of pairs that are two crops of the same picture, not of two of a person
    apart        share of these that are pulled apart: two crops of the same picture in two expressions
    pictures     in a row, for those who learn from sequences
    held         share of sequences that are one picture all the time, as a still face is for a camera
    jitter       of the crops
    """

    folder: str
    stores: dict[str, float]
    validation: dict[str, float] = field(default_factory=dict)
    uses: list[str] = field(default_factory=lambda: ["free", "weights"])
    validation_uses: list[str] = field(default_factory=lambda: ["free", "weights", "research"])
    nobody: float = 0.04
    looks: float = 0.85
    covered: float = 0.1
    pulled: float = 0.0
    same: float = 0.5
    apart: float = 0.0
    pictures: int = 16
    held: float = 0.0
    jitter: Jitter = field(default_factory=Jitter)
    validation_batches: int = 8
    validation_split: str = "val"


class FaceSource:
    """Draws clips of some stores by their shares, those of one split and of allowed uses only."""

    def __init__(self, folder: Path, stores: dict[str, float], uses: Sequence[str], split: str, least: int = 1) -> None:
        self._faces: list[tuple[FaceStore, NDArray[np.int64], NDArray[np.float64]]] = []
        self._nobody: list[tuple[FaceStore, NDArray[np.int64]]] = []
        self._clips_of: dict[tuple[FaceStore, str], list[int]] = {}
        shares: list[float] = []
        for name, share in stores.items():
            if not (folder / name / "index.jsonl").exists():
                raise RecipeError(f"the store {folder / name} does not exist; build it with training.data.build_*")
            store = open_faces(folder / name)
            allowed = [n for n, info in enumerate(store.infos) if info.split == split and info.use in uses]
            nobody = np.array([n for n in allowed if store.infos[n].kind == _NOBODY], np.int64)
            faces = np.array(
                [n for n in allowed if store.infos[n].kind != _NOBODY and store.counts[n] >= least], np.int64
            )
            if len(nobody):
                self._nobody.append((store, nobody))
            if len(faces):
                self._faces.append((store, faces, _chances(store, faces)))
                shares.append(share)
            for clip in faces.tolist():
                self._clips_of.setdefault((store, store.infos[clip].person), []).append(clip)
        if not self._faces:
            raise RecipeError(
                f"the stores {', '.join(stores)} in {folder} have no clip of at least {least} pictures of split "
                f"{split!r} and use {', '.join(uses)}"
            )
        self._shares = np.array(shares) / sum(shares)

    @classmethod
    def of(cls, data: FaceData, least: int = 1, is_validation: bool = False) -> FaceSource:
        """What `data` learns from, or is judged by; clips of at least `least` pictures."""
        if is_validation:
            stores = data.validation or data.stores
            return cls(Path(data.folder), stores, data.validation_uses, data.validation_split, least)
        return cls(Path(data.folder), data.stores, data.uses, "train", least)

    @property
    def has_nobody(self) -> bool:
        return bool(self._nobody)

    def face(self, rng: np.random.Generator) -> tuple[FaceStore, int]:
        """A store and the number of a clip in it. A person is as likely as the root of their pictures, about."""
        store, clips, chances = self._faces[int(rng.choice(len(self._faces), p=self._shares))]
        return store, int(rng.choice(clips, p=chances))

    def of_same_person(self, store: FaceStore, clip: int, rng: np.random.Generator) -> int:
        """The number of a clip of the person in `clip`; that clip itself where it has several pictures."""
        if store.counts[clip] > 1:
            return clip
        return int(rng.choice(self._clips_of[store, store.infos[clip].person]))

    def nobody(self, rng: np.random.Generator) -> tuple[FaceStore, int]:
        """Likewise, of a clip without a face; ValueError where no store has one."""
        if not self._nobody:
            raise ValueError("no store has pictures of nobody; ask has_nobody first")
        store, clips = self._nobody[int(rng.integers(len(self._nobody)))]
        return store, int(rng.choice(clips))


def _chances(store: FaceStore, clips: NDArray[np.int64]) -> NDArray[np.float64]:
    """How likely each of `clips` is: as the root of its length, and less if its person has many of them."""
    people = [store.infos[clip].person for clip in clips]
    clips_of = Counter(people)
    weight = np.sqrt(store.counts[clips] / np.array([clips_of[person] for person in people]))
    return weight / weight.sum()


def picture_of(store: FaceStore, row: int) -> tuple[Picture, Truth]:
    """A stored picture uint8 [192, 192, 3] and its truths, those unknown of what is seen set to all."""
    values = np.asarray(store.truths[row], np.float32)
    truth = {name: values[columns] for name, columns in COLUMNS_OF.items() if name not in _LEFT_OUT}
    for name in ("points_seen", "visibility", "belief"):
        truth[name] = np.where(np.isnan(truth[name]), np.float32(1.0), truth[name])
    return np.asarray(store.pictures[row]), truth
