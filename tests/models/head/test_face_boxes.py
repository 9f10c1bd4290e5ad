"""What is read from the detector's outputs: which faces, where, in which order."""

from __future__ import annotations

import numpy as np
import pytest

from models.head.face_boxes import DETECTOR_PX, detected_faces, fitted_size


def outputs(*faces: tuple[float, tuple[float, float, float, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """score [N], boxes [N, 4], points [N, 5, 2]: the five points lie on the box's diagonal."""
    score = np.array([face[0] for face in faces], np.float32)
    boxes = np.array([face[1] for face in faces], np.float32)
    share = np.linspace(0.2, 0.8, 5, dtype=np.float32)[None, :, None]
    return score, boxes, boxes[:, None, :2] * (1 - share) + boxes[:, None, 2:] * share


def test_a_face_is_in_pixels_of_the_picture() -> None:
    (face,) = detected_faces(*outputs((0.9, (0.25, 0.125, 0.5, 0.375)), (0.1, (0.6, 0.1, 0.7, 0.2))), 640, 480)
    np.testing.assert_allclose(face.box, [160, 80, 320, 240])
    np.testing.assert_allclose(face.points[0], [192, 112], atol=1e-3)
    np.testing.assert_allclose(face.mouth, face.points[3:].mean(axis=0))
    assert face.score == pytest.approx(0.9)


def test_neighbouring_cells_are_one_face_and_far_ones_two() -> None:
    one, near, far = (0.2, 0.2, 0.4, 0.4), (0.21, 0.2, 0.41, 0.4), (0.6, 0.6, 0.8, 0.8)
    faces = detected_faces(*outputs((0.7, near), (0.9, one), (0.6, far)), 256, 256)
    assert [round(face.score, 3) for face in faces] == [0.9, 0.6]
    np.testing.assert_allclose(faces[0].box / 256.0, one, atol=1e-6)


def test_the_nearest_person_comes_first() -> None:
    small, large = (0.1, 0.1, 0.2, 0.2), (0.4, 0.4, 0.9, 0.9)
    faces = detected_faces(*outputs((0.95, small), (0.7, large)), 256, 256)
    assert [round(face.score, 3) for face in faces] == [0.7, 0.95]


def test_nobody_is_nobody() -> None:
    assert detected_faces(*outputs((0.1, (0.1, 0.1, 0.2, 0.2))), 640, 480) == []


def test_a_batch_is_refused() -> None:
    score, boxes, points = outputs((0.9, (0.1, 0.1, 0.2, 0.2)))
    with pytest.raises(ValueError, match="not those of one picture"):
        detected_faces(score[None], boxes[None], points[None], 640, 480)


@pytest.mark.parametrize(
    ("size", "fitted"), [((640, 480), (256, 192)), ((480, 640), (192, 256)), ((5000, 2), (256, 1))]
)
def test_a_picture_fits_the_square(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fitted_size(*size) == fitted
    assert max(fitted_size(*size)) == DETECTOR_PX
