"""How well a mouth can be read when a head does what was told of it:

    python -m training.evaluate.lip_reading --folder DIR --reader FILE [--encoder NAME=FILE ...] [--split test]
    python -m training.evaluate.lip_reading --folder DIR --speech STORE [--encoder NAME=FILE ...] [--face NAME=FILE ...]

A reader that nothing was learnt from reads held-out films of DIR (see training.tasks.spectre), and the same mouths
rendered from what the base told, from what each encoder made of it, and, where it is known, from the true motion. With
`--speech` a reader of motion (`training.evaluate.lip_motion`) reads all but the films, without a picture. Told
are the viseme error rate (VER), a mean over clips and over all symbols, the share of pictures read rightly, and how far
the lips are from the true ones in mm; of VER and mm also the difference from the line before, with between what it lies
in 95 % of resampled clips.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.head.flame import open_head
from models.perceptual.visual_speech import VisualSpeech
from training.data.build_talking_faces import Lines
from training.data.mouths import MouthData
from training.data.spoken_sequences import SpokenClip, spoken_clips
from training.data.viseme_groups import edit_distance, said
from training.evaluate.face_in_a_row import FaceInARow
from training.evaluate.lip_decoding import CHANGE_COST, decoded
from training.evaluate.lip_motion import MotionReader, fitted
from training.evaluate.resampled import resampled
from training.lip_readers import load_visual_speech
from training.loop import Batch
from training.losses.mouth import MouthSurface
from training.render.mouth_pictures import MouthPictures
from training.tasks.spectre import drawn_mouths, load_perceptual_encoder, whole

FILM, BASE, TRUTH = "film", "base", "truth"
_SHEET_PICTURES = 12

Motions = dict[str, Tensor]


class TellsMouths(Protocol):
    """What is judged: a film [1, T, ...], of what it `sees` ("mouth" or "face"), and its base -> motion [1, T, 53]."""

    sees: str

    def __call__(self, film: Tensor, base: Tensor, /) -> Tensor: ...


@dataclass(frozen=True)
class Reading:
    """One clip read: edits and symbols of the said visemes, pictures read rightly of all, mm of the lips or NaN."""

    edits: int
    symbols: int
    right: int
    pictures: int
    mouth_mm: float

    @property
    def error_rate(self) -> float:
        return self.edits / max(self.symbols, 1)


class LipJudge:
    """Reads films and renderings of clips, or, with a reader of motion, the motions alone.

    `share` is how much is done of what the encoders change, 0..1.
    """

    def __init__(
        self, reader: VisualSpeech | MotionReader, change_cost: float = CHANGE_COST, share: float = 1.0
    ) -> None:
        self._reader, self._cost, self._share = reader.eval(), change_cost, share
        self._pictures, self._surface = MouthPictures(), MouthSurface(open_head())

    @torch.no_grad()
    def told(self, clip: SpokenClip, encoders: Mapping[str, TellsMouths]) -> tuple[Motions, Batch]:
        """The motions of a clip, by the name of who tells them, and the clip as a batch of one."""
        batch = whole(clip, any(encoder.sees == "face" for encoder in encoders.values()))
        base = torch.cat([batch["expression"], batch["jaw"]], dim=2)
        motions = {BASE: base}
        for name, encoder in encoders.items():
            told = encoder(batch["mouths" if encoder.sees == "mouth" else "crop"], base)
            motions[name] = torch.lerp(base, told, self._share)
        if torch.isfinite(batch["truth"]).all():
            motions[TRUTH] = batch["truth"]
        return motions, batch

    @torch.no_grad()
    def mouths(self, motions: Motions, batch: Batch) -> dict[str, Tensor]:
        """The film and what these motions look like, [1, T, 88, 88], by the name of what is shown."""
        return {FILM: batch["mouths"]} | {name: self._draw(motion, batch) for name, motion in motions.items()}

    @torch.no_grad()
    def read(self, clip: SpokenClip, encoders: Mapping[str, TellsMouths]) -> dict[str, Reading]:
        """What is read of a clip, by the name of what was shown."""
        motions, batch = self.told(clip, encoders)
        points = {name: self._surface(motion) for name, motion in motions.items() if TRUTH in motions}
        apart = {name: float((told - points[TRUTH]).norm(dim=3).mean()) for name, told in points.items()}
        shown = motions if isinstance(self._reader, MotionReader) else self.mouths(motions, batch)
        rows = clip.clip.visemes.tolist()
        return {name: self._reading(seen, rows, apart.get(name, float("nan"))) for name, seen in shown.items()}

    def _draw(self, motion: Tensor, batch: Batch) -> Tensor:
        return drawn_mouths(self._pictures, motion, batch)

    def _reading(self, shown: Tensor, rows: list[int], mouth_mm: float) -> Reading:
        scores = torch.log_softmax(self._reader(shown)[0], dim=1)
        found, true = decoded(scores.numpy(), self._cost), said(rows)
        right = sum(one == other for one, other in zip(found, rows, strict=True))
        return Reading(edit_distance(true, said(found)), len(true), right, len(rows), mouth_mm)


def summed(readings: list[Reading]) -> dict[str, float]:
    """One line of the table."""
    symbols, pictures = sum(r.symbols for r in readings), sum(r.pictures for r in readings)
    line = {
        "ver": sum(r.error_rate for r in readings) / len(readings),
        "ver_pooled": sum(r.edits for r in readings) / max(symbols, 1),
        "accuracy": sum(r.right for r in readings) / pictures,
        "mouth_mm": sum(r.mouth_mm for r in readings) / len(readings),
        "clips": float(len(readings)),
        "symbols": float(symbols),
    }
    return {name: value for name, value in line.items() if value == value}


def difference(readings: list[Reading], before: list[Reading]) -> str:
    """By how much VER and mm differ from another's on the same clips."""
    pairs = list(zip(readings, before, strict=True))
    told = {
        "ver": [one.error_rate - other.error_rate for one, other in pairs],
        "mouth_mm": [one.mouth_mm - other.mouth_mm for one, other in pairs],
    }
    return " ".join(f"{name} {resampled(values)}" for name, values in told.items() if np.isfinite(values).all())


def judged(
    clips: Mapping[str, list[SpokenClip]], judge: LipJudge, encoders: Mapping[str, TellsMouths]
) -> dict[str, dict[str, list[Reading]]]:
    """Store -> what was shown -> a reading a clip."""
    found: dict[str, dict[str, list[Reading]]] = {}
    for store, of_store in clips.items():
        rows: dict[str, list[Reading]] = {}
        for clip in of_store:
            for name, reading in judge.read(clip, encoders).items():
                rows.setdefault(name, []).append(reading)
        found[store] = rows
    return found


def sheet(clip: SpokenClip, judge: LipJudge, encoders: Mapping[str, TellsMouths]) -> NDArray[np.uint8]:
    """A row for each of what is shown of a clip, in the order of FILM, BASE, the encoders, TRUTH; pictures in a row."""
    shown = judge.mouths(*judge.told(clip, encoders))
    begin = max(0, len(clip) // 2 - _SHEET_PICTURES // 2)
    rows = [torch.cat(list(seen[0, begin : begin + _SHEET_PICTURES]), dim=1) for seen in shown.values()]
    return np.round(255.0 * torch.cat(rows).numpy()).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of the stores and the base")
    parser.add_argument("--stores", nargs="+", default=["talking_faces", "real_faces"])
    parser.add_argument("--phones", nargs="+", default=["talking_faces", "recordings"])
    judges = parser.add_mutually_exclusive_group(required=True)
    judges.add_argument("--reader", type=Path, help="of visual_speech, that no encoder was taught with")
    judges.add_argument("--speech", type=Path, help="a speech store that a reader of motion learns from")
    parser.add_argument("--encoder", action="append", default=[], help="NAME=FILE, as spectre exports it")
    parser.add_argument("--face", action="append", default=[], help="NAME=FILE, a face.onnx, as it runs")
    parser.add_argument("--lookahead", type=int, default=0, help="pictures that the faces wait for, 0..2")
    parser.add_argument("--split", nargs="+", default=["val", "test"])
    parser.add_argument("--clips", type=int, default=0, help="of each store and split; default all")
    parser.add_argument("--share", type=float, default=1.0, help="how much is done of what the encoders change, 0..1")
    parser.add_argument("--change-cost", type=float, default=CHANGE_COST)
    parser.add_argument("--sheet", type=Path, help="a picture of the first clip's mouths; of a real person, keep it")
    parser.add_argument("--json", type=Path, help="every reading, to a file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    encoders: dict[str, TellsMouths] = {}
    for name, _, path in (given.partition("=") for given in arguments.encoder):
        encoders[name] = load_perceptual_encoder(Path(path))
    for name, _, path in (given.partition("=") for given in arguments.face):
        encoders[name] = FaceInARow(Path(path), arguments.lookahead)
    data = MouthData(str(arguments.folder), dict.fromkeys(arguments.stores, 1.0), arguments.phones)
    clips: dict[str, list[SpokenClip]] = {}
    for store in arguments.stores:
        for split in arguments.split:
            try:
                found_here = spoken_clips(data, split, [store])[store]
                clips.setdefault(store, []).extend(found_here[: arguments.clips or None])
            except ValueError as error:  # not every store has every split
                print(error)
    reader = load_visual_speech(arguments.reader) if arguments.reader else fitted(Lines(arguments.speech))
    judge = LipJudge(reader, arguments.change_cost, arguments.share)
    if arguments.sheet:
        first = next(iter(clips.values()))[0]
        cv2.imwrite(str(arguments.sheet), sheet(first, judge, encoders))
    found = judged({store: of_store for store, of_store in clips.items() if of_store}, judge, encoders)
    for store, rows in found.items():
        before: list[Reading] = []
        for name, readings in rows.items():
            figures = " ".join(f"{key} {value:.3f}" for key, value in summed(readings).items())
            more = f"   from the line before: {difference(readings, before)}" if before else ""
            print(f"{store:15} {name:12} {figures}{more}")
            before = readings
    if arguments.json:
        told = {store: {name: [vars(r) for r in rs] for name, rs in rows.items()} for store, rows in found.items()}
        arguments.json.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
