"""Pieces of real clips of which it is known what a filter of the curation should make of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import msgpack
import numpy as np
from numpy.typing import NDArray

from training.curation.faces import look
from training.curation.item import Item
from training.curation.media import Picture, pictures, sound
from training.curation.probe import probe
from training.curation.settings import CurationSettings
from training.curation.sound import hear
from training.curation.steady import facing_deg
from training.data.clips import HOP_S, HOP_SAMPLES, Clip, ClipStore, Floats
from training.evaluate.talking_faces import Recording, recordings
from training.render.light import load_environments

SHORTEST_S = 2.0
# Recorded with one microphone and one camera, in sync; everything else is from the web.
CORPORA = ("grid_s1", "rizkiarm+LipNet")
_PICTURE = (256, 192)
_LAUGH_PAUSE_HOPS = 10


@dataclass(frozen=True, eq=False)
class Seen:
    """A clip with all that is heard and seen in it. `item` has no points where no face is seen in any picture."""

    name: str
    person: str
    is_corpus: bool
    item: Item


def videos(data: Path, corpus_clips: int) -> list[Recording]:
    """The clips of DATA/MANIFEST.tsv by name, of each corpus' speakers at most `corpus_clips`, evenly chosen; those of
    the corpora come last."""
    found = sorted(recordings(data), key=lambda one: (is_corpus(one), one.name))
    chosen = [one for one in found if not is_corpus(one)]
    for person in sorted({one.person for one in found if is_corpus(one)}):
        clips = [one for one in found if is_corpus(one) and one.person == person]
        chosen += clips[:: -(-len(clips) // corpus_clips)]
    return chosen


def is_corpus(recording: Recording) -> bool:
    """Whether it was recorded in sync."""
    return recording.name.startswith(CORPORA)


def seen_clip(recording: Recording, cache: Path, settings: CurationSettings) -> Seen | None:
    """The clip, heard and seen once and then read from `cache`; None for one without sound, or too short."""
    whole = Item.of_file(recording.path)
    path = cache / f"{whole.content}.msgpack"
    if not path.is_file():
        (opened,) = probe(whole, replace(settings, clip_s=SHORTEST_S))
        if not opened.is_rejected:
            audio = sound(recording.path, opened.begin_s, opened.end_s)
            opened = look(opened.with_arrays({"audio": audio, **hear(audio, settings)}), settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgpack.packb(opened.to_record()) or b"")
    item = Item.from_record(msgpack.unpackb(path.read_bytes()))
    return None if item.is_rejected else Seen(recording.name, recording.person, is_corpus(recording), item)


def seen_clips(found: list[Recording], cache: Path, settings: CurationSettings) -> list[Seen]:
    """All of them that have sound and are long enough."""
    return [clip for one in found if (clip := seen_clip(one, cache, settings)) is not None]


# Cuts


def small_pictures(path: Path, seconds: float) -> list[Picture]:
    """The beginning of a clip in pictures of one size, whatever its own."""
    shown = (image for _, image in pictures(path, 0.0, seconds, max(_PICTURE)))
    return [np.asarray(cv2.resize(image, _PICTURE, interpolation=cv2.INTER_AREA), np.uint8) for image in shown]


def joined(first: list[Picture], second: list[Picture], rate_hz: float) -> Iterator[tuple[float, Picture]]:
    """Both, one after the other, with times."""
    return ((number / rate_hz, image) for number, image in enumerate([*first, *second]))


# Faces


def side_by_side(first: Picture, second: Picture, height_px: int = 360) -> Picture:
    """Two pictures in one."""
    fitted = [
        cv2.resize(one, (round(one.shape[1] * height_px / one.shape[0]), height_px), interpolation=cv2.INTER_AREA)
        for one in (first, second)
    ]
    return np.ascontiguousarray(np.hstack(fitted), np.uint8)


def empty_rooms(data: Path, count: int) -> Iterator[list[Picture]]:
    """Views of real places without people, panned over: ten pictures each, from the environment maps of DATA."""
    maps = load_environments(data)
    rng = np.random.default_rng(2)
    for number in range(count if maps else 0):
        radiance = maps[number % len(maps)]
        exposed = radiance / np.percentile(radiance, 90.0)
        levels = (255.0 * np.clip(exposed, 0.0, 1.0) ** (1.0 / 2.2)).astype(np.uint8)
        height = levels.shape[0] // 2
        width = height * 4 // 3
        top, left = levels.shape[0] // 4, int(rng.integers(0, levels.shape[1]))
        yield [
            np.asarray(
                cv2.resize(np.roll(levels, -(left + 3 * step), axis=1)[top : top + height, :width], (640, 480)),
                np.uint8,
            )
            for step in range(10)
        ]


# Heads


def rolled(shown: list[Picture], rate_hz: float, peak_deg_s: float) -> list[Picture]:
    """Pictures turned in their plane as a head would shake that reaches `peak_deg_s`, once a second."""
    turned = list[Picture]()
    for number, image in enumerate(shown):
        height, width = image.shape[:2]
        angle_deg = peak_deg_s / (2.0 * np.pi) * np.sin(2.0 * np.pi * number / rate_hz)
        matrix = cv2.getRotationMatrix2D((width / 2.0, height / 2.0), float(angle_deg), 1.0)
        turned.append(np.asarray(cv2.warpAffine(image, matrix, (width, height)), np.uint8))
    return turned


# Laughter


@dataclass(frozen=True, eq=False)
class Heard:
    """A sound and which of its hops laugh: 1, 0, NaN where nobody knows."""

    kind: str
    audio: Floats
    laughter: Floats


def sounds(stores: Path, seconds: float) -> Iterator[Heard]:
    """What is held out of the stores `laughter` and `negatives`: all recorded laughs, and at most `seconds` of each
    kind of the others."""
    spent = dict[str, float]()
    for name in ("laughter", "negatives"):
        for clip in _held_out(ClipStore(stores / name)):
            is_made = clip.info.name.startswith("made-")
            kind = f"{'made' if is_made else 'recorded'} {clip.info.kind}"
            spent[kind] = spent.get(kind, 0.0) + clip.hops * HOP_S
            if kind == "recorded laughter" or spent[kind] <= seconds:
                yield Heard(kind, clip.audio, clip.laughter)


def long_laughs(stores: Path, seconds: float) -> Iterator[Heard]:
    """Laughs of exactly `seconds`, of the held-out recorded ones: their bouts one after the other, with a breath of
    0.2 s between them, each sound used once."""
    sound_parts, rows, hops = list[Floats](), list[Floats](), 0
    for clip in _held_out(ClipStore(stores / "laughter")):
        if clip.info.kind != "laughter" or clip.info.name.startswith("made-"):
            continue
        laughs = np.nan_to_num(clip.laughter) > 0.5
        bout = clip.audio.reshape(-1, HOP_SAMPLES)[laughs]
        breath = np.zeros((_LAUGH_PAUSE_HOPS, HOP_SAMPLES), np.float32)
        sound_parts += [bout, breath]
        rows += [np.ones(len(bout), np.float32), np.zeros(_LAUGH_PAUSE_HOPS, np.float32)]
        hops += len(bout) + _LAUGH_PAUSE_HOPS
    if not hops:
        return
    audio, laughter = np.concatenate(sound_parts), np.concatenate(rows)
    length = round(seconds / HOP_S)
    silence = np.zeros((50, HOP_SAMPLES), np.float32)
    for begin in range(0, hops - length + 1, length):
        part, known = audio[begin : begin + length], laughter[begin : begin + length]
        yield Heard(
            "long laugh",
            np.concatenate([silence, part, silence]).reshape(-1),
            np.concatenate([np.zeros(50, np.float32), known, np.zeros(50, np.float32)]),
        )


def _held_out(store: ClipStore) -> Iterator[Clip]:
    return (store[number] for number, info in enumerate(store.infos) if info.split == "test")


def frontal_truth_deg(rotations: NDArray[np.floating]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Absolute yaw and pitch [n] of heads whose crop's camera looks at them."""
    ahead = np.tile(np.array([0.0, 0.0, -1.0]), (len(rotations), 1))
    yaw_deg, pitch_deg = facing_deg(rotations, ahead)
    return np.abs(yaw_deg), np.abs(pitch_deg)
