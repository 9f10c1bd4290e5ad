"""How well each filter of the curation tells:  python -m training.evaluate curation --stores runs/data [--data DATA]

Prints a table of precision and recall on real clips of which it is known what should be kept: what a filter keeps that
is worth keeping, and how much of that it keeps. docs/curation.md says what each line was measured on. What is heard and
seen of a clip is kept in STORES/curation_seen, for these settings and networks, so that another call takes seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.head.rotation import matrix_from_axis_angle
from training.curation.cuts import cut_times_s
from training.curation.faces import Eye, face_network
from training.curation.item import Item
from training.curation.media import Picture, pictures
from training.curation.settings import CurationSettings
from training.curation.sound import laughter_in, longest_bout_s
from training.curation.speaker import agreement, least_r, opening_on_hops
from training.curation.steady import turning_deg_s
from training.curation.work import Job
from training.data.clips import HOP_S, HOP_SAMPLES
from training.data.face_store import COLUMNS_OF, MARGIN, PICTURE_PX, FaceStore
from training.evaluate import curation_material as material
from training.evaluate.curation_material import Heard, Seen
from training.evaluate.talking_faces import NOT_SPEECH, shared_data

_RATE_HZ = 25.0
_PICTURES = 10  # of a case of faces, a tenth of a second apart
_POSES = 400
_ROLLS_DEG_S = (40.0, 80.0, 160.0, 240.0)
# A cut is found if it is told within this many pictures.
_NEAR = 1
# How far away in time a voice is nobody's lips' any more.
_SHIFT_S = 1.3


@dataclass(frozen=True)
class Score:
    """Of `good` cases that are worth keeping and `bad` ones, how many were kept."""

    name: str
    good: int
    good_kept: int
    bad: int
    bad_kept: int

    @property
    def precision(self) -> float:
        kept = self.good_kept + self.bad_kept
        return self.good_kept / kept if kept else float("nan")

    @property
    def recall(self) -> float:
        return self.good_kept / self.good if self.good else float("nan")


def score(name: str, good: list[bool], bad: list[bool]) -> Score:
    """Of what was kept (True) of the good and of the bad."""
    return Score(name, len(good), sum(good), len(bad), sum(bad))


def cut_scores(clips: list[Path], settings: CurationSettings) -> Iterator[Score]:
    """Cuts between two clips, found or not, against cuts that are told where there are none."""
    shown = [material.small_pictures(clip, 1.6) for clip in clips]
    pairs = [(number, (number + 1 + number % 3) % len(clips)) for number in range(len(clips))]
    for detector in ("adaptive", "content"):
        asked = replace(settings, cut_detector=detector)
        found, wrong = list[bool](), 0
        for one, other in pairs:
            if one == other:
                continue
            told = cut_times_s(material.joined(shown[one], shown[other], _RATE_HZ), _RATE_HZ, asked)
            off = [abs(time_s * _RATE_HZ - len(shown[one])) <= _NEAR for time_s in told]
            found.append(any(off))
            wrong += len(off) - sum(off)
        for clip in clips:
            uncut = material.small_pictures(clip, 6.0)
            wrong += len(cut_times_s(material.joined(uncut, [], _RATE_HZ), _RATE_HZ, asked))
        yield Score(f"cuts, {detector}", len(found), sum(found), wrong, wrong)


def face_scores(clips: list[Path], data: Path, settings: CurationSettings) -> Iterator[Score]:
    """One face, against two side by side and against places without anybody."""
    shown = [_sparse(clip) for clip in clips]
    alone = [_shows_one(images, settings) for images in shown]
    pairs = [(one, shown[(number + 1) % len(shown)]) for number, one in enumerate(shown)]
    two = [
        _shows_one([material.side_by_side(*both) for both in zip(one, other, strict=False)], settings)
        for one, other in pairs
    ]
    nobody = [_shows_one(images, settings) for images in material.empty_rooms(data, len(shown))]
    yield score("faces: one, not two", alone, two)
    yield score("faces: one, not none", alone, nobody)


def pose_scores(stores: Path, settings: CurationSettings) -> Iterator[Score]:
    """Faces within the allowed angles against as many beyond, on pictures whose pose another tracker, or the drawing,
    knows."""
    network = face_network(settings)
    for name, what in (("real_faces", "photographs and clips"), ("synthetic_faces", "drawn people")):
        if not (stores / name / "index.jsonl").is_file():
            continue
        store = FaceStore(stores / name)
        rotations, presence = (store.truths[:, COLUMNS_OF[part]] for part in ("rotation", "presence"))
        known = np.flatnonzero(np.isfinite(rotations).all(axis=1) & (presence[:, 0] > 0.5))
        frontal = _is_frontal(np.asarray(rotations[known], np.float64).reshape(-1, 3, 3), settings)
        rng = np.random.default_rng(1)
        halves = [known[frontal], known[~frontal]]
        rows = np.concatenate([rng.choice(half, min(_POSES // 2, len(half)), replace=False) for half in halves])
        truth = np.isin(rows, halves[0])
        edge = round(PICTURE_PX * (1.0 - 1.0 / MARGIN) / 2.0)
        told = list[np.ndarray]()
        for row in rows:
            crop = np.ascontiguousarray(store.pictures[row][edge : PICTURE_PX - edge, edge : PICTURE_PX - edge])
            told.append(network.step(crop[None], network.initial_state())[0]["rotation"][0])
        kept = _is_frontal(np.stack(told).astype(np.float64), settings)
        yield score(f"frontal, {what}", kept[truth].tolist(), kept[~truth].tolist())


def turn_scores(clips: list[Path], settings: CurationSettings) -> Iterator[Score]:
    """Heads that shake slowly enough against faster ones: clips turned in their plane at known speeds."""
    kept: dict[float, list[bool]] = {speed: [] for speed in _ROLLS_DEG_S}
    for clip in clips:
        images = [image for _, image in pictures(clip, 0.0, 1.2)]
        rate_hz = len(images) / 1.2
        for speed, verdicts in kept.items():
            sights = list(Eye(settings).look_at(_timed(material.rolled(images, rate_hz, speed), rate_hz)))
            motions = [sight.motion for sight in sights if sight.motion is not None]
            if len(motions) < len(images):
                verdicts.append(False)
                continue
            rotations = np.stack([matrix_from_axis_angle(motion.head_rotation) for motion in motions])
            times_s = np.array([sight.time_s for sight in sights])
            fastest = turning_deg_s(rotations, times_s, settings.turn_window_s).max()
            verdicts.append(bool(fastest <= settings.turn_maximum_deg_s))
    slow = [verdict for speed in _ROLLS_DEG_S if speed <= settings.turn_maximum_deg_s for verdict in kept[speed]]
    fast = [verdict for speed in _ROLLS_DEG_S if speed > settings.turn_maximum_deg_s for verdict in kept[speed]]
    yield score("steady", slow, fast)


def speaker_scores(seen: list[Seen], settings: CurationSettings) -> Iterator[Score]:
    """Talkers as they are, against the same with another clip's sound, and with their own 1.3 s late."""
    talks = [one for one in seen if "points" in one.item.arrays and _talks(one.item, settings)]
    corpus = [one for one in talks if one.is_corpus]
    web = [one for one in talks if not one.is_corpus]
    longer = [_together(one, other) for one, other in zip(corpus[::2], corpus[1::2], strict=False)]
    for name, group in (("corpus, 3 s", corpus), ("corpus, 6 s", longer), ("web, up to 20 s", web)):
        if len(group) < 2:
            continue
        pieces = [piece for one in group for piece in _parts(one.item, settings)]
        shown = [opening_on_hops(piece, len(piece.arrays["voice_gap"])) for piece in pieces]
        own = [_agrees(lips, piece, piece, 0, settings) for lips, piece in zip(shown, pieces, strict=True)]
        # Another's voice: of the piece furthest down the list, which is seldom the same person's.
        far = max(1, len(pieces) // 2)
        dubbed = [
            _agrees(lips, piece, pieces[(number + far) % len(pieces)], 0, settings)
            for number, (lips, piece) in enumerate(zip(shown, pieces, strict=True))
        ]
        late = round(_SHIFT_S / HOP_S)
        shifted = [_agrees(lips, piece, piece, late, settings) for lips, piece in zip(shown, pieces, strict=True)]
        yield score(f"speaker, {name}, not dubbed", own, dubbed)
        yield score(f"speaker, {name}, not shifted", own, shifted)


def laughter_scores(stores: Path, yamnet: Path, seconds: float, settings: CurationSettings) -> Iterator[Score]:
    """Hops of laughter against others, and bouts of 3.5 s against what never laughs so long."""
    heard = list(material.sounds(stores, seconds))
    long = list(material.long_laughs(stores, settings.laughter_s + 1.0))
    for name, asked in (
        ("voice.onnx", settings),
        ("YAMNet", replace(settings, laughter_detector="yamnet", yamnet=str(yamnet))),
    ):
        if name == "YAMNet" and not yamnet.is_file():
            continue
        rows = [laughter_in(one.audio, asked) for one in heard]
        told = np.concatenate(rows) >= asked.laughter_minimum
        truth = np.concatenate([one.laughter for one in heard])
        is_made = np.concatenate([np.full(len(one.laughter), one.kind == "made laughter") for one in heard])
        laughs, others = (truth > 0.5) & ~is_made, truth <= 0.5
        yield score(f"laughter, {name}, hops", told[laughs].tolist(), told[others].tolist())
        bouts = [_is_bout(one, asked) for one in long]
        silent = [one for one in heard if np.nan_to_num(one.laughter, nan=1.0).max() <= 0.5]
        yield score(f"laughter, {name}, {asked.laughter_s:g} s", bouts, [_is_bout(one, asked) for one in _runs(silent)])


def _is_bout(heard: Heard, settings: CurationSettings) -> bool:
    return longest_bout_s(laughter_in(heard.audio, settings), settings) >= settings.laughter_s - 1e-6


def _runs(heard: list[Heard]) -> Iterator[Heard]:
    """Sounds without laughter, those of a kind one after the other, at least 6 s each."""
    for kind in sorted({one.kind for one in heard}):
        parts, length = list[np.ndarray](), 0
        for one in (each for each in heard if each.kind == kind):
            parts.append(one.audio)
            length += len(one.audio)
            if length >= 96_000:
                yield Heard(kind, np.concatenate(parts), np.zeros(length // HOP_SAMPLES, np.float32))
                parts, length = [], 0


def _sparse(clip: Path) -> list[Picture]:
    """Ten pictures of a clip, about a tenth of a second apart."""
    images = [image for _, image in pictures(clip, 0.0, 1.0)]
    return images[:: max(1, len(images) // _PICTURES)][:_PICTURES]


def _timed(images: list[Picture], rate_hz: float) -> Iterator[tuple[float, Picture]]:
    return ((number / rate_hz, image) for number, image in enumerate(images))


def _shows_one(images: list[Picture], settings: CurationSettings) -> bool:
    """Whether most pictures pass for ones of one face."""
    asked = replace(settings, count_every_s=1e-3)
    counts = [sight.count for sight in Eye(asked).look_at(_timed(images, _PICTURES))]
    return sum(count == 1 for count in counts) > len(counts) // 2


def _is_frontal(rotations: np.ndarray, settings: CurationSettings) -> np.ndarray:
    yaw_deg, pitch_deg = material.frontal_truth_deg(rotations)
    return (yaw_deg <= settings.yaw_maximum_deg) & (pitch_deg <= settings.pitch_maximum_deg)


def _talks(item: Item, settings: CurationSettings) -> bool:
    return float(np.mean(item.arrays["speech"] >= settings.speech_minimum)) >= settings.speech_share


def _parts(item: Item, settings: CurationSettings) -> Iterator[Item]:
    count = max(1, int(np.ceil(item.seconds / settings.longest_s - 1e-6)))
    for number in range(count):
        yield item.part(item.seconds * number / count, item.seconds * (number + 1) / count)


def _together(one: Seen, other: Seen) -> Seen:
    """Both clips as one: recorded in sync, each."""
    first, second = one.item, other.item
    arrays = {
        name: np.concatenate([first.arrays[name], second.arrays[name]]) for name in ("audio", "voice_gap", "points")
    }
    arrays["times_s"] = np.concatenate([first.arrays["times_s"], first.end_s + second.arrays["times_s"]])
    whole = replace(first, end_s=first.end_s + second.end_s, arrays=arrays)
    return replace(one, item=whole)


def _agrees(lips: np.ndarray, piece: Item, voice: Item, late_hops: int, settings: CurationSettings) -> bool:
    """Whether the lips of `piece` pass for those of `voice`, `late_hops` later; a shorter voice says it all again."""
    hops = len(lips)
    gap = np.resize(np.roll(voice.arrays["voice_gap"], late_hops), hops)
    audio = np.resize(np.roll(voice.arrays["audio"], late_hops * HOP_SAMPLES), hops * HOP_SAMPLES)
    return agreement(lips, audio, gap, settings).r >= least_r(piece.seconds, settings, settings.speaker_r)


def figures(scores: Iterator[Score]) -> Iterator[str]:
    """The table in Markdown, a line at a time."""
    yield "| filter | good | kept | bad | kept | precision | recall |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for one in scores:
        yield (
            f"| {one.name} | {one.good} | {one.good_kept} | {one.bad} | {one.bad_kept} | "
            f"{one.precision:.2f} | {one.recall:.2f} |"
        )


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate curation", description="How well filters tell.")
    parser.add_argument("--stores", type=Path, default=Path("runs/data"), help="see docs/training.md")
    parser.add_argument("--data", type=Path, default=None, help="folder with MANIFEST.tsv")
    parser.add_argument("--corpus-clips", type=int, default=64, help="of each corpus' speakers, at most")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each kind of sound, at most")
    parser.add_argument("--only", default="", help="names of filters, separated by commas")
    chosen = parser.parse_args(arguments)
    data = shared_data() if chosen.data is None else chosen.data
    settings = CurationSettings()
    # Faces that are made, and a song: nobody talks in them, whatever is heard.
    videos = [one for one in material.videos(data, chosen.corpus_clips) if one.name not in NOT_SPEECH]
    cache = chosen.stores / "curation_seen" / Job(chosen.stores, settings, ()).digest
    several = [one.path for one in material.videos(data, 2)]
    measures: dict[str, Callable[[], Iterator[Score]]] = {
        "cuts": lambda: cut_scores(several, settings),
        "faces": lambda: face_scores(several, data, settings),
        "frontal": lambda: pose_scores(chosen.stores, settings),
        "steady": lambda: turn_scores(several[::5], settings),
        "speaker": lambda: speaker_scores(material.seen_clips(videos, cache, settings), settings),
        "laughter": lambda: laughter_scores(
            chosen.stores, data / "models" / "yamnet" / "yamnet.tflite", chosen.seconds, settings
        ),
    }
    wanted = chosen.only.split(",") if chosen.only else list(measures)
    for line in figures(one for name in wanted for one in measures[name]()):
        print(line, flush=True)


if __name__ == "__main__":
    main()
