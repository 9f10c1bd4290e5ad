"""MediaPipe's own 52 blendshape scores: the third network of its face landmarker, on the landmarks of a picture.

The network takes 146 of the 478 landmarks in pixels and gives 52 scores in 0..1: "_neutral", and ARKit's names but for
tongueOut in alphabetical order.
"""

from __future__ import annotations

import zipfile
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driver.face_networks import Network
from protocol.frame import ARKIT_SHAPES

Floats = NDArray[np.float32]

_NETWORK = "face_blendshapes.tflite"
_NOT_SCORED = "tongueOut"

# Which landmarks the network was trained on, as ranges and single ones (MediaPipe's face_blendshapes_graph).
_USED = tuple(
    chain(
        (0, 1, *range(4, 9), 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, *range(52, 56), 58, 61, 63, *range(65, 68), 70),
        (78, *range(80, 83), 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, *range(144, 147)),
        (*range(148, 151), *range(152, 156), *range(157, 164), 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234),
        (246, 249, 251, 263, 267, 269, 270, 276, *range(282, 286), 288, 291, 293, *range(295, 298), 300, 308),
        (*range(310, 313), 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, *range(373, 376)),
        (*range(377, 383), *range(384, 391), 397, 398, 400, 402, 405, 409, 415, 454, 466, *range(468, 478)),
    )
)
_NAMES = tuple(sorted(set(ARKIT_SHAPES) - {_NOT_SCORED}))
_COLUMNS = np.array([ARKIT_SHAPES.index(name) for name in _NAMES])


class BlendshapeScores:
    """Landmarks [478, 2 or 3] in pixels -> float32 [52] in the order of ARKIT_SHAPES; NaN for tongueOut."""

    def __init__(self, face_model: Path) -> None:
        """`face_model` is a face_landmarker.task. KeyError when the network is not in it."""
        with zipfile.ZipFile(face_model) as archive:
            self._network = Network(archive.read(_NETWORK))

    def __call__(self, landmarks: Floats) -> Floats:
        used = np.ascontiguousarray(landmarks[list(_USED), :2], np.float32)
        (scores,) = self._network(used[None]).values()
        told = np.full(len(ARKIT_SHAPES), np.nan, np.float32)
        told[_COLUMNS] = scores.ravel()[1:]
        return told
