"""Excerpts of stores as batches for the voice: cut at random, augmented, sometimes muted, the same for the same step.

Everything random of a batch comes from (seed, step), so a resumed run sees exactly what it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from models.audio.encoder import LONGEST_LOOKAHEAD_HOPS
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from models.head.regions import mouth_projector
from training.data.clips import HOP_SAMPLES, MOTION_SIZE, UNKNOWN_PHONE, Clip, ClipInfo
from training.data.packed_clips import Clips, PackedClips, open_clips
from training.data.phones import INDEX_OF_PHONE, SILENCE
from training.data.sharded import StreamOrder

Floats = NDArray[np.float32]
Batch = dict[str, Tensor]

# The look-aheads that a user may choose are drawn most often; those between them sometimes.
USUAL_LOOKAHEADS_HOPS = (0, 2, 4, 4, 8, 12)
_ODD_LOOKAHEAD = 0.15
# Of a filmed face the voice tells the mouth; what brows and eyes did is not in the sound.
_FILMED = "talking"
# The first motion after silence is rarely the first of an excerpt: its start is learnt from, but not judged.
_PAST_HOPS = 1


class Augment(Protocol):
    """Changes how a voice sounds and nothing that it says."""

    def __call__(self, audio: Floats, rng: np.random.Generator) -> Floats: ...


class Silence(Protocol):
    """`count` samples of a microphone that nobody speaks into."""

    def __call__(self, rng: np.random.Generator, count: int) -> Floats: ...


@dataclass(frozen=True)
class Excerpts:
    """How batches are cut.

    hops          length of an excerpt
    stores        folder of each store below the data folder -> how much of a batch comes from it; one that is packed in
                  shards (`training.data.packed_clips`) is streamed
    muted         share of excerpts whose sound is replaced by a silent microphone and whose face rests
    augmented     share of excerpts that are augmented
    uses          which clips may be learnt from (see ClipInfo.use)
    styled        share of excerpts of a known style that are told so; the rest teach the style that is nobody's
    """

    hops: int
    stores: dict[str, float]
    muted: float = 0.06
    augmented: float = 0.8
    uses: tuple[str, ...] = ("free", "weights")
    styled: float = 0.6


class ExcerptBatches(Dataset[Batch]):
    """Item `step` is the batch of that step. Tensors, B rows of T hops:

    audio [B, T * 320], motion [B, T, 53], motion_weight, speech, laughter, valence, arousal [B, T] (NaN unknown),
    phones [B, T] int64 (UNKNOWN_PHONE), past [B, 53] the motion before the first, style [B] int64 (0 nobody's),
    lookahead [B] int64 hops. Row t describes the end of hop t: the look-ahead's shift is the task's business.
    """

    def __init__(
        self,
        folder: Path,
        excerpts: Excerpts,
        batch: int,
        seed: int,
        augment: Augment | None = None,
        silence: Silence | None = None,
        split: str = "train",
    ) -> None:
        self.excerpts, self.batch, self.seed = excerpts, batch, seed
        self.augment, self.silence = augment, silence
        self._sources: list[_Drawn | _Streamed] = []
        for name in excerpts.stores:
            clips = open_clips(folder / name)
            chosen = [n for n, info in enumerate(clips.infos) if info.split == split and info.use in excerpts.uses]
            if not chosen:
                raise ValueError(f"the store {folder / name} has no clip of split {split!r} and use {excerpts.uses}")
            self._sources.append(
                _Streamed(clips, np.array(chosen), excerpts.hops, seed)
                if isinstance(clips, PackedClips)
                else _Drawn(clips, np.array(chosen), excerpts.hops)
            )
        shares = list(excerpts.stores.values())
        self._shares = np.array(shares) / sum(shares)
        self._to_mouth = mouth_projector(open_head(), ArkitMap(open_head())).T
        self.styles = _styles([source.clips.infos[n] for source in self._sources for n in source.chosen])

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng([self.seed, index])
        rows = [self._row(index * self.batch + row, rng) for row in range(self.batch)]
        batch = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
        lookahead = rng.choice(USUAL_LOOKAHEADS_HOPS, self.batch)
        odd = rng.integers(0, LONGEST_LOOKAHEAD_HOPS + 1, self.batch)
        batch["lookahead"] = torch.from_numpy(np.where(rng.random(self.batch) < _ODD_LOOKAHEAD, odd, lookahead))
        return batch

    def _row(self, number: int, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
        """Row `number` of all that training will ever see."""
        source = self._sources[rng.choice(len(self._sources), p=self._shares)]
        clip = source.clips[source.next(number, rng)]
        row = excerpt(clip, self.excerpts.hops, rng)
        if self.silence is not None and rng.random() < self.excerpts.muted:
            row = _muted(row, self.silence(rng, self.excerpts.hops * HOP_SAMPLES))
        elif self.augment is not None and rng.random() < self.excerpts.augmented:
            row["audio"] = self.augment(np.asarray(row["audio"], np.float32), rng)
        if clip.info.kind == _FILMED:
            row["motion"], row["past"] = self._mouth_of(row["motion"]), self._mouth_of(row["past"])
        style = self.styles.index(clip.info.style) if clip.info.style in self.styles else 0
        row["style"] = np.array(style if rng.random() < self.excerpts.styled else 0, np.int64)
        return row

    def _mouth_of(self, motion: NDArray[np.generic]) -> Floats:
        expression, jaw = np.split(np.asarray(motion, np.float32), [len(self._to_mouth)], axis=-1)
        return np.concatenate([expression @ self._to_mouth, jaw], axis=-1)


class _Drawn:
    """A store that is read anywhere. A clip is as likely as it is long, but a short one counts for a whole excerpt."""

    def __init__(self, clips: Clips, chosen: NDArray[np.int64], hops: int) -> None:
        self.clips, self.chosen = clips, chosen
        weight = np.maximum(clips.hops[chosen], hops / 2).astype(np.float64)
        self._chances = weight / weight.sum()

    def next(self, number: int, rng: np.random.Generator) -> int:
        return int(rng.choice(self.chosen, p=self._chances))


class _Streamed:
    """A store in shards, read in the order of a stream. A clip comes as often in an epoch as excerpts fit into it.

    The order has a place for every row of all batches; those of other stores pass theirs over, so that what comes
    depends on the row's number alone.
    """

    def __init__(self, clips: PackedClips, chosen: NDArray[np.int64], hops: int, seed: int) -> None:
        self.clips, self.chosen = clips, chosen
        times = np.zeros(len(clips), np.int64)
        times[chosen] = np.maximum(1, np.round(clips.hops[chosen] / hops))
        self._order = StreamOrder(clips.samples.begins, times, seed)

    def next(self, number: int, rng: np.random.Generator) -> int:
        return self._order(number)


def excerpt(clip: Clip, hops: int, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    """`hops` hops of `clip` from a random place; a shorter clip lies somewhere in silence, where nothing is known."""
    spare = clip.hops - hops
    begin = int(rng.integers(min(spare, 0), max(spare, 0) + 1))
    where = slice(max(begin, 0), min(begin + hops, clip.hops))
    lead, tail = max(-begin, 0), max(begin + hops - clip.hops, 0)

    def cut(values: NDArray[np.generic], fill: float, width: int = 1) -> NDArray[np.generic]:
        around = [(lead * width, tail * width), *[(0, 0)] * (values.ndim - 1)]
        return np.pad(values[where.start * width : where.stop * width], around, constant_values=fill)

    motion = cut(clip.motion, 0.0)
    before = clip.motion[where.start - _PAST_HOPS] if lead == 0 and where.start >= _PAST_HOPS else motion[0] * 0.0
    return {
        "audio": cut(clip.audio, 0.0, HOP_SAMPLES),
        "motion": motion,
        "past": before,
        "motion_weight": cut(clip.motion_weight, 0.0),
        "speech": cut(clip.speech, np.nan),
        "laughter": cut(clip.laughter, np.nan),
        "valence": cut(clip.valence, np.nan),
        "arousal": cut(clip.arousal, np.nan),
        "phones": cut(clip.phones, UNKNOWN_PHONE).astype(np.int64),
    }


def _muted(row: dict[str, NDArray[np.generic]], audio: Floats) -> dict[str, NDArray[np.generic]]:
    """A silent microphone and a face that rests."""
    hops = len(row["phones"])
    zeros = np.zeros(hops, np.float32)
    return {
        "audio": audio,
        "motion": np.zeros((hops, MOTION_SIZE), np.float32),
        "past": np.zeros(MOTION_SIZE, np.float32),
        "motion_weight": zeros + 1.0,
        "speech": zeros,
        "laughter": zeros,
        "valence": zeros,
        "arousal": zeros,
        "phones": np.full(hops, INDEX_OF_PHONE[SILENCE], np.int64),
    }


def _styles(infos: Sequence[ClipInfo]) -> list[str]:
    """Names of the styles, "" (nobody's) first."""
    return sorted({info.style for info in infos} | {""})
