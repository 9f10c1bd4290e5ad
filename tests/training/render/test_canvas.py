"""The canvas shows things where the crop's arithmetic says, as far away as they are, lit as the light says."""

import numpy as np
import pytest

pytest.importorskip("moderngl", reason="pictures need moderngl")
from models.head.crop import Crop, PictureCamera
from training.render.canvas import HEAD, NOTHING, OTHER, Canvas, Finish, Lighting, seen, window_matrix
from training.render.framing import in_crop
from training.render.meshes import ball, box
from training.render.people import rigid

CAMERA = PictureCamera(600.0, (320.0, 240.0))
CROP = Crop(380.0, 200.0, 260.0, 0.4)
PLAIN = Lighting(
    np.array([[1.0] * 3] + [[0.0] * 3] * 8, np.float32), np.eye(3, dtype=np.float32)[:2], np.zeros((2, 3), np.float32)
)


@pytest.fixture(scope="module")
def canvas() -> Canvas:
    return Canvas(192)


def window() -> np.ndarray:
    return window_matrix(CAMERA.focal_px, CAMERA.centre_px, CROP.from_picture())


@pytest.mark.parametrize("place", [(0.05, 0.03, -0.6), (0.02, 0.05, -0.5), (0.1, 0.0, -0.8)])
def test_things_are_where_the_crop_says(canvas: Canvas, place: tuple[float, float, float]) -> None:
    drawn = canvas.draw([canvas.solid(ball(place, [0.004] * 3))], window(), PLAIN)
    rows, columns = np.nonzero(seen(drawn)[1])
    expected = in_crop(np.array([place]), CAMERA, CROP)[0]
    np.testing.assert_allclose([columns.mean() + 0.5, rows.mean() + 0.5], 192 * expected, atol=0.6)


def test_depth_and_owner_are_told(canvas: Canvas) -> None:
    near = canvas.solid(box([0.01, 0.01, 0.01]).moved(np.eye(3), [0.06, 0.04, -0.55]), None, Finish(owner=OTHER))
    far = canvas.solid(box([0.05, 0.05, 0.01]).moved(np.eye(3), [0.06, 0.04, -0.7]), None, Finish(owner=HEAD))
    depth, owner = seen(canvas.draw([far, near], window(), PLAIN))
    assert set(np.unique(owner)) == {NOTHING, HEAD, OTHER}
    assert depth[owner == OTHER].min() == pytest.approx(0.54, abs=1e-4)
    assert depth[owner == HEAD].min() == pytest.approx(0.69, abs=1e-4)
    assert np.isinf(depth[owner == NOTHING]).all()


def test_glass_hides_nothing_and_tints(canvas: Canvas) -> None:
    wall = canvas.solid(box([0.1, 0.1, 0.001]).moved(np.eye(3), [0.06, 0.04, -0.7]), None, Finish(owner=HEAD))
    pane = box([0.1, 0.1, 0.001]).moved(np.eye(3), [0.06, 0.04, -0.6])
    glass = canvas.solid(pane, None, Finish(opacity=0.5, tint=(0.0, 0.0, 0.0)))
    clear, tinted = (canvas.draw(solids, window(), PLAIN) for solids in ([wall], [wall, glass]))
    assert np.array_equal(seen(clear)[1], seen(tinted)[1])
    assert tinted[96, 96, 0] == pytest.approx(0.25 * clear[96, 96, 0], rel=0.4)


def test_a_key_light_throws_a_shadow(canvas: Canvas) -> None:
    wall = canvas.solid(box([0.2, 0.2, 0.001]).moved(np.eye(3), [0.06, 0.04, -0.7]))
    before = canvas.solid(ball([0.0, 0.0, 0.0], [0.02] * 3))
    towards = np.array([[0.7071, 0.0, 0.7071], [0.0, 0.0, 1.0]], np.float32)
    before.model = rigid(np.eye(3), np.array([0.10, 0.04, -0.62]))  # shadows are cast around the first solid
    dark = np.zeros((9, 3), np.float32)
    light = Lighting(dark, towards, np.array([[1.0] * 3, [0.0] * 3], np.float32), shadow=1.0)
    drawn = canvas.draw([before, wall], window(), light)
    # The ball's shadow falls as far aside as it hovers before the wall.
    x, y = (192 * in_crop(np.array([[0.10 - 0.08, 0.04, -0.699]]), CAMERA, CROP)[0]).astype(int)
    lit = Lighting(dark, towards, light.key_colours, shadow=0.0)
    assert drawn[y, x, 0] < 0.1 * canvas.draw([before, wall], window(), lit)[y, x, 0]
