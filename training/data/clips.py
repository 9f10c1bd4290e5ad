"""Clips of sound with what the face does to them, in flat files that training reads by memory map.

A store is a folder: `audio.i16` (samples), `motion.f16` [hops, 53], `labels.f16` [hops, 5], `phones.u8` [hops], one
clip after the other, and `index.jsonl`, one line a clip, written last: a store cut off by a crash stays readable.

Row t of a clip describes the instant at the *end* of hop t, (t + 1) * 20 ms, as the streaming contract says: the
sound up to there is what a model without look-ahead has heard.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.phones import INDEX_OF_PHONE, Phone

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 320
HOP_S = HOP_SAMPLES / SAMPLE_RATE_HZ
MOTION_SIZE = 53
LABELS = ("speech", "laughter", "valence", "arousal", "motion_weight")
UNKNOWN_PHONE = 255
STORED = ("audio", "motion", "labels", "phones")  # int16 [hops, 320], float16 [hops, 53] and [hops, 5], uint8 [hops]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ClipInfo:
    """What is known about a clip as a whole.

    name    unique in its store          voice   the person or the synthetic voice: splits go by it
    source  where it came from           kind    speech, laughter, laughing_speech, cough, music, noise, silence, ...
    use     what may be done with it: free, free-sharealike, weights, research
    split   train, val or test
    style   name of the articulation style, "" if it has none
    """

    name: str
    voice: str
    source: str
    kind: str
    use: str
    split: str
    style: str = ""


def _unknown() -> Floats:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class Clip:
    """One clip; empty label arrays mean unknown, and so does NaN within them.

    audio           float32 [hops * 320], 16 kHz, -1..1
    motion          float32 [hops, 53]: expression (sd) and jaw (rad) of the open head
    motion_weight   float32 [hops] 0..1: how far the motion is to be believed; 0 where it is unknown
    phones          uint8 [hops]: index into PHONES, UNKNOWN_PHONE
    speech, laughter 0..1; valence, arousal -1..1: float32 [hops]
    """

    info: ClipInfo
    audio: Floats
    motion: Floats = field(default_factory=_unknown)
    motion_weight: Floats = field(default_factory=_unknown)
    phones: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    speech: Floats = field(default_factory=_unknown)
    laughter: Floats = field(default_factory=_unknown)
    valence: Floats = field(default_factory=_unknown)
    arousal: Floats = field(default_factory=_unknown)

    @property
    def hops(self) -> int:
        return len(self.audio) // HOP_SAMPLES


def hop_times_s(hops: int) -> NDArray[np.float64]:
    """The instants [hops] that the rows of a clip describe, in seconds from the start of its sound."""
    return (np.arange(hops, dtype=np.float64) + 1.0) * HOP_S


def whole_hops(audio: NDArray[Any]) -> Floats:
    """`audio` as float32, padded with silence to whole hops."""
    return np.pad(np.asarray(audio, np.float32), (0, -len(audio) % HOP_SAMPLES))


def phone_rows(phones: list[Phone], hops: int) -> NDArray[np.uint8]:
    """The phone at each row's instant; UNKNOWN_PHONE where none is."""
    rows = np.full(hops, UNKNOWN_PHONE, np.uint8)
    times_s = hop_times_s(hops)
    for phone in phones:
        begin, end = np.searchsorted(times_s, [phone.start_s, phone.end_s])
        rows[begin:end] = INDEX_OF_PHONE[phone.symbol]
    return rows


class ClipWriter:
    """Appends clips to a store, as a context manager. Clips whose names are already there are skipped."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        index = folder / "index.jsonl"
        lines = [json.loads(line) for line in index.read_text().splitlines()] if index.exists() else []
        self.names = {line["name"] for line in lines}
        self._hops = max((line["first_hop"] + line["hops"] for line in lines), default=0)
        self._row_bytes = {"audio.i16": 2 * HOP_SAMPLES, "motion.f16": 2 * MOTION_SIZE}
        self._row_bytes |= {"labels.f16": 2 * len(LABELS), "phones.u8": 1}
        self._files = {}
        for name, size in self._row_bytes.items():
            (folder / name).touch()
            file = (folder / name).open("r+b")
            file.truncate(self._hops * size)  # what a crash left behind
            file.seek(0, 2)
            self._files[name] = file
        self._index = index.open("a")

    def add(self, clip: Clip) -> None:
        """Append one clip. ValueError when its arrays do not fit its sound."""
        hops = clip.hops
        if hops == 0 or len(clip.audio) != hops * HOP_SAMPLES:
            raise ValueError(f"{clip.info.name} has {len(clip.audio)} samples; pad it to whole hops of {HOP_SAMPLES}")
        if clip.info.name in self.names:
            return
        motion, weight = _rows(clip, "motion", hops, MOTION_SIZE), _rows(clip, "motion_weight", hops)
        has_motion: NDArray[np.bool_] = np.all(np.isfinite(motion), axis=1)
        weight = np.where(has_motion, np.where(np.isfinite(weight), weight, 1.0), 0.0)
        labels = np.stack([*(_rows(clip, name, hops) for name in LABELS[:-1]), weight], axis=1)
        phones = clip.phones if len(clip.phones) else np.full(hops, UNKNOWN_PHONE, np.uint8)
        if len(phones) != hops:
            raise ValueError(f"{clip.info.name} has {len(phones)} rows of phones; its sound has {hops} hops")
        arrays = {
            "audio.i16": np.clip(np.round(clip.audio * 32767.0), -32768, 32767).astype("<i2"),
            "motion.f16": np.where(has_motion[:, None], motion, 0.0).astype("<f2"),
            "labels.f16": labels.astype("<f2"),
            "phones.u8": phones.astype(np.uint8),
        }
        for name, array in arrays.items():
            self._files[name].write(array.tobytes())
            self._files[name].flush()
        self._index.write(json.dumps({**asdict(clip.info), "first_hop": self._hops, "hops": hops}) + "\n")
        self._index.flush()
        self._hops += hops
        self.names.add(clip.info.name)

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in [*self._files.values(), self._index]:
            file.close()


def _rows(clip: Clip, name: str, hops: int, width: int | None = None) -> Floats:
    values = np.asarray(getattr(clip, name), np.float32)
    shape = (hops,) if width is None else (hops, width)
    if values.size == 0:
        return np.full(shape, np.nan, np.float32)
    if values.shape != shape:
        raise ValueError(f"{clip.info.name}: {name} is {values.shape}; its sound asks for {shape}")
    return values


class ClipStore:
    """Reads a store; arrays are memory maps, so a store may be larger than memory."""

    def __init__(self, folder: Path) -> None:
        lines = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
        if not lines:
            raise ValueError(f"the store {folder} has no clips; build it first")
        self.first_hop = np.array([line.pop("first_hop") for line in lines])
        self.hops = np.array([line.pop("hops") for line in lines])
        self.infos = [ClipInfo(**line) for line in lines]
        total = int(self.first_hop[-1] + self.hops[-1])
        self.audio = np.memmap(folder / "audio.i16", "<i2", "r", shape=(total, HOP_SAMPLES))
        self.motion = np.memmap(folder / "motion.f16", "<f2", "r", shape=(total, MOTION_SIZE))
        self.labels = np.memmap(folder / "labels.f16", "<f2", "r", shape=(total, len(LABELS)))
        self.phones = np.memmap(folder / "phones.u8", np.uint8, "r", shape=(total,))

    def __len__(self) -> int:
        return len(self.infos)

    def __iter__(self) -> Iterator[Clip]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> Clip:
        return clip_of(self.infos[number], self.stored(number))

    def stored(self, number: int) -> dict[str, NDArray[Any]]:
        """A clip's rows as they lie in the files, by name: audio, motion, labels, phones."""
        where = slice(int(self.first_hop[number]), int(self.first_hop[number] + self.hops[number]))
        return {name: getattr(self, name)[where] for name in STORED}

    def at_hand(self) -> range:
        """The clips that may be read in any order: all of them."""
        return range(len(self))

    def some_motion(self, rows: int) -> NDArray[np.float64]:
        """[N, 53]: the believed ones of that many rows, at random, always the same."""
        chosen = np.random.default_rng(0).integers(0, len(self.motion), rows)
        is_known = self.labels[chosen, 4] > 0.5
        return self.motion[np.sort(chosen[is_known])].astype(np.float64)


def clip_of(info: ClipInfo, stored: Mapping[str, NDArray[Any]]) -> Clip:
    """The clip of rows as a store holds them."""
    labels = np.asarray(stored["labels"], np.float32)
    return Clip(
        info=info,
        audio=np.asarray(stored["audio"], np.float32).reshape(-1) / 32767.0,
        motion=np.asarray(stored["motion"], np.float32),
        motion_weight=labels[:, 4],
        phones=np.asarray(stored["phones"]),
        speech=labels[:, 0],
        laughter=labels[:, 1],
        valence=labels[:, 2],
        arousal=labels[:, 3],
    )
