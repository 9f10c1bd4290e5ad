"""Faces that say known things:  python -m training.data.build_talking_faces --out DIR --speech STORE [--clips N]

Fills DIR/talking_faces, a store of faces (`training.data.face_store`) at 25 Hz, each clip a stretch of a speech store
(`python -m training.data.build_speech`) said by a random person. One of `--studio-every` clips is filmed in the studio,
with hair, lamps and a sensor; the others are plain pictures of the open head in a random skin and light, as `spectre`
draws it. Beside it lies `phones.jsonl`: what is said when, in the clip's own time. The same seed gives the same clips;
started again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from models.head.arkit import ArkitMap
from models.head.crop import head_in_crop
from models.head.flame import FaceRig, open_head
from protocol.frame import PART_BY_NAME
from training.data.clips import HOP_S, ClipStore
from training.data.face_store import PICTURE_PX, FaceClip, FaceClipInfo, FaceWriter
from training.data.phones import Phone
from training.data.speech_clips import SIDECAR, phones_of_store
from training.recipe import RecipeError
from training.render.acting import Acts, act_out
from training.render.framing import Shot, draw_shot, head_points, in_crop
from training.render.mouth_pictures import MouthPictures, Seen, draw_coat, draw_light
from training.render.studio import Studio

NAME = "talking_faces"
RATE_HZ = 25.0
EXPRESSION_SIZE = PART_BY_NAME["expression"].size
_HOPS_A_PICTURE = round(1.0 / (RATE_HZ * HOP_S))
_LEAST_SPEECH = 0.7  # of a clip
_MOST_ASIDE_RAD = 0.5  # a mouth is read from the front
_TRIES = 50
_MOST_NOISE = 6.0  # grey levels, of plain pictures
_HELD_OUT = {0: "val", 6: "test"}  # of every 12 clips


@dataclass(frozen=True, eq=False)
class Line:
    """Something to say: motion float32 [n, 53] at 25 Hz and phones in its own time."""

    motion: np.ndarray
    phones: list[Phone]


class Lines:
    """Stretches of a speech store."""

    def __init__(self, folder: Path) -> None:
        if not (folder / SIDECAR).exists():
            raise RecipeError(f"{folder} holds no {SIDECAR}; make it with python -m training.data.build_speech")
        self._store, self._phones = ClipStore(folder), phones_of_store(folder)

    def draw(self, rng: np.random.Generator, pictures: int, split: str) -> Line:
        """`pictures` of somebody who mostly speaks; voices of the split `val` are kept for val and test."""
        hops = _HOPS_A_PICTURE * pictures
        voices = "train" if split == "train" else "val"
        able = [n for n, info in enumerate(self._store.infos) if info.split == voices and self._store.hops[n] > hops]
        if not able:
            raise RecipeError(f"no clip of split {voices} is longer than {hops * HOP_S:g} s; take fewer pictures")
        for _ in range(_TRIES):
            number = int(rng.choice(able))
            begin = int(rng.integers(0, self._store.hops[number] - hops + 1))
            clip = self._store[number]
            if np.mean(clip.speech[begin : begin + hops]) >= _LEAST_SPEECH:
                break
        else:
            raise RecipeError(f"no stretch of {hops * HOP_S:g} s is mostly speech; take fewer pictures")
        # Row r describes the end of hop r: picture k is taken _HOPS_A_PICTURE * k + 1 hops after the stretch begins.
        begin_s, end_s = begin * HOP_S, (begin + hops) * HOP_S
        phones = [
            replace(phone, start_s=max(phone.start_s, begin_s) - begin_s, end_s=min(phone.end_s, end_s) - begin_s)
            for phone in self._phones[clip.info.name][1]
            if phone.end_s > begin_s and phone.start_s < end_s
        ]
        return Line(clip.motion[begin : begin + hops : _HOPS_A_PICTURE], phones)


def times_s(pictures: int) -> np.ndarray:
    """When the pictures of a clip were taken, float64 [n], from its beginning."""
    return HOP_S + np.arange(pictures) / RATE_HZ


class Stage:
    """Films lines; one a process."""

    def __init__(self, data: Path | None, with_studio: bool) -> None:
        self._studio = Studio(data) if with_studio else None
        self._arkit = ArkitMap(open_head())
        self._pictures = MouthPictures(size_px=PICTURE_PX, whole=True)

    def film(self, rng: np.random.Generator, line: Line, info: FaceClipInfo, in_studio: bool) -> FaceClip:
        """The clip of `line`, said by a random person to a random camera."""
        count = len(line.motion)
        eyes = act_out(rng, self._arkit, count, RATE_HZ)
        motion = line.motion.astype(np.float32)
        acts = Acts(motion[:, :EXPRESSION_SIZE], motion[:, EXPRESSION_SIZE:], eyes.eyelids, eyes.gaze)
        shot = _frontal(rng, count)
        if in_studio and self._studio is not None:
            person = self._studio.cast.person(rng)
            filmed = self._studio.film(rng, person, acts, shot, self._studio.draw_set(rng, person), info)
        else:
            filmed = _plain(rng, self._pictures, acts, shot, info)
        return replace(filmed, truths=filmed.truths | {"time_s": times_s(count)[:, None].astype(np.float32)})


def _frontal(rng: np.random.Generator, count: int) -> Shot:
    while True:
        shot = draw_shot(rng, count, RATE_HZ)
        if np.arccos(np.clip(shot.rotations[:, 2, 2], -1.0, 1.0)).max() < _MOST_ASIDE_RAD:
            return shot


def _plain(rng: np.random.Generator, pictures: MouthPictures, acts: Acts, shot: Shot, info: FaceClipInfo) -> FaceClip:
    """The open head in a random skin and light, drawn as the stored crop's own camera sees it."""
    head, count = open_head(), len(acts.expression)
    shape = np.clip(rng.normal(0.0, 1.0, head.shape_count), -3.0, 3.0).astype(np.float32)
    rig, told = FaceRig(head, shape), list[dict[str, np.ndarray]]()
    for number in range(count):
        vertices = rig.vertices(acts.expression[number], acts.jaw[number], acts.eyelids[number], acts.gaze[number])
        rotation, translation, crop = shot.rotations[number], shot.translations[number], shot.crops[number]
        seen = head_in_crop(rotation, translation, crop, shot.camera)
        points = in_crop(head_points(vertices) @ rotation.T + translation, shot.camera, crop)
        told.append(
            {
                "points": points.reshape(-1),
                "rotation": seen.rotation.reshape(-1),
                "place": seen.place,
                "focal": np.array([shot.camera.focal_px / crop.side_px]),
            }
        )
    truths = {name: np.stack([row[name] for row in told]).astype(np.float32) for name in told[0]}
    truths |= {name: np.asarray(values, np.float32) for name, values in vars(acts).items()}
    truths["shape"] = np.tile(shape, (count, 1))
    truths["presence"] = truths["belief"] = np.ones((count, 1), np.float32)
    with torch.no_grad():
        drawn = pictures.coloured(*drawn_from(truths), draw_coat(rng), draw_light(rng)).permute(0, 2, 3, 1).numpy()
    levels = 255.0 * drawn + rng.normal(0.0, rng.uniform(0.0, _MOST_NOISE), drawn.shape)
    return FaceClip(info, np.clip(levels, 0, 255).astype(np.uint8), truths)


def drawn_from(truths: Mapping[str, np.ndarray]) -> tuple[Tensor, Tensor, Seen]:
    """What `MouthPictures` takes to draw all of the stored crops that have these truths, each [n, size]."""
    told = {name: torch.tensor(np.asarray(values), dtype=torch.float32) for name, values in truths.items()}
    count = len(told["jaw"])
    seen = Seen(
        shape=told["shape"],
        eyelids=told["eyelids"],
        gaze=told["gaze"],
        rotation=told["rotation"].reshape(count, 3, 3),
        place=told["place"],
        focal=told["focal"][:, 0],
        box=torch.tensor([0.5, 0.5, 1.0]).expand(count, -1),
    )
    return told["expression"], told["jaw"], seen


def build(
    folder: Path, lines: Lines, stage: Stage, clips: int, pictures: int, studio_every: int, seed: int, only: str = ""
) -> None:
    """Append clips 0..`clips` to the store `folder`, those not there yet; all of the split `only`, if given."""
    with FaceWriter(folder) as writer, (folder / SIDECAR).open("a", encoding="utf-8") as sidecar:
        for number in track(range(clips), "clips"):
            in_studio = studio_every > 0 and number % studio_every == 0
            name = f"{'studio' if in_studio else 'plain'}-{seed}-{number:05d}"
            if name in writer.names:
                continue
            rng = np.random.default_rng([seed, number, 2])
            split = only or _HELD_OUT.get(number // max(studio_every, 1) % 12, "train")
            info = FaceClipInfo(name, name, NAME, "synthetic", "free", split, RATE_HZ)
            line = lines.draw(rng, pictures, split)
            rows = [[p.symbol, round(p.start_s, 4), round(p.end_s, 4), p.stress] for p in line.phones]
            # First, so that no clip of the store is without its phones.
            sidecar.write(json.dumps({"name": name, "seed": seed, "phones": rows}, ensure_ascii=False) + "\n")
            sidecar.flush()
            writer.add(stage.film(rng, line, info, in_studio))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--speech", type=Path, required=True, help="folder of a speech store")
    parser.add_argument("--clips", type=int, default=600)
    parser.add_argument("--pictures", type=int, default=50, help="of a clip, at 25 Hz")
    parser.add_argument("--studio-every", type=int, default=3, help="one of so many clips; 0: none")
    parser.add_argument("--data", type=Path, help="the folder of MANIFEST.tsv: MakeHuman's assets, environment maps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", choices=("train", "val", "test"), default="", help="all of this split; default some of each"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("LP_NUM_THREADS", "0")  # software OpenGL draws on one core
    stage = Stage(arguments.data, arguments.studio_every > 0)
    lines, folder = Lines(arguments.speech), arguments.out / NAME
    every, only = arguments.studio_every, arguments.only
    build(folder, lines, stage, arguments.clips, arguments.pictures, every, arguments.seed, only)


if __name__ == "__main__":
    main()
