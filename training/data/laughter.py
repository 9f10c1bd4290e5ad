"""The corpus of recorded laughs: which files there are, who laughs in them, and where, by hops.

What a file is, its folder and name say (`kind`). Where in it the laughter is, its loudness says (bouts of bursts), and
in files that hold both speech and laughter, YAMNet. What neither knows is NaN: unknown, not guessed.

Persons decide about the split: everything that may be one person, and every copy of a recording (found by correlating
all with all), is one group, and a group is wholly train or wholly test.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.signal import resample_poly

from training.data.bursts import bouts, loudness_db, rows_of_bouts, sounding
from training.data.clips import HOP_SAMPLES, SAMPLE_RATE_HZ, Floats, whole_hops
from training.data.yamnet import LAUGHTER, SPEECH, laughter_evidence

TEST_SHARE = 0.2

# One performer's many takes would dominate a test; they train.
_ALWAYS_TRAIN = ("student", "speech_laughs")
_COPY_CORRELATION = 0.6
_COPY_RATE_HZ = 4000

# Evidence (log odds) at which laughter and speech are equally likely, and how sharply one becomes the other.
_EVEN_ODDS, _SHARPNESS = -1.6, 2.5
_UNSURE = (0.3, 0.7)
# A recording called a laugh in which the teacher hears nothing but speech is read aloud, or not a laugh.
_SPOKEN, _SPOKEN_FILE, _NO_LAUGH, _SURE = 0.9, 0.8, 0.03, 0.3


@dataclass(frozen=True)
class Recording:
    """One file. kind: laugh, conversation (speech and laughs), cough, speech, noise; group: who it may be."""

    path: Path
    kind: str
    group: str
    source: str
    use: str
    split: str = "train"

    @property
    def name(self) -> str:
        return f"{self.source.split(':')[-1].split('/')[-1]}-{self.path.parent.name}-{self.path.stem}"


@dataclass(frozen=True, eq=False)
class Labels:
    """Rows [hops], 0..1, NaN where unknown."""

    laughter: Floats
    speech: Floats


def hear(path: Path) -> Floats:
    """The sound of `path` as mono float32 in whole hops. ValueError when it is not 16 kHz."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    if rate_hz != SAMPLE_RATE_HZ:
        raise ValueError(f"{path} has {rate_hz} Hz; the corpora here are {SAMPLE_RATE_HZ} Hz: resample it first")
    return whole_hops(np.mean(samples, axis=1))


def manifest(data: Path) -> list[dict[str, str]]:
    """The rows of MANIFEST.tsv."""
    table = data / "MANIFEST.tsv"
    if not table.is_file():
        raise FileNotFoundError(f"there is no {table}; give the folder of the shared data, or AVATAR_DRIVER_DATA")
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def recordings(data: Path, seed: int = 0) -> list[Recording]:
    """All recordings of kind laughter without copies, split by group."""
    found = [
        Recording(data / row["path"], *kind_and_group(row["path"]), row["source"], row["use"])
        for row in manifest(data)
        if row["kind"] == "laughter"
    ]
    found.sort(key=lambda recording: str(recording.path))
    found = without_copies(found, [hear(recording.path) for recording in found])
    return split(found, seed)


def kind_and_group(path: str) -> tuple[str, str]:
    """What the file at `path` (as in the manifest) is and who it may be, by its folder and name."""
    stem = Path(path).stem
    if "Sharwin24" in path:
        kind = "cough" if "cough" in path else "laugh"
        return kind, f"{kind}_{stem}" if stem.startswith("file") else "student"
    if "WesDeng" in path:
        kind = "conversation" if stem.isdecimal() else "noise"
        return kind, f"conversation_{stem}"
    if "Sri-Harsha" in path:
        return ("conversation" if stem.startswith("laugh") else "speech"), "speech_laughs"
    if "hedgewars" in path:
        return "laugh", stem.removesuffix("_Laugh").lower()
    author = re.match(r"\d+__([^_]+(?:-[^_]+)*)__", stem) or re.search(r"-([^-]+(?:_[^-]+)*)-\d+$", stem)
    return "laugh", author.group(1).lower() if author else stem.lower()


def without_copies(found: Sequence[Recording], sounds: Sequence[Floats]) -> list[Recording]:
    """`found` less the recordings that are contained in another one; what shares sound shares its group."""
    low = [_whitened(sound) for sound in sounds]
    groups = [recording.group for recording in found]
    is_copy = [False] * len(found)
    for first in range(len(found)):
        for second in range(first + 1, len(found)):
            if groups[first] == groups[second] == "student":
                continue  # takes of one performer, one after the other: in one group already
            if correlation(low[first], low[second]) > _COPY_CORRELATION:
                shorter = first if len(low[first]) < len(low[second]) else second
                is_copy[shorter] = True
                old, new = groups[second], groups[first]
                groups = [new if group == old else group for group in groups]
    return [
        replace(recording, group=group)
        for recording, group, copy in zip(found, groups, is_copy, strict=True)
        if not copy
    ]


def correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """The largest normalised correlation 0..1 of the shorter sound with any part of the longer one."""
    short, long = sorted((first, second), key=len)
    size = next_fast_len(len(short) + len(long))
    products = np.abs(np.fft.irfft(np.fft.rfft(long, size) * np.conj(np.fft.rfft(short, size)), size))[: len(long)]
    energy = np.cumsum(np.concatenate([[0.0], np.square(long), np.zeros(len(short))]))
    local = energy[len(short) :][: len(long)] - energy[: len(long)]
    norm = np.sqrt(np.sum(np.square(short)) * np.maximum(local, 1e-3 * energy[-1])) + 1e-12
    return float(np.max(products / norm))


def split(found: Sequence[Recording], seed: int = 0) -> list[Recording]:
    """Groups drawn for the test until it has a fifth of each source's seconds."""
    rng = np.random.default_rng(seed)
    test: set[str] = set()
    for kind in ("laugh", "conversation", "cough", "noise"):
        sources: dict[str, dict[str, float]] = {}
        for recording in found:
            if recording.kind == kind and recording.group not in _ALWAYS_TRAIN:
                seconds = soundfile.info(recording.path).duration
                of_source = sources.setdefault(recording.source.split(":")[1], {})
                of_source[recording.group] = of_source.get(recording.group, 0.0) + seconds
        for of_source in sources.values():
            names = sorted(of_source)
            wanted, taken = TEST_SHARE * sum(of_source.values()), 0.0
            for name in (names[number] for number in rng.permutation(len(names))):
                if taken < wanted and (len(names) == 1 or of_source[name] < 2.0 * wanted):
                    test.add(name)
                    taken += of_source[name]
    return [replace(one, split="test" if one.group in test else "train") for one in found]


def labels(audio: Floats, kind: str, scores: Floats) -> Labels | None:
    """Where `audio`, a recording of `kind`, laughs by YAMNet's `scores` [hops, 521]; None if it contradicts that."""
    level_db = loudness_db(audio)
    hops = len(level_db)
    heard = rows_of_bouts(bouts(sounding(level_db)), hops)
    laughs, speech = np.max(scores[:, LAUGHTER], axis=1), scores[:, SPEECH]
    unknown = np.full(hops, np.nan, np.float32)
    if kind == "laugh":
        inside = heard > 0.0
        if np.max(laughs) < _NO_LAUGH and np.percentile(speech[inside], 90.0) > _SPOKEN_FILE:
            return None
        # A take in which the teacher hears laughter somewhere is all laughter, also where it hears "ha".
        is_spoken = (speech > _SPOKEN) & (laughs < 0.5 * _NO_LAUGH) & (np.max(laughs) < _SURE)
        return Labels(
            np.where(inside & is_spoken, unknown, heard), np.where(is_spoken, unknown, 0.0).astype(np.float32)
        )
    if kind == "conversation":
        likely = likely_laughter(scores)
        likely = np.where((likely > _UNSURE[0]) & (likely < _UNSURE[1]), np.nan, likely)
        if not np.any(heard * np.nan_to_num(likely) > _UNSURE[1]):
            return None  # no laugh that the teacher is sure of
        laughter = np.where(heard > 0.0, likely, 0.0).astype(np.float32)
        spoken = np.where(likely > 0.5, np.where(speech > 0.6, np.nan, 0.0), np.where(speech > 0.6, 1.0, np.nan))
        return Labels(laughter, np.where(heard > 0.0, spoken, 0.0).astype(np.float32))
    return Labels(np.zeros(hops, np.float32), heard if kind == "speech" else np.zeros(hops, np.float32))


def likely_laughter(scores: Floats) -> Floats:
    """How likely YAMNet's `scores` [hops, 521] make laughter, [hops] 0..1."""
    return np.asarray(1.0 / (1.0 + np.exp(-_SHARPNESS * (laughter_evidence(scores) - _EVEN_ODDS))), np.float32)


def effort(audio: Floats) -> float:
    """0..1 vocal effort, whatever the gain: sound above 1 kHz against sound below it; loud voices have more."""
    is_heard = sounding(loudness_db(audio))
    frames = audio.reshape(-1, HOP_SAMPLES)[is_heard]
    if len(frames) == 0:
        return 0.0
    power = np.sum(np.abs(np.fft.rfft(frames * np.hanning(HOP_SAMPLES), axis=1)) ** 2, axis=0)
    hz = np.fft.rfftfreq(HOP_SAMPLES, 1.0 / SAMPLE_RATE_HZ)
    bright, dull = np.sum(power[(hz >= 1000) & (hz < 4000)]), np.sum(power[(hz >= 100) & (hz < 1000)])
    return float(np.clip((10.0 * np.log10((bright + 1e-12) / (dull + 1e-12)) + 16.0) / 24.0, 0.0, 1.0))


def _whitened(sound: Floats) -> NDArray[np.float64]:
    """`sound` at 4 kHz, its slope taken out: what low hum has in common is no copy."""
    low = resample_poly(sound.astype(np.float64), 1, SAMPLE_RATE_HZ // _COPY_RATE_HZ)
    return np.append(low[0], low[1:] - 0.95 * low[:-1])
