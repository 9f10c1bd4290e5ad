"""Clips without laughter that a detector of laughter confuses with it: recorded ones and those that `decoys` makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.signal import lfilter, resample_poly

from training.data.bursts import bouts, loudness_db, rows_of_bouts, sounding
from training.data.clips import MOTION_SIZE, Clip, ClipInfo, Floats, whole_hops
from training.data.decoys import DECOYS
from training.data.laugh_clips import LONGEST_S, SHORTEST_S, pieces, sped
from training.data.laughter import Recording, effort, hear, manifest

LENGTH_S = (4.0, 10.0)
MADE_TEST_SHARE = 0.2
SHOUTS = 60
# Laughs are copied at other speeds: what is no laugh has to be, too, or the resampler's traces give them away.
COPY_SPEEDS = (0.86, 1.19)
SPED_SHARE = 0.4

# The face beside a sound: neutral where none of it is a voice; what a cough, a shout or a sob does to a face nobody
# says.
_MOTION_WEIGHT = {"cough": 0.3, "crying": 0.0, "shouting": 0.0, "speech": 0.0}
_MOOD = {"crying": (-0.7, 0.4), "shouting": (-0.3, 0.8)}  # valence, arousal
_VOICED = ("speech", "shouting")


def made(count: int, seed: int) -> Iterator[Clip]:
    """`count` synthesised clips of each kind, a fifth of them test."""
    for row, (kind, make) in enumerate(DECOYS.items()):
        for number in range(count):
            rng = np.random.default_rng([seed, 3, row, number])
            audio = make(rng, float(rng.uniform(*LENGTH_S)))
            split = "test" if number < MADE_TEST_SHARE * count else "train"
            yield _clip(
                audio, f"made-{kind}-{number}", f"made-{kind}-{number}", "training.data.decoys", kind, "free", split
            )


def recorded(found: list[Recording]) -> Iterator[Clip]:
    """Coughs, plain speech and noises of the laughter corpus; those that train at other speeds, too."""
    for recording in found:
        if recording.kind not in ("cough", "speech", "noise"):
            continue
        audio = hear(recording.path)
        for speed in (1.0, *COPY_SPEEDS) if recording.split == "train" else (1.0,):
            copy = "" if speed == 1.0 else f"@{round(100 * speed)}"
            clip = _clip(
                audio if speed == 1.0 else sped(audio, speed),
                recording.name + copy,
                recording.group + copy,
                recording.source,
                recording.kind,
                recording.use,
                recording.split,
            )
            yield from pieces(clip)


def voices(data: Path, seed: int) -> Iterator[Clip]:
    """Plain speech of many people, the same shouted; noises and angry speech that may only test."""
    rng = np.random.default_rng([seed, 4])
    rows = manifest(data)
    people = [row for row in rows if "librispeech" in row["path"]]
    for row in people:
        audio = _excerpt(hear(data / row["path"]), rng)
        split = "test" if row["split"] == "val" else "train"
        if split == "train" and rng.random() < SPED_SHARE:
            audio = sped(audio, float(rng.uniform(*COPY_SPEEDS)))[: int(LONGEST_S * 16_000)]
        yield _clip(audio, f"voice-{row['person']}", row["person"], row["source"], "speech", row["use"], split)
    for row in (people[number] for number in rng.permutation(len(people))[:SHOUTS]):
        audio = shouted(_excerpt(hear(data / row["path"]), rng), rng)
        split = "test" if row["split"] == "val" else "train"
        name = f"shout-{row['person']}"
        yield _clip(audio, name, row["person"], row["source"], "shouting", row["use"], split)
    for row in rows:
        stem = Path(row["path"]).stem
        if "ECS-50" in row["path"] and stem.split("-")[2] in "AC":
            yield from pieces(_of_row(data, row, "noise", "test"))
        elif "noise_Picovoice" in row["path"]:
            yield from pieces(_of_row(data, row, "noise", "train"))
        elif "voice-emotion" in row["path"] and stem[5] == "W":  # EmoDB's anger ("Wut")
            yield from pieces(_of_row(data, row, "shouting", "test"))


def shouted(audio: Floats, rng: np.random.Generator) -> Floats:
    """`audio` as if shouted: pitch and formants up, bright, driven into distortion."""
    high = resample_poly(audio.astype(np.float64), 100, int(rng.integers(112, 138)))
    bright = np.asarray(lfilter([1.0, -float(rng.uniform(0.6, 0.9))], [1.0], high))
    driven = np.tanh(float(rng.uniform(2.0, 6.0)) * bright / np.percentile(np.abs(bright), 99.0))
    return (float(rng.uniform(0.4, 0.95)) * driven).astype(np.float32)


def _of_row(data: Path, row: dict[str, str], kind: str, split: str) -> Clip:
    stem = Path(row["path"]).stem
    voice = row["person"] or stem
    return _clip(hear(data / row["path"]), f"{kind}-{stem}", voice, row["source"], kind, row["use"], split)


def _excerpt(audio: Floats, rng: np.random.Generator) -> Floats:
    size = int(LONGEST_S * 16_000) - 320
    begin = int(rng.integers(0, max(len(audio) - size, 1)))
    return audio[begin : begin + size]


def _clip(audio: Floats, name: str, voice: str, source: str, kind: str, use: str, split: str) -> Clip:
    audio = whole_hops(audio)
    if len(audio) < SHORTEST_S * 16_000:
        audio = np.pad(audio, (0, int(SHORTEST_S * 16_000) - len(audio)))
    level_db = loudness_db(audio)
    hops = len(level_db)
    is_voice = kind in _VOICED
    heard = rows_of_bouts(bouts(sounding(level_db)), hops)
    valence, arousal = _MOOD.get(kind, (0.0, 0.5 * (effort(audio) - 0.5) if is_voice else 0.0))
    return Clip(
        info=ClipInfo(name, voice, source, kind, use, split),
        audio=audio,
        motion=np.zeros((hops, MOTION_SIZE), np.float32),
        motion_weight=np.full(hops, _MOTION_WEIGHT.get(kind, 1.0), np.float32),
        speech=heard if is_voice else np.zeros(hops, np.float32),
        laughter=np.zeros(hops, np.float32),
        valence=valence * heard,
        arousal=arousal * heard,
    )
