"""Faces from the outputs of the face detector (`models.video.face_detector`), ranked, without doubles. Numpy only.

The detector sees a square of 256 pixels: the whole picture, shrunk (or grown) until its longer side is 256, in the top
left corner; the rest is black. Its coordinates are 0..1 of that square, so times the longer side they are pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DETECTOR_PX = 256
GRID = 32
# A score above this is a face; two boxes that share more than this of their union are one face.
FACE_SCORE = 0.4
_SAME_FACE = 0.35

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """score    0..1
    box      float32 [4]: left, top, right, bottom of the face (brows to chin, ear to ear) in pixels of the picture
    points   float32 [5, 2], pixels: right eye, left eye, tip of the nose, right and left corner of the mouth (the
             subject's); `models.head.crop.crop_of_points` takes the eyes and the mouth's middle
    """

    score: float
    box: Floats
    points: Floats

    @property
    def mouth(self) -> Floats:
        """Middle of the mouth, pixels [2]."""
        return self.points[3:].mean(axis=0)


def fitted_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) in pixels that a picture has in the detector's square."""
    longer = max(width, height)
    return max(1, round(width * DETECTOR_PX / longer)), max(1, round(height * DETECTOR_PX / longer))


def detected_faces(
    score: Floats, boxes: Floats, points: Floats, width: int, height: int, least_score: float = FACE_SCORE
) -> list[DetectedFace]:
    """The faces of a picture of `width` x `height` pixels, largest times surest first.

    score [N] 0..1, boxes [N, 4], points [N, 5, 2] are the detector's outputs of that one picture. ValueError when
    their shapes do not fit.
    """
    if score.ndim != 1 or boxes.shape != (*score.shape, 4) or points.shape != (*score.shape, 5, 2):
        raise ValueError(
            f"score {score.shape}, boxes {boxes.shape} and points {points.shape} are not those of one picture; "
            "pass [N], [N, 4] and [N, 5, 2]"
        )
    order = np.argsort(-score, kind="stable")
    order = order[score[order] >= least_score]
    kept: list[int] = []
    for number in order.tolist():
        if all(_overlap(boxes[number], boxes[other]) < _SAME_FACE for other in kept):
            kept.append(number)
    longer = float(max(width, height))
    faces = [DetectedFace(float(score[n]), boxes[n] * longer, points[n] * longer) for n in kept]
    return sorted(faces, key=lambda face: -face.score * _side(face.box))


def _side(box: Floats) -> float:
    return float(np.sqrt(max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)))


def _overlap(one: Floats, other: Floats) -> float:
    """Shared area over the area of both together."""
    corner = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.maximum(corner, 0.0)))
    areas = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]))
    return shared / max(areas - shared, 1e-12)
