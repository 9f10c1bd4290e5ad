"""Shapes that other trackers leave at rest:  python -m training.evaluate.channel_sheet --stores DIR --out FILE

A row for each channel of `training.evaluate.video_channels.DEAD`: the drawn face of the held-out synthetic ones that
makes it most, the head as it truly is, then as each subject tells it, all from the front.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from driver.face_model import find_face_model
from driver.types import VideoFrame
from models.head.arkit import ArkitMap
from models.head.flame import FaceRig, HeadModel, open_head
from models.head.picture import Camera, render_through
from protocol.frame import ARKIT_SHAPES, PART_BY_NAME
from training.evaluate.video import MODEL
from training.evaluate.video_channels import DEAD, weights_of, whole
from training.evaluate.video_judged import Floats
from training.evaluate.video_material import SYNTHETIC, Scene, load
from training.evaluate.video_on_synthetic import frontal
from training.evaluate.video_subjects import FaceSubject, MediaPipeSolver, NativeFace

Picture = NDArray[np.uint8]

_TILE_PX = 160
_LABEL_PX = 18
_FOCAL, _DISTANCE_M = 3.0, 0.9


def strongest(scenes: Sequence[Scene], arkit: ArkitMap) -> dict[str, tuple[Scene, int, float]]:
    """Of each channel the scene, the picture in it and the weight that make it most, from the front and uncovered."""
    found: dict[str, tuple[Scene, int, float]] = {}
    for scene in scenes:
        true = np.where(frontal(scene)[:, None], weights_of(arkit, whole(scene.truths)), -1.0)
        for name in DEAD:
            values = true[:, ARKIT_SHAPES.index(name)]
            picture = int(np.argmax(values))
            if name not in found or values[picture] > found[name][2]:
                found[name] = (scene, picture, float(values[picture]))
    return found


def sheet(shown: Mapping[str, tuple[Scene, int, float]], subjects: Sequence[FaceSubject], head: HeadModel) -> Picture:
    """All rows, uint8 RGB."""
    titles = ["picture", "truth", *(subject.name for subject in subjects)]
    rows = [np.hstack([_label(title, _TILE_PX) for title in titles])]
    for name, (scene, number, weight) in shown.items():
        image = list(scene.frames())[number].image
        truth = {part: values[number] for part, values in scene.truths.items()}
        tiles = [cv2.resize(image, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA), _head(head, truth)]
        for subject in subjects:
            subject.begin(scene.focal)
            motion = subject.look(VideoFrame(image, 1, 0)).motion
            told = {part: getattr(motion, part) for part in ("expression", "jaw", "eyelids", "gaze")} if motion else {}
            tiles.append(_head(head, told | {"shape": truth["shape"]}))
        rows += [np.hstack(tiles), _label(f"{name} {weight:.2f}", _TILE_PX * len(tiles))]
    return np.vstack(rows)


def _head(head: HeadModel, parts: Mapping[str, Floats]) -> Picture:
    def part(name: str) -> Floats:
        return parts.get(name, np.zeros(PART_BY_NAME[name].size))

    place = np.array([0.0, 0.02, -_DISTANCE_M])
    vertices = FaceRig(head, part("shape")).vertices(
        part("expression"), part("jaw"), part("eyelids"), part("gaze"), np.zeros(3), place
    )
    camera = Camera(_FOCAL * _TILE_PX, (0.5 * _TILE_PX, 0.5 * _TILE_PX), (_TILE_PX, _TILE_PX))
    return render_through(camera, vertices, head)


def _label(text: str, width: int) -> Picture:
    strip = np.full((_LABEL_PX, width, 3), 30, np.uint8)
    cv2.putText(strip, text, (4, _LABEL_PX - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (230, 230, 230), 1, cv2.LINE_AA)
    return strip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate.channel_sheet", description="Drawn faces beside what is told of them."
    )
    parser.add_argument("--stores", type=Path, required=True, help="folder with the store synthetic_faces")
    parser.add_argument("--model", type=Path, default=MODEL, help="our face.onnx; its detector lies beside it")
    parser.add_argument("--face-model", type=Path, default=None, help="face_landmarker.task; found as the driver does")
    parser.add_argument("--out", type=Path, required=True, help="a .png or .webp file")
    given = parser.parse_args(arguments)
    head = open_head()
    scenes = load(None, given.stores).scenes[SYNTHETIC]
    subjects = [NativeFace(given.model), MediaPipeSolver(find_face_model(given.face_model))]
    Image.fromarray(sheet(strongest(scenes, ArkitMap(head)), subjects, head)).save(given.out, quality=80)


if __name__ == "__main__":
    main()
