"""Photographs that people labelled with emotions, as a store:

    python -m training.data.build_labelled_faces FOLDER --labels LABELS.csv --out DIR --use research [--name NAME]

LABELS.csv has the columns `image` (a file of FOLDER) and `emotion`, and may have `valence` and `arousal` (-1..1) and
`person`; names as AffectNet, FER and others write them are understood. Each face is cut out, and what tracker and
solver make of it is stored beside it (see `solved_faces`). `--use` says what may be learnt from the pictures: free,
free-sharealike, weights, research. One person in five is held out.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.data.build_real_faces import Recording, clips_of
from training.data.emotion_labels import LABELS_NAME, EmotionLabel, emotion_named, read_labels, write_labels
from training.data.face_store import FaceClipInfo, FaceWriter
from training.evaluate.face_pictures import BROKEN, FaceReader, find_face_model
from training.evaluate.solved_faces import PictureTruths

NAME = "labelled_faces"
USES = ("free", "free-sharealike", "weights", "research")
_HELD_OUT = 5  # of so many people one
_SAVE_EVERY = 20


@dataclass(frozen=True)
class Labelled:
    """One picture, and what somebody said that it shows."""

    recording: Recording
    label: EmotionLabel


def labelled(folder: Path, labels: Path, source: str, use: str) -> list[Labelled]:
    """The pictures of `labels` that are in `folder`. ValueError where a line cannot be read."""
    found: list[Labelled] = []
    with labels.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            try:
                path = folder / Path(row["image"]).name
                valence, arousal = (float(row.get(name) or math.nan) for name in ("valence", "arousal"))
                label = EmotionLabel(emotion_named(row["emotion"]), 1.0, valence, arousal)
            except (KeyError, ValueError) as error:
                raise ValueError(f"{labels}, line {rows.line_num}: {error}; give the columns image,emotion") from error
            if path.is_file():
                person = row.get("person") or re.sub(r"[_-]?\d+$", "", path.stem) or path.stem
                info = FaceClipInfo(f"{source}.{path.stem}", person, source, "photo", use, _split(person))
                found.append(Labelled(Recording(path, info), label))
    return found


def build(store: Path, pictures: list[Labelled], face_model: Path) -> Iterator[str]:
    """Fill `store`, going on where a run was cut off; yields a line for every picture without a face."""
    reader, truths = FaceReader(face_model), PictureTruths()
    labels = read_labels(store) if (store / LABELS_NAME).is_file() else {}
    with FaceWriter(store) as writer:
        for number, picture in enumerate(pictures):
            name = picture.recording.info.name
            if name in labels:
                continue
            try:
                clips = list(clips_of(picture.recording, reader, truths))
            except BROKEN as error:  # a broken file is no reason to stop
                yield f"{name}: left out, {error}"
                continue
            if not clips:
                yield f"{name}: no face"
            for clip in clips:
                writer.add(clip)
                labels[clip.info.name] = picture.label
            if number % _SAVE_EVERY == 0 or number == len(pictures) - 1:
                write_labels(store, labels)
        write_labels(store, labels)


def _split(person: str) -> str:
    """The same person always falls on the same side."""
    return "val" if int(hashlib.sha256(person.encode()).hexdigest(), 16) % _HELD_OUT == 0 else "train"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the pictures")
    parser.add_argument("--labels", type=Path, required=True, help="CSV with the columns image,emotion")
    parser.add_argument("--out", type=Path, required=True, help="folder of the stores")
    parser.add_argument("--use", choices=USES, required=True, help="what may be done with the pictures")
    parser.add_argument("--name", default=NAME, help="of the store")
    parser.add_argument("--face-model", type=Path, default=None, help="face_landmarker.task; found as the driver does")
    arguments = parser.parse_args()
    pictures = labelled(arguments.folder, arguments.labels, arguments.folder.name, arguments.use)
    print(f"{len(pictures)} pictures with labels")
    for line in build(arguments.out / arguments.name, pictures, find_face_model(arguments.face_model)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
