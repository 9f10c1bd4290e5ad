"""Pictures to judge the video path by:  python -m training.evaluate.side_by_side CLIP... [--out FOLDER]

For every clip one sheet: some of its frames, each beside the head rendered with the motion and through the camera that
the solver found, and a line of figures (frames tracked, time). Look at them: mouth, lids, brows, gaze, pose.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from driver.face_model import find_face_model
from driver.landmark_solver import LandmarkSolver
from driver.track import FaceTracker
from driver.types import Motion, VideoFrame
from models.head.flame import FaceRig, HeadModel, open_head
from training.head.picture import Camera, render_through

Picture = NDArray[np.uint8]

_TILE_PX = 300
_MARGIN = 1.7  # tile side over the face's width


@dataclass(frozen=True, eq=False)
class Step:
    """One picture of a clip and what came of it; `box` is (left, top, side) of the face in pixels, None without one."""

    image: Picture
    motion: Motion
    box: tuple[float, float, float] | None
    solve_ms: float


def steps(clip: Path, face_model: Path, solver: LandmarkSolver) -> Iterator[Step]:
    """The clip through tracker and solver, picture by picture."""
    tracker = FaceTracker(face_model)
    capture = cv2.VideoCapture(str(clip))
    period_ns = round(1e9 / (capture.get(cv2.CAP_PROP_FPS) or 25.0))
    index = 0
    while (read := capture.read())[0]:
        image = np.ascontiguousarray(read[1][:, :, ::-1], np.uint8)
        track = tracker.process(VideoFrame(image, index * period_ns, index))
        began = time.perf_counter()
        motion = solver.process(track)
        solve_ms = (time.perf_counter() - began) * 1e3
        box = None
        if track.landmarks is not None:
            low, high = track.landmarks[:, :2].min(axis=0), track.landmarks[:, :2].max(axis=0)
            side = float((high - low).max()) * _MARGIN
            middle = (low + high) / 2 - side / 2
            box = (float(middle[0]), float(middle[1]), side)
        yield Step(image, motion, box, solve_ms)
        index += 1


def sheet(chosen: list[Step], solver: LandmarkSolver, head: HeadModel, columns: int) -> Picture:
    """Pairs of tiles (frame, head), `columns` pairs a row, cut out around the face."""
    pairs = [
        np.hstack([_tile(step.image, step.box), _tile(_rendered(step, solver, head), step.box)]) for step in chosen
    ]
    pairs += [np.zeros_like(pairs[0])] * (-len(pairs) % columns)
    return np.vstack([np.hstack(pairs[start : start + columns]) for start in range(0, len(pairs), columns)])


def _rendered(step: Step, solver: LandmarkSolver, head: HeadModel) -> Picture:
    height, width = step.image.shape[:2]
    motion = step.motion
    vertices = FaceRig(head, motion.shape).vertices(
        motion.expression, motion.jaw, motion.eyelids, motion.gaze, motion.head_rotation, motion.head_translation
    )
    pinhole = solver.camera((width, height))
    camera = Camera(pinhole.focal_px, pinhole.centre_px, (width, height))
    return render_through(camera, vertices, head)


def _tile(image: Picture, box: tuple[float, float, float] | None) -> Picture:
    if box is None:
        return np.zeros((_TILE_PX, _TILE_PX, 3), np.uint8)
    left, top, side = box
    scale = _TILE_PX / side
    matrix = np.array([[scale, 0.0, -left * scale], [0.0, scale, -top * scale]])
    return np.asarray(cv2.warpAffine(image, matrix, (_TILE_PX, _TILE_PX), flags=cv2.INTER_LINEAR), np.uint8)


def judge(clip: Path, out: Path, face_model: Path, count: int, columns: int) -> str:
    """Write the sheet of one clip and return its line of figures."""
    head, solver = open_head(), LandmarkSolver()
    seen = list(steps(clip, face_model, solver))
    tracked = [step for step in seen if step.box is not None]
    line = f"{clip.parent.name}/{clip.name}: {len(tracked)}/{len(seen)} frames tracked"
    if not tracked:
        return line
    chosen = [tracked[round(place)] for place in np.linspace(0, len(tracked) - 1, count)]
    picture = sheet(chosen, solver, head, columns)
    name = "_".join((*clip.parts[-3:-1], clip.stem)) + ".png"
    cv2.imwrite(str(out / name), picture[:, :, ::-1])
    middle, slow = np.percentile([step.solve_ms for step in tracked], [50, 99])
    return f"{line}, solver p50 {middle:.1f} ms p99 {slow:.1f} ms -> {name}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Sheets of frames beside the rendered head.")
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("sheets"))
    parser.add_argument("--face-model", type=Path, default=None, help="face_landmarker.task; found as the driver does")
    parser.add_argument("--frames", type=int, default=12, help="frames on a sheet, spread over the clip")
    parser.add_argument("--columns", type=int, default=3)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    face_model = find_face_model(arguments.face_model)
    for clip in arguments.clips:
        print(judge(clip, arguments.out, face_model, arguments.frames, arguments.columns), flush=True)


if __name__ == "__main__":
    main()
