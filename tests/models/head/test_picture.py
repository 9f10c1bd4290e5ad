"""The renderer puts the head where the camera model says."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from models.head.flame import FaceRig, open_head

pytest.importorskip("moderngl", reason="pictures need moderngl")
from models.head.picture import BACKGROUND, Camera, render, render_through, vertex_normals

CAMERA = Camera(focal_px=600.0, centre_px=(140.0, 100.0), size=(320, 240))


def in_front(translation: tuple[float, float, float], rotation=(0.0, 0.0, 0.0)) -> np.ndarray:
    return FaceRig(open_head()).vertices(np.zeros(50), np.zeros(3), np.zeros(2), np.zeros(4), rotation, translation)


def covered(picture: np.ndarray) -> np.ndarray:
    empty = np.round(255 * np.array(BACKGROUND))
    return np.any(np.abs(picture - empty) > 3, axis=2)


@pytest.mark.parametrize("translation", [(0.0, 0.0, -0.7), (0.08, 0.03, -0.9), (-0.05, -0.04, -0.6)])
def test_silhouette_is_where_the_camera_model_says(translation: tuple[float, float, float]) -> None:
    vertices = in_front(translation, (0.1, 0.3, 0.2))
    rows, columns = np.nonzero(covered(render_through(CAMERA, vertices, open_head())))
    expected = CAMERA.pixels(vertices)
    width, height = CAMERA.size
    for found, along, size in ((columns, expected[:, 0], width), (rows, expected[:, 1], height)):
        assert found.min() == pytest.approx(max(along.min(), 0), abs=1.5)
        assert found.max() == pytest.approx(min(along.max(), size - 1), abs=1.5)


def test_subject_s_left_is_right_in_the_picture() -> None:
    turned = render(open_head().v_template, open_head(), yaw_rad=0.8)
    # Turned to its left, the face looks to the right of the picture: skin is there, hair on the other side.
    brightness = turned[100:220].astype(float).sum(axis=2)
    inside = covered(turned)[100:220]
    left, right = inside[:, :240], inside[:, 240:]
    assert brightness[:, 240:][right].mean() > 1.3 * brightness[:, :240][left].mean()


def test_a_picture_can_be_the_background() -> None:
    scene = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    drawn = render_through(CAMERA, in_front((0.0, 0.0, -0.7)), open_head(), background=scene)
    assert np.array_equal(drawn[:, -20:], scene[:, -20:])
    assert not np.array_equal(drawn[80:120, 120:160], scene[80:120, 120:160])


def test_normals_point_outwards() -> None:
    head = open_head()
    normals = vertex_normals(head.v_template, head.f)
    nose = np.argmax(head.v_template[:, 2])
    crown = np.argmax(head.v_template[:, 1])
    assert normals[nose, 2] > 0.5
    assert normals[crown, 1] > 0.9
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-5)


def test_threads_draw_side_by_side() -> None:
    vertices = in_front((0.0, 0.0, -0.7))

    def drawn(_: int) -> np.ndarray:
        return render_through(CAMERA, vertices, open_head())

    here = drawn(0)
    with ThreadPoolExecutor(2) as threads:
        for elsewhere in threads.map(drawn, range(4)):
            np.testing.assert_array_equal(elsewhere, here)
    np.testing.assert_array_equal(drawn(0), here)
