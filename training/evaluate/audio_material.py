"""What subjects are judged on: held-out clips of every store, made-up silences, and what each subject made of them.

DATA is the folder of the stores: synthetic, recordings, laughter, negatives, faces and talkers (faces_lips and
talkers_lips beside them; see `training.evaluate.talking_faces`). A store that is not there leaves its measures out,
with the reason. What a subject made of a part is kept in DATA/evaluated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.clips import HOP_SAMPLES, SAMPLE_RATE_HZ, Clip, ClipInfo, ClipStore
from training.evaluate.audio_subjects import Heard, Subject

Floats = NDArray[np.float32]

SYNTHETIC, RECORDINGS, LAUGHTER = "synthetic voices", "recordings", "laughter"
FACES, TALKERS, TUNING_FACES, SILENCE = "real faces", "talkers as they come", "tuning faces", "silence"

# Each part's stores and splits. Whoever has clips in train is left out, but for the tuning faces: they are of the one
# filmed speaker who is learnt from, and only choose each subject's lag.
_PARTS = {
    SYNTHETIC: (("synthetic",), ("val", "test")),
    RECORDINGS: (("recordings",), ("val", "test")),
    LAUGHTER: (("laughter", "negatives"), ("val", "test")),
    FACES: (("faces",), ("test",)),
    TALKERS: (("talkers",), ("test",)),
    TUNING_FACES: (("faces",), ("val",)),
}
# Enough for two digits, and the whole table takes minutes.
_MOST_HOPS = {SYNTHETIC: 15_000, RECORDINGS: 15_000, LAUGHTER: 15_000}  # of each store
_SILENCE_S = 5.0
_ROOM_RMS = 10.0 ** (-60.0 / 20.0)
_KEY_PEAK = 10.0 ** (-26.0 / 20.0)


@dataclass(frozen=True, eq=False)
class Lips:
    """What the video's own lips do: opening and weight [hops] (see `real_faces.FaceRows`)."""

    gap: Floats
    weight: Floats


@dataclass(frozen=True, eq=False)
class Material:
    """`clips` of each part; `lips` by clip name; `missing`: why a part has no clips."""

    clips: dict[str, list[Clip]]
    lips: dict[str, Lips]
    missing: dict[str, str]


def load(data: Path) -> Material:
    """The held-out clips in DATA; long stores are thinned evenly."""
    clips: dict[str, list[Clip]] = {SILENCE: silences()}
    missing: dict[str, str] = {}
    for part, (folders, splits) in _PARTS.items():
        for folder in folders:
            found = _held_out(data / folder, splits, _MOST_HOPS.get(part), by_person=part != TUNING_FACES)
            if found:
                clips.setdefault(part, []).extend(found)
            else:
                missing[part] = f"there is no store {folder} with clips of split {' or '.join(splits)}"
    lips = {
        clip.info.name: _lips(data / f"{folder}_lips", clip.info.name)
        for part, folder in ((FACES, "faces"), (TUNING_FACES, "faces"), (TALKERS, "talkers"))
        for clip in clips.get(part, [])
    }
    return Material(clips, lips, missing)


def _held_out(folder: Path, splits: tuple[str, ...], most_hops: int | None, by_person: bool) -> list[Clip]:
    """The store's clips of these splits, evenly thinned to about `most_hops`; none where there is no store.

    by_person   only of voices that have no clip in train
    """
    if not (folder / "index.jsonl").exists():
        return []
    store = ClipStore(folder)
    known = {info.voice for info in store.infos if info.split == "train"} if by_person else set[str]()
    chosen = [n for n, info in enumerate(store.infos) if info.split in splits and info.voice not in known]
    total = int(store.hops[chosen].sum())
    if most_hops is not None and total > most_hops:
        places = np.linspace(0, len(chosen) - 1, max(1, len(chosen) * most_hops // total))
        chosen = [chosen[int(place)] for place in places]
    return [store[number] for number in chosen]


def _lips(folder: Path, name: str) -> Lips:
    with np.load(folder / f"{name}.npz") as archive:
        return Lips(archive["gap"], archive["weight"])


def silences() -> list[Clip]:
    """Five seconds each of digital zero, a room (soft noise and hum), and somebody typing in it."""
    count = int(_SILENCE_S * SAMPLE_RATE_HZ) // HOP_SAMPLES * HOP_SAMPLES
    rng = np.random.default_rng(0)
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    spectrum = np.fft.rfft(rng.normal(size=count)) / np.sqrt(np.maximum(np.arange(count // 2 + 1), 20.0))
    room = np.fft.irfft(spectrum, count)
    room = _ROOM_RMS * (room / np.std(room) + 0.3 * np.sin(2 * np.pi * 50.0 * time_s))
    typing = room.copy()
    for press_s in np.cumsum(rng.uniform(0.09, 0.3, 40)):
        for at_s, strength in ((press_s, 1.0), (press_s + 0.07, 0.4)):  # down and up
            since = time_s - at_s
            click = np.where(since >= 0.0, np.exp(-np.maximum(since, 0.0) / 0.006), 0.0)
            typing += strength * rng.uniform(0.3, 1.0) * _KEY_PEAK * click * rng.uniform(-1.0, 1.0, count)
    sounds = {"zeros": np.zeros(count), "room": room, "typing": typing}
    return [
        Clip(ClipInfo(name, "nobody", "made up", "silence", "free", "test"), sound.astype(np.float32))
        for name, sound in sounds.items()
    ]


def listened(subject: Subject, part: str, clips: Sequence[Clip], data: Path) -> list[Heard]:
    """What the subject makes of the clips, from DATA/evaluated when it was asked before."""
    what = hashlib.sha256()
    for clip in clips:
        what.update(clip.info.name.encode() + clip.audio.tobytes())
    kept = data / "evaluated" / f"{subject.fingerprint}.{part.replace(' ', '_')}.{what.hexdigest()[:16]}.npz"
    ends = np.cumsum([clip.hops for clip in clips])[:-1]
    if not kept.exists():
        heard = subject.hear([clip.audio for clip in clips])
        kept.parent.mkdir(parents=True, exist_ok=True)
        arrays = {name: np.concatenate([getattr(one, name) for one in heard]) for name in Heard.__dataclass_fields__}
        with kept.with_suffix(".part").open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        kept.with_suffix(".part").rename(kept)
    with np.load(kept) as archive:
        pieces = [np.split(archive[name], ends) for name in ("motion", "laughter", "speech")]
    return [Heard(*values) for values in zip(*pieces, strict=True)]
