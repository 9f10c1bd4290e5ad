"""The expression basis: what a face does besides turning jaw and eyes and closing lids.

39 of ARKit's 52 shapes are such actions. The nine of them that move the middle of the face as a whole may also act
on one side alone, and flared nostrils and a tense neck complete the 50. The basis spans these actions exactly; its axes
and its unit, the standard deviation, come from random plausible faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.head.arkit import mirrored_name
from protocol.frame import ARKIT_SHAPES
from training.head.basis import MirrorBasis, mirror_basis
from training.head.plausible import draw_faces
from training.head.rig import FULL_GAZE_PITCH_RAD, FULL_GAZE_YAW_RAD, Rig
from training.head.seal import sealed
from training.head.source import Doubles, Longs, Source
from training.head.topology import Topology

EXPRESSION_COUNT = 50

_JOINT_SHAPES = ("jawOpen", "jawLeft", "jawRight")
_EXPRESSION_SHAPES = tuple(
    name for name in ARKIT_SHAPES if name not in _JOINT_SHAPES and not name.startswith(("eyeBlink", "eyeLook"))
)
_SPLIT_SHAPES = (
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "browInnerUp",
    "cheekPuff",
)
# Half the width, in m, of the soft border between the sides of the face.
_SPLIT_HALF_WIDTH_M = 0.015
_SPLIT_SPREAD = 0.25
_EXTRA_MEAN = 0.15
_FACE_COUNT = 4000


@dataclass(frozen=True, eq=False)
class Expressions:
    """The basis; the eyelids' closing offsets [V, 3, 2]; and each ARKit shape at weight 1 as motion [52, 59]."""

    basis: MirrorBasis
    eyelid_dirs: Doubles
    arkit_motion: Doubles


def build_expressions(
    source: Source, topology: Topology, head: Doubles, rig: Rig, weights: Doubles, inside_mouth: Longs
) -> Expressions:
    """Of the mean `head` [V, 3]; `weights` [V] is how much each vertex counts; triangles of the mouth's inside."""
    shapes = _paired(np.stack([topology.offsets(source.face_unit(name)) for name in _EXPRESSION_SHAPES]), topology)
    close = _EXPRESSION_SHAPES.index("mouthClose")
    # The source's mouthClose is drawn on the open jaw; all others on the closed one. There it must seal the lips.
    closed = head + rig.opened + shapes[close]
    shapes[close] = rig.before_jaw(shapes[close] + sealed(closed, topology, inside_mouth))
    split = shapes[[_EXPRESSION_SHAPES.index(name) for name in _SPLIT_SHAPES]]
    left_share = np.clip(0.5 + 0.5 * head[:, 0] / _SPLIT_HALF_WIDTH_M, 0.0, 1.0)
    left_share = left_share * left_share * (3.0 - 2.0 * left_share)
    one_sided = split * (2.0 * left_share - 1.0)[:, None]
    actions = np.concatenate([shapes, one_sided, _extra_actions(source, topology)])
    if len(actions) != EXPRESSION_COUNT:
        raise ValueError(f"there are {len(actions)} actions; the basis has {EXPRESSION_COUNT} components")

    rng = np.random.default_rng(0)
    faces = draw_faces(rng, _FACE_COUNT)[:, [ARKIT_SHAPES.index(name) for name in _EXPRESSION_SHAPES]]
    amounts = np.concatenate(
        [
            faces,
            # One side of a middle shape can do no more than the shape does.
            np.clip(rng.normal(0.0, _SPLIT_SPREAD, (_FACE_COUNT, len(split))), -1.0, 1.0)
            * faces[:, [_EXPRESSION_SHAPES.index(name) for name in _SPLIT_SHAPES]],
            rng.exponential(_EXTRA_MEAN, (_FACE_COUNT, EXPRESSION_COUNT - len(shapes) - len(split))),
        ],
        axis=1,
    )
    # The faces' second moment lives in the 50 actions: its square root stands for all samples.
    moment = amounts.T @ amounts / _FACE_COUNT
    values, vectors = np.linalg.eigh(moment)
    few = np.sqrt(len(values) * np.maximum(values, 0.0))[:, None] * vectors.T
    basis = mirror_basis(np.einsum("ka,avc->kvc", few, actions), topology, weights, EXPRESSION_COUNT)

    flat = basis.dirs.reshape(-1, EXPRESSION_COUNT)
    coefficients: Doubles = np.linalg.lstsq(flat, shapes.reshape(len(shapes), -1).T, rcond=None)[0].T.astype(np.float64)
    return Expressions(
        basis=basis,
        eyelid_dirs=_eyelid_dirs(source, topology),
        arkit_motion=_arkit_motion(coefficients, rig),
    )


def _paired(shapes: Doubles, topology: Topology) -> Doubles:
    """The shapes with each left one the exact mirror image of its right one, and the others symmetric."""
    other = [_EXPRESSION_SHAPES.index(mirrored_name(name)) for name in _EXPRESSION_SHAPES]
    return 0.5 * (shapes + topology.mirrored(shapes[other]))


def _extra_actions(source: Source, topology: Topology) -> Doubles:
    """Flared nostrils and a tense neck, the mean of the source's three ancestries, symmetric [2, V, 3]."""
    units = [f"expression/units/{ancestry}/" for ancestry in ("african", "asian", "caucasian")]

    def mean(*names: str) -> Doubles:
        offsets = np.mean([[topology.offsets(source.target(unit + name)) for unit in units] for name in names], axis=1)
        total = offsets.sum(axis=0)
        return 0.5 * (total + topology.mirrored(total))

    return np.stack([mean("nose-left-dilatation", "nose-right-dilatation"), mean("neck-platysma")])


def _eyelid_dirs(source: Source, topology: Topology) -> Doubles:
    left = topology.offsets(source.face_unit("eyeBlinkLeft"))
    left = 0.5 * (left + topology.mirrored(topology.offsets(source.face_unit("eyeBlinkRight"))))
    return np.stack([left, topology.mirrored(left)], axis=2)


def _arkit_motion(coefficients: Doubles, rig: Rig) -> Doubles:
    """Rows of ARKIT_SHAPES; columns expression, jaw 3, eyelids 2, gaze 4."""
    motion = np.zeros((len(ARKIT_SHAPES), EXPRESSION_COUNT + 9))
    jaw, eyelids, gaze = EXPRESSION_COUNT, EXPRESSION_COUNT + 3, EXPRESSION_COUNT + 5
    row = ARKIT_SHAPES.index
    for name, values in zip(_EXPRESSION_SHAPES, coefficients, strict=True):
        motion[row(name), :EXPRESSION_COUNT] = values
    motion[row("jawOpen"), jaw] = rig.jaw_open_rad
    motion[row("jawLeft"), jaw + 1] = rig.jaw_left_rad
    motion[row("jawRight"), jaw + 1] = -rig.jaw_left_rad
    for eye, (side, leftwards, rightwards) in enumerate((("Left", "Out", "In"), ("Right", "In", "Out"))):
        motion[row(f"eyeBlink{side}"), eyelids + eye] = 1.0
        motion[row(f"eyeLookDown{side}"), gaze + 2 * eye] = FULL_GAZE_PITCH_RAD
        motion[row(f"eyeLookUp{side}"), gaze + 2 * eye] = -FULL_GAZE_PITCH_RAD
        motion[row(f"eyeLook{leftwards}{side}"), gaze + 2 * eye + 1] = FULL_GAZE_YAW_RAD
        motion[row(f"eyeLook{rightwards}{side}"), gaze + 2 * eye + 1] = -FULL_GAZE_YAW_RAD
    return motion
