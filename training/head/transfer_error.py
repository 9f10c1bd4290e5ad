"""How far off the motion map is: `python -m training.head.transfer_error [--heads N]`.

Each head is made up (`flame_like`), written as a FLAME pickle, read back, registered and mapped like a user's file. Its
true motion is known, so the error is the real one. The floor is what the head's own components can do at best.
"""

from __future__ import annotations

import argparse
import json
import pickle
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from models.head.flame import EYELID_COUNT, FaceRig, HeadModel, open_head
from models.head.flame_file import load_flame
from models.head.register import register
from models.head.retarget import JAW_SIZE, FaceFit, MotionMap, random_faces, solve_motion_map
from models.head.surface import vertex_normals
from training.head.flame_like import FlameLike, flame_like
from training.head.remesh import Doubles

_FACES = 40
# The face: skin that faces forward and moves this much on average.
_LEAST_MOTION_M = 1e-3
_NO_GAZE = np.zeros(4)


@dataclass(frozen=True)
class TransferError:
    """Vertex distances over the face and over random faces, in mm: how far the face moves, and how far it is off."""

    motion_rms_mm: float
    rms_mm: float
    p95_mm: float
    max_mm: float
    floor_rms_mm: float
    floor_max_mm: float
    seconds: float


def measure(source: HeadModel, made_up: FlameLike, target: HeadModel) -> tuple[MotionMap, TransferError]:
    """Solve the map from `source` to `target` and compare its faces with the true ones."""
    began = time.perf_counter()
    motion_map = solve_motion_map(source, target)
    seconds = time.perf_counter() - began

    rest = made_up.true_skin(np.zeros(source.expression_count), np.zeros(JAW_SIZE), np.zeros(EYELID_COUNT))
    rig = FaceRig(target, vertex_ids=np.arange(made_up.skin_count))
    fit = FaceFit(source, target, register(source, target))
    moved, mapped, best = [], [], []
    for face in random_faces(source, _FACES, np.random.default_rng(1234)):
        expression, jaw, eyelids = np.split(face, [source.expression_count, source.expression_count + JAW_SIZE])
        true = made_up.true_skin(expression, jaw, eyelids)
        closest = fit.solve(true[fit.rows], eyelids)
        moved.append(true - rest)
        mapped.append(rig.vertices(*motion_map.apply(expression, jaw, eyelids, _NO_GAZE)) - true)
        best.append(rig.vertices(closest[:-JAW_SIZE], closest[-JAW_SIZE:], eyelids, _NO_GAZE) - true)
    motion = np.linalg.norm(moved, axis=2)
    is_face = np.sqrt(np.mean(motion**2, axis=0)) > _LEAST_MOTION_M
    faces = np.asarray(target.f)
    is_face &= vertex_normals(rest, faces[(faces < made_up.skin_count).all(axis=1)].astype(np.int64))[:, 2] > 0.2
    error, floor = (1e3 * np.linalg.norm(misses, axis=2)[:, is_face] for misses in (mapped, best))
    return motion_map, TransferError(
        motion_rms_mm=_rms(1e3 * motion[:, is_face]),
        rms_mm=_rms(error),
        p95_mm=float(np.quantile(error, 0.95)),
        max_mm=float(error.max()),
        floor_rms_mm=_rms(floor),
        floor_max_mm=float(floor.max()),
        seconds=seconds,
    )


def _rms(values: Doubles) -> float:
    return float(np.sqrt(np.mean(values**2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--heads", type=int, default=3, help="how many made-up heads")
    count = parser.parse_args().heads
    errors: list[TransferError] = []
    print("head  motion   error: rms    p95    max   floor: rms    max   solved in")
    for seed in range(count):
        made_up = flame_like(open_head(), seed)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "made_up.pkl"
            path.write_bytes(pickle.dumps(dict(made_up.arrays), 2))
            target = load_flame(path)
        error = measure(open_head(), made_up, target)[1]
        errors.append(error)
        print(
            f"{seed:4}  {error.motion_rms_mm:5.2f} mm  {error.rms_mm:7.3f} {error.p95_mm:6.2f} {error.max_mm:6.2f} mm"
            f"  {error.floor_rms_mm:7.3f} {error.floor_max_mm:6.2f} mm  {error.seconds:6.1f} s",
            flush=True,
        )
    print(json.dumps([asdict(error) for error in errors]))


if __name__ == "__main__":
    main()
