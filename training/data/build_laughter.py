"""Builds the stores that the laugh branch learns from:

    python -m training.data.build_laughter --out DIR [--data SHARED_DATA] [--seed 0]

DIR/laughter    laughs (recorded, those that train at other speeds, too; synthesised), and laughing speech when
                DIR/synthetic holds clips of synthetic speech
DIR/negatives   sounds that are no laughter

Stores that are there are continued; delete one to build it anew. At the end the teacher is judged on the test clips.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from training.data.clips import HOP_S, Clip, ClipStore, ClipWriter
from training.data.laugh_clips import (
    Laugh,
    at_speed,
    clips_of,
    laugh_from_bursts,
    laughing_speech,
    phrase,
)
from training.data.laugh_decoys import made, recorded, voices
from training.data.laugh_synthesis import draw_laugh_voice, synthesise_laugh
from training.data.laughter import Recording, hear, labels, recordings
from training.data.yamnet import LAUGHTER, Yamnet

SYNTHESISED = 300
SYNTHESISED_TEST_SHARE = 0.15
LAUGHING_SPEECH = 400
DECOYS_OF_A_KIND = 50
SPEEDS = ((0.82, 0.9), (0.93, 1.07), (1.12, 1.3))

_HEARD = 0.15  # a synthesised laugh in which the teacher hears less laughter than this is drawn again
_SNORTED_HEARD = 0.05
_LONGEST_IN_SPEECH_S = 5.0


def recorded_laughs(found: list[Recording], teacher: Yamnet) -> Iterator[Laugh]:
    """The corpus' laughs with their labels; those whose sound contradicts their name are left out."""
    for recording in found:
        if recording.kind not in ("laugh", "conversation"):
            continue
        audio = hear(recording.path)
        known = labels(audio, recording.kind, teacher.rows(audio))
        if known is not None:
            yield Laugh(
                recording.name,
                recording.group,
                recording.source,
                recording.use,
                recording.split,
                audio,
                known.laughter,
                known.speech,
            )


def synthesised_laughs(count: int, teacher: Yamnet, seed: int) -> Iterator[Laugh]:
    """`count` laughs of as many voices; what the teacher does not hear laughter in is drawn again."""
    number = 0
    for draw in range(20 * count):
        rng = np.random.default_rng([seed, 1, draw])
        voice = draw_laugh_voice(rng)
        made_laugh = synthesise_laugh(voice, rng)
        _, scores = teacher.scores(made_laugh.audio, 0.24)
        if scores[:, LAUGHTER].max() < (_SNORTED_HEARD if voice.voicing == "snorted" else _HEARD):
            continue
        audio, laughter = laugh_from_bursts(made_laugh.audio, made_laugh.bursts)
        split = "test" if number < SYNTHESISED_TEST_SHARE * count else "train"
        name = f"made-laugh-{draw}-{voice.voicing}"
        yield Laugh(
            name, name, "training.data.laugh_synthesis", "free", split, audio, laughter, np.zeros_like(laughter)
        )
        number += 1
        if number == count:
            return


def laugh_clips(laughs: list[Laugh], seed: int) -> Iterator[Clip]:
    """The laughs as clips; recorded ones that train come at three other speeds as well."""
    for number, laugh in enumerate(laughs):
        rng = np.random.default_rng([seed, 2, number])
        yield from clips_of(laugh, rng, number)
        if laugh.split == "train" and laugh.use != "free":
            for speed in (float(rng.uniform(*span)) for span in SPEEDS):
                yield from clips_of(at_speed(laugh, speed), rng, number)


def laughing_speech_clips(laughs: list[Laugh], speech: ClipStore, count: int, seed: int) -> Iterator[Clip]:
    """`count` clips of free speech with a laugh in it; held-out speech goes with held-out laughs."""
    short = [laugh for laugh in laughs if len(laugh.laughter) * HOP_S < _LONGEST_IN_SPEECH_S]
    spoken = [number for number, info in enumerate(speech.infos) if info.kind == "speech" and info.use == "free"]
    done = 0
    for draw in range(10 * count):
        rng = np.random.default_rng([seed, 5, draw])
        whole = speech[spoken[int(rng.integers(len(spoken)))]]
        laugh = short[int(rng.integers(len(short)))]
        if (laugh.split == "train") != (whole.info.split == "train") or np.isnan(laugh.laughter).any():
            continue
        said = phrase(whole, rng)
        clip = None if said is None else laughing_speech(said, laugh, rng, draw)
        if clip is None:
            continue
        yield clip
        done += 1
        if done == count:
            return


def build(out: Path, data: Path, seed: int) -> None:
    """Fill both stores. Clips that they already have are not written again."""
    teacher = Yamnet(data / "models" / "yamnet" / "yamnet.tflite")
    found = recordings(data, seed)
    with ClipWriter(out / "negatives") as writer:
        for clips in (recorded(found), made(DECOYS_OF_A_KIND, seed), voices(data, seed)):
            for clip in clips:
                writer.add(clip)
    laughs = [*recorded_laughs(found, teacher), *synthesised_laughs(SYNTHESISED, teacher, seed)]
    with ClipWriter(out / "laughter") as writer:
        for clip in laugh_clips(laughs, seed):
            writer.add(clip)
        if (out / "synthetic" / "index.jsonl").is_file():
            for clip in laughing_speech_clips(laughs, ClipStore(out / "synthetic"), LAUGHING_SPEECH, seed):
                writer.add(clip)
        else:
            print(f"no synthetic speech in {out / 'synthetic'}: no laughing speech; build it and run this again")


def summary(store: ClipStore) -> str:
    """Clips and minutes by split and kind."""
    clips, minutes = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for info, hops in zip(store.infos, store.hops, strict=True):
        clips[info.split, info.kind] += 1
        minutes[info.split, info.kind] += hops * HOP_S / 60.0
    return "\n".join(
        f"  {split:5s} {kind:16s} {clips[split, kind]:5d} clips {minutes[split, kind]:6.1f} min"
        for split, kind in sorted(clips)
    )


def area_under_roc(positive: np.ndarray, negative: np.ndarray) -> float:
    """The share of pairs that are in order; ties count half (Mann-Whitney)."""
    values = np.concatenate([positive, negative])
    order = np.unique(values, return_inverse=True)[1]
    counts = np.bincount(order)
    ranks = (np.cumsum(counts) - 0.5 * (counts - 1))[order]
    area = np.sum(ranks[: len(positive)]) - len(positive) * (len(positive) + 1) / 2
    return float(area / (len(positive) * len(negative)))


def teacher_rows(teacher: Yamnet, store: ClipStore) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(the teacher's laughter score, the label, kind or source) of every labelled row of the test clips."""
    scores, truth, kinds = [], [], []
    for number, info in enumerate(store.infos):
        if info.split != "test":
            continue
        clip = store[number]
        known = np.isfinite(clip.laughter)
        scores.append(teacher.rows(clip.audio)[known, LAUGHTER].max(axis=1))
        truth.append(clip.laughter[known] > 0.5)
        kind = "made laughter" if info.name.startswith("made-laugh") else info.kind
        kinds += [kind] * int(known.sum())
    return np.concatenate(scores), np.concatenate(truth), kinds


def report(out: Path, data: Path) -> str:
    """What the stores hold, and how well the teacher tells test laughs from test speech and decoys, hop by hop."""
    laughter, negatives = ClipStore(out / "laughter"), ClipStore(out / "negatives")
    teacher = Yamnet(data / "models" / "yamnet" / "yamnet.tflite")
    lines = ["laughter", summary(laughter), "negatives", summary(negatives)]
    laugh_scores, laughs, kinds = teacher_rows(teacher, laughter)
    other_scores, _, other_kinds = teacher_rows(teacher, negatives)
    is_recorded = np.array([kind == "laughter" for kind in kinds])
    for name, chosen in (("recorded", is_recorded), ("all", np.ones_like(is_recorded))):
        positive = laugh_scores[chosen & laughs]
        lines.append(
            f"teacher, {name} laughs ({len(positive) * HOP_S:.0f} s) against all: AUC "
            f"{area_under_roc(positive, other_scores):.3f}"
        )
        for kind in sorted(set(other_kinds)):
            rows = np.array([one == kind for one in other_kinds])
            lines.append(f"  {kind:10s} {area_under_roc(positive, other_scores[rows]):.3f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the stores")
    beside = Path(__file__).parents[3] / "shared" / "data"
    data = Path(os.environ.get("AVATAR_DRIVER_DATA", beside))
    parser.add_argument("--data", type=Path, default=data, help="folder with MANIFEST.tsv (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    build(arguments.out, arguments.data, arguments.seed)
    print(report(arguments.out, arguments.data))


if __name__ == "__main__":
    main()
