"""Drawn people who show emotions:  python -m training.data.build_emotion_faces --out DIR [--pictures N] [--data SHARED]

Fills DIR/emotion_faces: random people before random cameras (training/render), each in all eight emotions with random
strength (training/data/emotions.toml). Which is known because they were made so; `emotions.tsv` says it. The same seed
gives the same pictures; started again, it goes on. `--sheet FILE` draws the table of emotions on one head instead.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from models.head.arkit import ArkitMap
from models.head.flame import open_head
from models.perceptual.emotion import EMOTIONS
from training.data.emotion_acting import draw_feeling
from training.data.emotion_labels import LABELS_NAME, EmotionLabel, read_labels, write_labels
from training.data.face_store import FaceClip, FaceClipInfo, FaceWriter
from training.render.acting import acted
from training.render.framing import Shot, draw_shot
from training.render.studio import Studio

NAME = "emotion_faces"
_EACH = 2  # pictures of a person in each emotion
_HELD_OUT = {0: "val", 10: "test"}  # of every 20 people
_OCCLUDED = 0.1  # of what the studio covers
_LEAST_FACING = np.cos(np.radians(32.0))  # cosine between where the face looks and the camera is
_RATE_HZ = 30.0
_studio: Studio | None = None


@dataclass(frozen=True)
class Sitting:
    """One person, seen `_EACH` times in each emotion. Its number decides everything."""

    seed: int
    number: int

    def names(self) -> list[str]:
        return [f"emotion-{self.seed}-{self.number:05d}-{k:02d}" for k in range(_EACH * len(EMOTIONS))]


def sit(studio: Studio, sitting: Sitting) -> Iterator[tuple[FaceClip, EmotionLabel]]:
    """The pictures of a sitting with what they show."""
    rng = np.random.default_rng([sitting.seed, sitting.number, 2])
    arkit = ArkitMap(open_head())
    person = studio.cast.person(rng)
    split = _HELD_OUT.get(sitting.number % 20, "train")
    for k, name in enumerate(sitting.names()):
        feeling = draw_feeling(rng, EMOTIONS[k % len(EMOTIONS)], is_pure=True)
        info = FaceClipInfo(name, f"emotion-{sitting.seed}-{sitting.number:05d}", "render", "synthetic", "free", split)
        around = studio.draw_set(rng, person)
        if rng.random() >= _OCCLUDED:
            around = replace(around, occluders=[], drift_m=around.drift_m[:0])
        clip = studio.film(rng, person, acted(rng, arkit, feeling.weights), _facing(rng), around, info)
        clip.truths["mood"] = np.array([[feeling.valence, feeling.arousal]], np.float32)
        yield clip, EmotionLabel(EMOTIONS[k % len(EMOTIONS)], feeling.amount, feeling.valence, feeling.arousal)


def _facing(rng: np.random.Generator) -> Shot:
    """A shot of a face that turns to the camera more or less, as those are that people label."""
    while True:
        shot = draw_shot(rng, 1, _RATE_HZ)
        towards = -shot.translations[0] / np.linalg.norm(shot.translations[0])
        if shot.rotations[0, :, 2] @ towards > _LEAST_FACING:
            return shot


def build(folder: Path, pictures: int, data: Path | None, seed: int, workers: int) -> None:
    """Append sittings to the store `folder` until `pictures` are in it."""
    labels = read_labels(folder) if (folder / LABELS_NAME).is_file() else {}
    count = -(-pictures // (_EACH * len(EMOTIONS)))
    wanted = [Sitting(seed, number) for number in range(count)]
    wanted = [one for one in wanted if not labels.keys() >= set(one.names())]
    with FaceWriter(folder) as writer:
        for made in track(_made(wanted, data, workers), "people", total=len(wanted)):
            for clip, label in made:
                writer.add(clip)
                labels[clip.info.name] = label
            write_labels(folder, labels)


def _made(sittings: list[Sitting], data: Path | None, workers: int) -> Iterator[list[tuple[FaceClip, EmotionLabel]]]:
    if workers == 1:
        _open_studio(data)
        yield from map(_sit, sittings)
        return
    # A forked OpenGL context is none.
    with ProcessPoolExecutor(workers, get_context("spawn"), _open_studio, (data,)) as pool:
        yield from pool.map(_sit, sittings)


def _open_studio(data: Path | None) -> None:
    global _studio
    os.environ.setdefault("LP_NUM_THREADS", "0")  # software OpenGL draws on one core: each worker has its own
    cv2.setNumThreads(1)
    _studio = Studio(data)


def _sit(sitting: Sitting) -> list[tuple[FaceClip, EmotionLabel]]:
    assert _studio is not None
    return list(sit(_studio, sitting))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder of the stores")
    parser.add_argument("--pictures", type=int, default=4800)
    parser.add_argument("--data", type=Path, help="the folder of MANIFEST.tsv: MakeHuman's assets, environment maps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="draw the table of emotions instead")
    arguments = parser.parse_args()
    if arguments.sheet:
        from training.data.emotion_sheet import draw_sheet

        draw_sheet(arguments.sheet)
    elif arguments.out:
        build(arguments.out / NAME, arguments.pictures, arguments.data, arguments.seed, arguments.workers)
    else:
        parser.error("give --out DIR, or --sheet FILE")


if __name__ == "__main__":
    main()
