"""Oculus visemes as faces of ours: what a peer that speaks in visemes looks like on the open head.

Neither Meta nor the peers publish a table from visemes to ARKit's shapes; this one is read off Meta's reference
pictures of each viseme at full strength, so that a person can check and correct it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.head.flame import HeadModel
from protocol.frame import ARKIT_SHAPES
from training.data.clips import MOTION_SIZE

# In the order in which the visemes are numbered everywhere. A name without its side means both.
VISEMES: dict[str, dict[str, float]] = {
    "aa": {"jawOpen": 0.60, "mouthLowerDown": 0.20, "mouthUpperUp": 0.15},
    "E": {"jawOpen": 0.35, "mouthStretch": 0.20, "mouthSmile": 0.10, "mouthLowerDown": 0.20, "mouthUpperUp": 0.10},
    "I": {"jawOpen": 0.18, "mouthStretch": 0.30, "mouthSmile": 0.20, "mouthLowerDown": 0.20, "mouthUpperUp": 0.10},
    "O": {"jawOpen": 0.40, "mouthFunnel": 0.50, "mouthPucker": 0.20},
    "U": {"jawOpen": 0.15, "mouthPucker": 0.60, "mouthFunnel": 0.30},
    "PP": {"mouthPress": 0.40, "mouthRollLower": 0.25, "mouthRollUpper": 0.25},
    "SS": {"jawOpen": 0.06, "mouthStretch": 0.25, "mouthLowerDown": 0.25, "mouthUpperUp": 0.10},
    "TH": {"jawOpen": 0.16, "mouthLowerDown": 0.15, "mouthUpperUp": 0.10},
    "DD": {"jawOpen": 0.14, "mouthLowerDown": 0.20, "mouthUpperUp": 0.12},
    "FF": {"jawOpen": 0.06, "mouthRollLower": 0.40, "mouthUpperUp": 0.20},
    "kk": {"jawOpen": 0.20, "mouthLowerDown": 0.15, "mouthUpperUp": 0.10},
    "nn": {"jawOpen": 0.14, "mouthLowerDown": 0.15, "mouthUpperUp": 0.05},
    "RR": {"jawOpen": 0.14, "mouthFunnel": 0.30, "mouthPucker": 0.15},
    "CH": {"jawOpen": 0.12, "mouthFunnel": 0.45, "mouthPucker": 0.10, "mouthLowerDown": 0.10},
    "sil": {},
}


def viseme_motions(head: HeadModel) -> NDArray[np.float32]:
    """float32 [15, 53]: expression and jaw of each viseme at full strength. ValueError on a head without ARKit."""
    if head.arkit_motion is None:
        raise ValueError(f"head {head.id} has no ARKit table; take the open head")
    weights = np.zeros((len(VISEMES), len(ARKIT_SHAPES)), np.float32)
    for row, shapes in enumerate(VISEMES.values()):
        for name, weight in shapes.items():
            for full in (name,) if name in ARKIT_SHAPES else (name + "Left", name + "Right"):
                weights[row, ARKIT_SHAPES.index(full)] = weight
    return weights @ head.arkit_motion[:, :MOTION_SIZE]
