"""People who make one shape after the other:  python -m training.data.build_acted_shapes --out DIR [--data SHARED]

Fills DIR/acted_shapes, a store of crops to judge by, not to learn from: each clip is one person in one place, at rest
and then in each of `training.render.acting.EACH`, so that it can be asked how much of what a face does is told of it,
whoever it is. The people are others than those of `build_synthetic_faces`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.progress import track

from models.head.arkit import ArkitMap
from models.head.flame import open_head
from training.data.face_store import FaceClip, FaceClipInfo, FaceWriter
from training.render.acting import each_shape
from training.render.framing import draw_shot
from training.render.studio import Studio

NAME = "acted_shapes"
_RATE_HZ = 30.0
# Apart from every seed that pictures to learn from have.
_SEED = 77_001


def act(studio: Studio, arkit: ArkitMap, number: int) -> FaceClip:
    """The clip of the person of this number, seen clearly and from the front."""
    rng = np.random.default_rng([_SEED, number])
    person = studio.cast.person(rng)
    acts = each_shape(rng, arkit)
    shot = draw_shot(rng, 1, _RATE_HZ, is_clear=True).held(len(acts.expression))
    name = f"acted-{number:03d}"
    info = FaceClipInfo(name, name, "render", "synthetic", "free", "test", _RATE_HZ)
    return studio.film(rng, person, acts, shot, studio.draw_set(rng, person, is_clear=True), info)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--data", type=Path, help="the folder of MANIFEST.tsv: MakeHuman's assets, environment maps")
    given = parser.parse_args()
    studio, arkit = Studio(given.data), ArkitMap(open_head())
    with FaceWriter(given.out / NAME) as writer:
        for number in track(range(given.people), "people"):
            writer.add(act(studio, arkit, number))


if __name__ == "__main__":
    main()
