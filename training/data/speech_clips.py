"""Speech as clips: rows of phones, of speech or not, and the face that the phones ask for.

Beside a store lies `phones.jsonl`: each clip's phones with their exact times and the seed of its style, so that the
motion can be made again, in place, after a correction of the articulatory table: `rewrite_motion`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.data.bursts import loudness_db
from training.data.clips import (
    HOP_S,
    MOTION_SIZE,
    Clip,
    ClipInfo,
    ClipStore,
    ClipWriter,
    Floats,
    phone_rows,
    whole_hops,
)
from training.data.coarticulation import STYLES, Style, draw_style, face_of_phones, motion_of_faces
from training.data.phones import INDEX_OF_PHONE, SILENCE, Phone
from training.data.utterance import Utterance, with_silences

SIDECAR = "phones.jsonl"
_BRIDGED_S = 0.1  # a rest within speech this short is speech
_SHARE_OF_NAMED_STYLES = 0.55
_WEIGHT_OF_NEUTRAL = 3


def draw_style_name(rng: np.random.Generator) -> str:
    """One of STYLES, or "" for a style of its own."""
    if rng.random() >= _SHARE_OF_NAMED_STYLES:
        return ""
    names = [*STYLES, *["neutral"] * (_WEIGHT_OF_NEUTRAL - 1)]
    return names[int(rng.integers(len(names)))]


def style_of(name: str, seed: int) -> Style:
    """The style of a clip: the named one, or the one that its seed draws."""
    return STYLES[name] if name else draw_style(np.random.default_rng([seed, 7]))


def speech_clip(info: ClipInfo, said: Utterance, seed: int) -> Clip:
    """The clip of an utterance. Its motion has weight 1 everywhere: in silences the face rests."""
    audio = whole_hops(said.audio)
    clip = Clip(info, audio)
    phones = with_silences(said.phones, clip.hops * HOP_S)
    return replace(
        clip,
        motion=motion_of_speech(said.phones, audio, info.style, seed),
        phones=phone_rows(phones, clip.hops),
        speech=speech_rows(said.phones, clip.hops),
        laughter=np.zeros(clip.hops, np.float32),
    )


def speech_rows(phones: list[Phone], hops: int) -> Floats:
    """1 within phones and short rests between them, else 0: float32 [hops]."""
    rows = np.zeros(hops, np.float32)
    times_s = (np.arange(hops) + 1.0) * HOP_S
    ended_s = -np.inf
    for phone in phones:
        start_s = ended_s if phone.start_s - ended_s < _BRIDGED_S else phone.start_s
        begin, end = np.searchsorted(times_s, [start_s, phone.end_s])
        rows[begin:end] = 1.0
        ended_s = max(ended_s, phone.end_s)
    return rows


def motion_of_speech(phones: list[Phone], audio: Floats, style: str, seed: int) -> Floats:
    """Motion [hops, 53] of whole hops of sound."""
    level_db = loudness_db(audio)
    return motion_of_faces(face_of_phones(phones, len(level_db), level_db, style_of(style, seed), seed))


class SpeechWriter:
    """A store with its sidecar, as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._writer = ClipWriter(folder)
        self._sidecar = (folder / SIDECAR).open("a", encoding="utf-8")

    @property
    def names(self) -> set[str]:
        return self._writer.names

    def add(self, info: ClipInfo, said: Utterance, seed: int) -> Clip | None:
        """Append what was said; None when the name is there already."""
        if info.name in self._writer.names:
            return None
        clip = speech_clip(info, said, seed)
        rows = [[p.symbol, round(p.start_s, 4), round(p.end_s, 4), p.stress] for p in said.phones]
        # First, so that no clip of the store is without its phones.
        line = {"name": info.name, "seed": seed, "phones": rows}
        self._sidecar.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._sidecar.flush()
        self._writer.add(clip)
        return clip

    def __enter__(self) -> SpeechWriter:
        self._writer.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self._sidecar.close()
        self._writer.__exit__(None, None, None)


def phones_of_store(folder: Path) -> dict[str, tuple[int, list[Phone]]]:
    """Name of a clip -> the seed of its style, its phones."""
    return {name: (seed, phones) for name, seed, phones in _lines(folder)}


def rewrite_motion(folder: Path) -> int:
    """Make the motion of every clip of the store again, in place; how many hops were written."""
    store, known = ClipStore(folder), phones_of_store(folder)
    motion = np.memmap(folder / "motion.f16", "<f2", "r+", shape=(len(store.motion), MOTION_SIZE))
    for number, info in enumerate(store.infos):
        seed, phones = known[info.name]
        begin, hops = int(store.first_hop[number]), int(store.hops[number])
        motion[begin : begin + hops] = motion_of_speech(phones, store[number].audio, info.style, seed).astype("<f2")
    motion.flush()
    return len(motion)


def silence_share(clip: Clip) -> float:
    """Share of the clip's rows that are silence."""
    return float(np.mean(clip.phones == INDEX_OF_PHONE[SILENCE]))


def _lines(folder: Path) -> Iterator[tuple[str, int, list[Phone]]]:
    with (folder / SIDECAR).open(encoding="utf-8") as file:
        for text in file:
            line = json.loads(text)
            yield line["name"], line["seed"], [Phone(*row) for row in line["phones"]]
