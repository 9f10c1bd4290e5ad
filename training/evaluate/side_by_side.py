"""Pictures to judge the video path by:  python -m training.evaluate.side_by_side CLIP... [--subject native]

For every clip one sheet: some of its frames, each beside the head rendered with the motion and through the camera that
the subject found, and a line of figures (frames tracked, time). Look at them: mouth, lids, brows, gaze, pose.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from driver.face_model import find_face_model
from driver.types import Motion, VideoFrame
from models.head.crop import PictureCamera
from models.head.flame import FaceRig, HeadModel, open_head
from models.head.picture import Camera, render_through
from training.evaluate.video import MODEL
from training.evaluate.video_subjects import USUAL_FOCAL, FaceSubject, MediaPipeSolver, NativeFace

Picture = NDArray[np.uint8]

SUBJECTS = ("mediapipe", "native")
_TILE_PX = 300
_MARGIN = 1.7  # tile side over the face's width


@dataclass(frozen=True, eq=False)
class Step:
    """One picture of a clip and what came of it; `box` is (left, top, side) of the face in pixels, None without one.

    camera   to which the motion's pose belongs
    """

    image: Picture
    motion: Motion
    camera: PictureCamera
    box: tuple[float, float, float] | None
    cost_ms: float


def steps(clip: Path, subject: FaceSubject) -> Iterator[Step]:
    """The clip through a subject that tells every picture at once, picture by picture."""
    capture = cv2.VideoCapture(str(clip))
    period_ns = round(1e9 / (capture.get(cv2.CAP_PROP_FPS) or 25.0))
    subject.begin(USUAL_FOCAL)
    index = 0
    while (read := capture.read())[0]:
        image = np.ascontiguousarray(read[1][:, :, ::-1], np.uint8)
        began = time.thread_time()
        sight = subject.look(VideoFrame(image, index * period_ns, index))
        cost_ms = (time.thread_time() - began) * 1e3
        box = None
        if sight.points is not None:
            low, high = sight.points.min(axis=0), sight.points.max(axis=0)
            side = float((high - low).max()) * _MARGIN
            middle = (low + high) / 2 - side / 2
            box = (float(middle[0]), float(middle[1]), side)
        motion = sight.motion or Motion(index * period_ns)
        yield Step(image, motion, subject.camera((image.shape[1], image.shape[0])), box, cost_ms)
        index += 1


def sheet(chosen: Sequence[Step], head: HeadModel, columns: int) -> Picture:
    """Pairs of tiles (frame, head), `columns` pairs a row, cut out around the face."""
    pairs = [np.hstack([_tile(step.image, step.box), _tile(rendered(step, head), step.box)]) for step in chosen]
    pairs += [np.zeros_like(pairs[0])] * (-len(pairs) % columns)
    return np.vstack([np.hstack(pairs[start : start + columns]) for start in range(0, len(pairs), columns)])


def rendered(step: Step, head: HeadModel) -> Picture:
    """The head as the picture's camera would see it, uint8 of the picture's size."""
    height, width = step.image.shape[:2]
    motion = step.motion
    vertices = FaceRig(head, motion.shape).vertices(
        motion.expression, motion.jaw, motion.eyelids, motion.gaze, motion.head_rotation, motion.head_translation
    )
    return render_through(Camera(step.camera.focal_px, step.camera.centre_px, (width, height)), vertices, head)


def _tile(image: Picture, box: tuple[float, float, float] | None) -> Picture:
    if box is None:
        return np.zeros((_TILE_PX, _TILE_PX, 3), np.uint8)
    left, top, side = box
    scale = _TILE_PX / side
    matrix = np.array([[scale, 0.0, -left * scale], [0.0, scale, -top * scale]])
    return np.asarray(cv2.warpAffine(image, matrix, (_TILE_PX, _TILE_PX), flags=cv2.INTER_LINEAR), np.uint8)


def judge(clip: Path, out: Path, subject: FaceSubject, count: int, columns: int) -> str:
    """Write the sheet of one clip and return its line of figures."""
    seen = list(steps(clip, subject))
    tracked = [step for step in seen if step.box is not None]
    line = f"{clip.parent.name}/{clip.name}: {len(tracked)}/{len(seen)} frames tracked"
    if not tracked:
        return line
    chosen = [tracked[round(place)] for place in np.linspace(0, len(tracked) - 1, count)]
    picture = sheet(chosen, open_head(), columns)
    name = "_".join((*clip.parts[-3:-1], clip.stem)) + ".png"
    cv2.imwrite(str(out / name), picture[:, :, ::-1])
    middle, slow = np.percentile([step.cost_ms for step in tracked], [50, 99])
    return f"{line}, {subject.name} p50 {middle:.1f} ms p99 {slow:.1f} ms -> {name}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Sheets of frames beside the rendered head.")
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("sheets"))
    parser.add_argument("--subject", choices=SUBJECTS, default=SUBJECTS[0], help="who reads the face")
    parser.add_argument("--model", type=Path, default=MODEL, help="file of the native network")
    parser.add_argument("--face-model", type=Path, default=None, help="face_landmarker.task; found as the driver does")
    parser.add_argument("--frames", type=int, default=12, help="frames on a sheet, spread over the clip")
    parser.add_argument("--columns", type=int, default=3)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    face_model = find_face_model(arguments.face_model)
    is_native = arguments.subject == "native"
    subject = NativeFace(arguments.model) if is_native else MediaPipeSolver(face_model)
    for clip in arguments.clips:
        print(judge(clip, arguments.out, subject, arguments.frames, arguments.columns), flush=True)


if __name__ == "__main__":
    main()
