"""Coefficients of faces whose emotion is known, as batches: the table of emotions, acted out on random people.

Most of the faces lie on what a tracker made of people at rest. A tracker's rest is never at rest: it takes heavy brows
for a frown (`browDown` 0.45 in the mean of made-up portraits), thin lips for pressed ones, and whoever did not learn on
such faces finds everybody angry. What it makes of an emotion is weaker than the emotion, too, and a broad smile draws
in the corners and presses the lips, so that half of the happy faces are what it made of people who smile. Nothing is
rendered; a batch costs milliseconds. Everything random of a batch comes from (seed, step).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from models.head.arkit import ArkitMap
from models.head.flame import open_head
from models.perceptual.emotion import EMOTIONS
from protocol.frame import ARKIT_SHAPES, PART_BY_NAME
from training.data.emotion_acting import draw_feeling, told_emotion
from training.data.face_store import COLUMNS_OF, FaceClipInfo
from training.data.packed_faces import open_faces
from training.loop import Batch
from training.recipe import RecipeError

Floats = NDArray[np.float32]
Faces = dict[str, Floats]
Rows = dict[str, NDArray[np.floating]]
_PARTS = ("shape", "expression", "jaw")
_HELD_OUT, _MOST_PICTURES = 5, 200
_TRACKED_SMILES = 0.5
_SMILE_GAIN = 1.6  # a tracker's smile of 0.6 is a whole one
_SMILES = [ARKIT_SHAPES.index(name) for name in ("mouthSmileLeft", "mouthSmileRight")]
_OPENING = ARKIT_SHAPES.index("jawOpen")


@dataclass(frozen=True)
class CoefficientData:
    """folder     of the stores
    stores     of real faces, solved by a tracker (`build_real_faces`)
    resting    sources (see FaceClipInfo.source) in them whose people feel nothing: portraits, read sentences
    most_smile, most_open   who smiles (mouthSmile) or opens the mouth (jawOpen) more than this does not rest
    least_smile             who smiles at least as much on both sides is happy
    uses       which clips may be learnt from (see FaceClipInfo.use)
    tracked    share of faces that lie on a solved one of these
    weakest    an emotion is tracked as this much of it at least
    noise_sd   largest noise of the expression, drawn up to it
    labelled   store of faces with labels (`build_labelled_faces`) for the figures while learning; "" for none
    """

    folder: str
    stores: list[str] = field(default_factory=list)
    resting: list[str] = field(default_factory=list)
    most_smile: float = 0.2
    most_open: float = 0.25
    least_smile: float = 0.3
    uses: list[str] = field(default_factory=lambda: ["free", "weights"])
    tracked: float = 0.7
    weakest: float = 0.5
    noise_sd: float = 0.3
    labelled: str = ""
    validation_batches: int = 8


class EmotionCoefficients(Dataset[Batch]):
    """Item `step` is the batch of that step: shape [B, 100], expression [B, 50], jaw [B, 3], and what an onlooker says:
    emotion [B, 8], valence, arousal [B]. The eight emotions come equally often.
    """

    def __init__(self, data: CoefficientData, batch: int, seed: int, split: str = "train") -> None:
        self.data, self.batch, self.seed = data, batch, seed
        self._arkit = ArkitMap(open_head())
        self._resting, self._smiling = tracked_people(data, self._arkit, split)

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        turns = rng.permutation((step * self.batch + np.arange(self.batch)) % len(EMOTIONS))
        rows = [self._row(int(turn), rng) for turn in turns]
        return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}

    def _row(self, emotion: int, rng: np.random.Generator) -> Faces:
        if EMOTIONS[emotion] == "happy" and self._smiling and rng.random() < _TRACKED_SMILES:
            return self._smile(rng)
        feeling = draw_feeling(rng, EMOTIONS[emotion])
        expression, jaw, _, _ = self._arkit.motion_change(feeling.weights)
        strength, noise = rng.uniform(self.data.weakest, 1.1), rng.uniform(0.0, self.data.noise_sd)
        face: Rows = {
            "shape": rng.normal(0.0, 0.8, 100),
            "expression": strength * expression + rng.normal(0.0, noise, 50),
            "jaw": strength * jaw + rng.normal(0.0, 0.05 * noise, 3),
        }
        if self._resting and rng.random() < self.data.tracked:
            rest = _one_of(self._resting, rng)
            face |= {name: face[name] + rest[name] for name in ("expression", "jaw")}
            face["shape"] = rest["shape"]
        return _told(face, feeling.emotion, feeling.valence, feeling.arousal)

    def _smile(self, rng: np.random.Generator) -> Faces:
        """What a tracker made of somebody who smiles, with noise."""
        noise = rng.uniform(0.0, self.data.noise_sd)
        face: Rows = {**_one_of(self._smiling, rng)}
        amount = min(1.0, _SMILE_GAIN * float(face["smile"][0]))
        face["expression"] = face["expression"] + rng.normal(0.0, noise, 50)
        face["jaw"] = face["jaw"] + rng.normal(0.0, 0.05 * noise, 3)
        return _told(face, *told_emotion("happy", amount))


def tracked_people(data: CoefficientData, arkit: ArkitMap, split: str = "train") -> tuple[list[Faces], list[Faces]]:
    """Of each person of one split those faces that rest, and those that smile: shape [n, 100], expression [n, 50],
    jaw [n, 3], smile [n, 1] (the weaker side's mouthSmile).

    Photographs have no split of their own here: one person in five is for validation.
    """
    people: dict[str, list[Floats]] = defaultdict(list)
    for name in data.stores:
        folder = Path(data.folder) / name
        if not (folder / "index.jsonl").is_file():
            raise RecipeError(f"the store {folder} does not exist; build it with training.data.build_real_faces")
        store = open_faces(folder)
        for clip, info in enumerate(store.infos):
            if info.source in data.resting and info.use in data.uses and _split(info) == split:
                begin = int(store.first[clip])
                told = np.asarray(store.truths[begin : begin + int(store.counts[clip])], np.float32)
                people[info.person].append(np.concatenate([told[:, COLUMNS_OF[part]] for part in _PARTS], axis=1))
    resting, smiling = list[Faces](), list[Faces]()
    for clips in people.values():
        faces, weights = _some(np.concatenate(clips), arkit)
        is_rest = (weights[:, _SMILES].mean(axis=1) <= data.most_smile) & (weights[:, _OPENING] <= data.most_open)
        is_smile = weights[:, _SMILES].min(axis=1) >= data.least_smile
        for chosen, found in ((is_rest, resting), (is_smile, smiling)):
            if chosen.any():
                found.append({name: values[chosen] for name, values in faces.items()})
    return resting, smiling


def _split(info: FaceClipInfo) -> str:
    if info.kind != "photo":
        return info.split
    return "val" if crc32(info.person.encode()) % _HELD_OUT == 0 else "train"


def _some(rows: Floats, arkit: ArkitMap) -> tuple[Faces, NDArray[np.floating]]:
    """Those of one person's rows that are known, no more than are needed, and their ARKit weights [n, 52]."""
    rows = rows[np.isfinite(rows).all(axis=1)]
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST_PICTURES)).astype(int)]
    shape, expression, jaw = np.split(rows, [100, 150], axis=1)
    nothing = np.zeros(2), np.zeros(4)
    weights = np.array([arkit.to_arkit(*row, *nothing) for row in zip(expression, jaw, strict=True)]).reshape(-1, 52)
    smile = weights[:, _SMILES].min(axis=1, keepdims=True)
    return {"shape": shape, "expression": expression, "jaw": jaw, "smile": smile}, weights


def _one_of(people: list[Faces], rng: np.random.Generator) -> Faces:
    """One face of one of them."""
    faces = people[int(rng.integers(len(people)))]
    row = int(rng.integers(len(faces["jaw"])))
    return {name: values[row] for name, values in faces.items()}


def _told(face: Rows, emotion: Floats, valence: float, arousal: float) -> Faces:
    told = {"emotion": emotion, "valence": np.float32(valence), "arousal": np.float32(arousal)}
    return {name: _bounded(name, face[name]) for name in _PARTS} | told


def _bounded(name: str, values: NDArray[np.floating]) -> Floats:
    part = PART_BY_NAME[name]
    return np.clip(values, part.minimum, part.maximum).astype(np.float32)
