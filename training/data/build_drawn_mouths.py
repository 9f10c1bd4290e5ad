"""Mouths that say known things, drawn quickly:  python -m training.data.build_drawn_mouths --out DIR --speech STORE

Fills DIR/drawn_mouths with grey pictures of the open head's mouth at 25 Hz, as the differentiable renderer of `spectre`
draws it, of random people, coats and lights: a lip reader must be at home there. A picture takes 10 ms.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from models.flame_torch import matrix_from_axis_angle
from models.head.crop import CROP_MIDDLE_M, CROP_SIDE_M
from models.head.flame import open_head
from models.head.landmarks import MOUTH_ROWS
from training.data.build_talking_faces import RATE_HZ, Line, Lines
from training.data.face_store import MARGIN, FaceClipInfo
from training.data.mouths import DRAWN_FILE, DRAWN_MARGIN, DRAWN_PX, MOUTH_SIDE, smoothed
from training.data.speech_clips import SIDECAR
from training.losses.face_surface import FaceSurface, projected
from training.losses.mouth import EXPRESSION_SIZE
from training.render.mouth_pictures import MouthPictures, Seen, draw_coat, draw_light

NAME = "drawn_mouths"
_HELD_OUT = {0: "val", 5: "test"}  # of every 10 clips
_TURN_RAD, _SWAY_RAD = (0.12, 0.25, 0.08), 0.03  # pitch, yaw, roll
_FOCAL = (1.5, 5.0)  # in crop sides


class Drawer:
    """Draws lines as random people would say them."""

    def __init__(self) -> None:
        self._surface = FaceSurface(open_head())
        self._pictures = MouthPictures(size_px=DRAWN_PX)

    def draw(self, rng: np.random.Generator, line: Line) -> np.ndarray:
        """uint8 [n, 104, 104]."""
        motion = torch.tensor(line.motion, dtype=torch.float32)
        count = len(motion)
        shape = np.clip(rng.normal(0.0, 1.0, 100), -3.0, 3.0)
        begin, end = rng.normal(0.0, _TURN_RAD), rng.normal(0.0, _SWAY_RAD, 3)
        turn = begin + np.linspace(0.0, 1.0, count)[:, None] * end
        rotation = matrix_from_axis_angle(torch.tensor(turn, dtype=torch.float32))
        scale = 1.0 / (MARGIN * CROP_SIDE_M)
        place = np.array([0.5 - scale * CROP_MIDDLE_M[0], 0.5 + scale * CROP_MIDDLE_M[1], scale])
        focal = torch.full((count,), float(rng.uniform(*_FOCAL)))
        seen = Seen(
            shape=_repeated(shape, count),
            eyelids=torch.zeros(count, 2),
            gaze=torch.zeros(count, 4),
            rotation=rotation,
            place=_repeated(place, count),
            focal=focal,
            box=torch.zeros(count, 3),
        )
        points = projected(self._surface(motion, shape=seen.shape), rotation, seen.place, focal)[:, MOUTH_ROWS]
        middle = torch.tensor(smoothed(points.mean(dim=1).double().numpy()), dtype=torch.float32)
        box = torch.cat([middle, torch.full((count, 1), MOUTH_SIDE * DRAWN_MARGIN)], dim=1)
        with torch.no_grad():
            expression, jaw = motion.split([EXPRESSION_SIZE, 3], dim=1)
            drawn = self._pictures(expression, jaw, seen.looked_at(box), draw_coat(rng), draw_light(rng))
        return np.round(255.0 * drawn.numpy()).astype(np.uint8)


def _repeated(values: np.ndarray, count: int) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).expand(count, -1)


def build(folder: Path, lines: Lines, clips: int, pictures: int, seed: int) -> None:
    """Append clips to the store `folder` until there are `clips`."""
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "index.jsonl"
    done = len(index.read_text().splitlines()) if index.exists() else 0
    drawer, size = Drawer(), DRAWN_PX**2
    with (folder / DRAWN_FILE).open("ab") as file, index.open("a") as rows, (folder / SIDECAR).open("a") as sidecar:
        file.truncate(done * pictures * size)  # what a crash left behind
        for number in track(range(done, clips), NAME):
            rng = np.random.default_rng([seed, number, 3])
            name, split = f"drawn-{seed}-{number:05d}", _HELD_OUT.get(number % 10, "train")
            line = lines.draw(rng, pictures, split)
            said = [[p.symbol, round(p.start_s, 4), round(p.end_s, 4), p.stress] for p in line.phones]
            sidecar.write(json.dumps({"name": name, "seed": seed, "phones": said}, ensure_ascii=False) + "\n")
            file.write(drawer.draw(rng, line).tobytes())
            for part in (sidecar, file):
                part.flush()
            info = FaceClipInfo(name, name, NAME, "synthetic", "free", split, RATE_HZ)
            rows.write(json.dumps({**asdict(info), "first": number * pictures, "count": pictures}) + "\n")
            rows.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--speech", type=Path, required=True, help="folder of a speech store")
    parser.add_argument("--clips", type=int, default=800)
    parser.add_argument("--pictures", type=int, default=50, help="of a clip, at 25 Hz; the same whenever it goes on")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    build(arguments.out / NAME, Lines(arguments.speech), arguments.clips, arguments.pictures, arguments.seed)


if __name__ == "__main__":
    main()
