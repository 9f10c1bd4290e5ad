"""Faces with exact truth:  python -m training.data.build_synthetic_faces --out DIR [--pictures N] [--data SHARED]

Fills DIR/synthetic_faces, a store of crops (`training.data.face_store`): random people before random cameras. The same
seed gives the same pictures on the same machine; started again, it goes on where it stopped. `--moments` fills
DIR/moments instead: each person stays in one place and makes one face after the other, at rest first. `--sheet FILE`
draws 64 of a store's pictures, points on them, instead of drawing people.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from training.data.face_store import PICTURE_PX, FaceClip, FaceStore, FaceWriter
from training.render.studio import Studio, Unit, plan_moments, plan_unit

NAME, MOMENTS = "synthetic_faces", "moments"
_SHEET_SIDE = 8
_studio: Studio | None = None


def build(
    folder: Path,
    pictures: int,
    data: Path | None,
    seed: int,
    workers: int,
    progress: Progress | None = None,
    plan: Callable[[int, int], Unit] = plan_unit,
) -> None:
    """Append units as `plan(seed, number)` has them to the store `folder` until at least `pictures` are in it."""
    with FaceWriter(folder) as writer:
        units, done = list[Unit](), 0
        for number in count():
            if done >= pictures:
                break
            unit = plan(seed, number)
            done += unit.pictures
            if not writer.names.issuperset(unit.names()):
                units.append(unit)
        task = (
            progress.add_task("pictures", total=pictures, completed=done - sum(unit.pictures for unit in units))
            if progress
            else None
        )
        for clips in _made(units, data, workers):
            for clip in clips:
                writer.add(clip)
            if progress and task is not None:
                progress.update(task, advance=sum(len(clip.pictures) for clip in clips))


def _made(units: list[Unit], data: Path | None, workers: int) -> Iterator[list[FaceClip]]:
    """The units' clips, in order."""
    if workers == 1:
        _open_studio(data)
        yield from map(_make, units)
        return
    # A forked OpenGL context is none.
    with ProcessPoolExecutor(workers, get_context("spawn"), _open_studio, (data,)) as pool:
        yield from pool.map(_make, units)


def _open_studio(data: Path | None) -> None:
    global _studio
    os.environ.setdefault("LP_NUM_THREADS", "0")  # software OpenGL draws on one core: each worker has its own
    cv2.setNumThreads(1)
    _studio = Studio(data)


def _make(unit: Unit) -> list[FaceClip]:
    assert _studio is not None
    return _studio.make(unit)


def draw_sheet(store: FaceStore, path: Path, seed: int) -> None:
    """64 pictures of different clips, twice as large: seen points green, hidden ones red."""
    chosen = np.random.default_rng(seed).permutation(len(store))[: _SHEET_SIDE**2]
    side = 2 * PICTURE_PX
    sheet = np.zeros((_SHEET_SIDE * side, _SHEET_SIDE * side, 3), np.uint8)
    for place, number in enumerate(chosen):
        clip = store[int(number)]
        at = len(clip.pictures) // 2
        tile = cv2.resize(clip.pictures[at], (side, side), interpolation=cv2.INTER_LINEAR)
        points = clip.truths["points"][at].reshape(-1, 2)
        for (x, y), seen in zip(points, clip.truths["points_seen"][at], strict=True):
            if np.isfinite([x, y]).all():
                cv2.circle(tile, (int(x * side), int(y * side)), 1, (60, 255, 60) if seen > 0.5 else (255, 40, 40), -1)
        row, column = divmod(place, _SHEET_SIDE)
        sheet[row * side : (row + 1) * side, column * side : (column + 1) * side] = tile
    cv2.imwrite(str(path), sheet[:, :, ::-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=24_000)
    parser.add_argument("--data", type=Path, help="the folder of MANIFEST.tsv: MakeHuman's assets, environment maps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--moments", action="store_true", help="fill the store moments instead")
    parser.add_argument("--sheet", type=Path, help="draw a contact sheet of the store instead")
    arguments = parser.parse_args()
    folder = arguments.out / (MOMENTS if arguments.moments else NAME)
    if arguments.sheet:
        draw_sheet(FaceStore(folder), arguments.sheet, arguments.seed)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        plan = plan_moments if arguments.moments else plan_unit
        build(folder, arguments.pictures, arguments.data, arguments.seed, arguments.workers, progress, plan)


if __name__ == "__main__":
    main()
