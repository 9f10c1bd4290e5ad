"""The renderer whose pictures have gradients: against finite differences, and against pictures drawn by OpenGL."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from models.head.flame import FaceRig, open_head
from models.head.picture import Camera, render_through
from models.head.rotation import matrix_from_axis_angle
from training.render.differentiable import (
    Renderer,
    Surface,
    Unwrap,
    even_light,
    head_texture,
    in_picture,
    in_pixels,
    shading,
    visible_by_depth,
    visible_by_pytorch3d,
)

SIZE = 96


@cache
def surface() -> Surface:
    return Surface.of(open_head())


def head(yaw_rad: float = 0.3, jaw_rad: float = 0.2) -> Tensor:
    """Vertices [1, V, 3] of a head that has turned and opened its mouth."""
    posed = FaceRig(open_head()).vertices(np.zeros(50), [jaw_rad, 0.0, 0.0], np.zeros(2), np.zeros(4))
    return torch.tensor(posed @ matrix_from_axis_angle([0.05, yaw_rad, 0.1]).T, dtype=torch.float32)[None]


def camera(scale: float = 7.0) -> Tensor:
    return torch.tensor([[scale, 0.004, 0.01]])


def side_light() -> Tensor:
    light = even_light(1)
    light[:, 1], light[:, 2], light[:, 3], light[:, 4:] = -0.3, 0.2, 0.3, 0.05
    return light * torch.tensor([1.0, 0.9, 0.8])


def smooth_weights(size: int = SIZE) -> Tensor:
    """A fixed picture to weigh pixels by, different in each channel."""
    coarse = torch.tensor(np.random.default_rng(3).normal(size=(1, 3, 6, 6)))
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")


def test_points_are_shifted_then_scaled_and_y_goes_down() -> None:
    """seed-systems 10.2.2 and A.1: u = s (x + tx), v = -s (y + ty), pixel = 112 * (u, v) + 112."""
    seen = in_picture(torch.tensor([[[0.02, 0.03, 0.05]]]), torch.tensor([[5.0, 0.01, -0.02]]))
    torch.testing.assert_close(seen[0, 0], torch.tensor([5.0 * 0.03, -5.0 * 0.01, -0.25]))
    torch.testing.assert_close(in_pixels(seen, 224)[0, 0], torch.tensor([112.0 * 0.15 + 112.0, 112.0 * -0.05 + 112.0]))


def test_light_is_the_nine_terms_in_their_order() -> None:
    normal = torch.nn.functional.normalize(torch.tensor([0.3, -0.5, 0.8]), dim=0)
    x, y, z = normal.tolist()
    terms = [
        0.28209, 1.02333 * x, 1.02333 * y, 1.02333 * z, 0.85809 * x * y, 0.85809 * x * z, 0.85809 * y * z,
        0.42904 * (x * x - y * y), 0.24771 * (3 * z * z - 1),
    ]  # fmt: skip
    for number, term in enumerate(terms):
        light = torch.zeros(1, 9, 3)
        light[0, number] = torch.tensor([1.0, 2.0, 3.0])
        shade = shading(normal[None, None], light)[0, 0]
        torch.testing.assert_close(shade, term * torch.tensor([1.0, 2.0, 3.0]), atol=1e-5, rtol=1e-5)


def test_the_nearest_triangle_is_shown_and_backs_are_not() -> None:
    points = torch.tensor([[[-0.9, -0.9, 0.0], [-0.9, 0.9, 0.0], [0.9, -0.9, 0.0]] * 2]).float()
    points[0, 3:, 2] = -0.5  # nearer
    both = torch.tensor([[0, 1, 2], [3, 4, 5]])
    shown = visible_by_depth(points, both, 20)
    assert shown[0, 4, 4] == 1
    assert shown[0, 19, 19] == -1
    assert (visible_by_depth(points, both.flip(1), 20) == -1).all()
    points[0, 0, 2] = points[0, 1, 2] = points[0, 2, 2] = -0.6
    assert visible_by_depth(points, both, 20)[0, 4, 4] == 0


def test_each_head_of_a_batch_is_drawn_as_if_alone() -> None:
    renderer = Renderer(surface(), SIZE)
    vertices = torch.cat([head(0.0), head(-0.6, 0.0)])
    cameras, lights = torch.cat([camera(), camera(9.0)]), torch.cat([side_light(), even_light(1)])
    textures = head_texture(open_head(), 64).expand(2, -1, -1, -1)
    together = renderer(vertices, cameras, textures, lights)
    for number in range(2):
        row = slice(number, number + 1)
        alone = renderer(vertices[row], cameras[row], textures[row], lights[row])
        torch.testing.assert_close(together.picture[row], alone.picture)
        torch.testing.assert_close(together.face[row], alone.face)


@pytest.mark.parametrize("what", ["vertices", "camera", "texture", "light", "normal_map"])
def test_gradients_are_finite_differences(what: str) -> None:
    """Along random directions, in float64, by steps too small to change which triangle a pixel shows."""
    renderer = Renderer(surface(), SIZE).double()
    texture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    bumps = torch.tensor([0.0, 0.0, 1.0]).reshape(1, 3, 1, 1) + 0.3 * (texture.float() - 0.5)
    given = {
        "vertices": head().double(), "camera": camera().double(), "texture": texture, "light": side_light().double(),
        "background": torch.full((1, 3, SIZE, SIZE), 0.7).double(),
    }  # fmt: skip
    if what == "normal_map":
        given["normal_map"] = bumps.double()
    weights = smooth_weights()

    def loss(values: Tensor) -> Tensor:
        return (renderer(**(given | {what: values})).picture * weights).sum()

    at = given[what].clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(at), at)
    for seed in range(3):
        direction = torch.randn(at.shape, generator=torch.Generator().manual_seed(seed)).double()
        step = 1e-8
        with torch.no_grad():
            found = (loss(at + step * direction) - loss(at - step * direction)) / (2.0 * step)
        # Loss values near 100 leave 1e-6 of a slope to rounding; the slopes are 1 .. 1e5.
        torch.testing.assert_close((slope * direction).sum(), found, rtol=2e-4, atol=1e-4)


def moved(shift_px: float) -> Callable[[Tensor], Tensor]:
    return lambda at: at + torch.tensor([[0.0, shift_px * 2.0 / SIZE / 7.0, 0.0]])


def test_the_outline_knows_where_it_should_be() -> None:
    """A head of one colour before another: all that a sideways step changes is at the outline. Whole steps of a pixel,
    where triangles do change, agree with the slope."""
    renderer = Renderer(surface(), SIZE)
    texture, background = torch.full((1, 3, 8, 8), 0.2), torch.full((1, 3, SIZE, SIZE), 0.9)
    ramp = torch.linspace(-1.0, 1.0, SIZE) ** 3

    def loss(at: Tensor) -> Tensor:
        return (renderer(head(), at, texture, even_light(1), background).picture * ramp).sum()

    at = camera().requires_grad_()
    (slope,) = torch.autograd.grad(loss(at), at)
    a_pixel = 2.0 / SIZE / 7.0
    with torch.no_grad():
        found = (loss(moved(0.5)(at)) - loss(moved(-0.5)(at))) / a_pixel
    assert abs(float(found)) > 1e3
    assert float(slope[0, 1]) == pytest.approx(float(found), rel=0.03)


def test_a_head_is_found_again_by_its_picture() -> None:
    """Camera and light of a picture, from others, by the pictures' difference alone."""
    renderer = Renderer(surface(), 64, edge_px=3.0)
    texture, background = head_texture(open_head(), 64), torch.full((1, 3, 64, 64), 0.5)
    target = renderer(head(), camera(), texture, side_light(), background).picture
    # In steps of a size: scale in sevenths of a percent, shifts in mm.
    unit = torch.tensor([[0.07, 1e-3, 1e-3]])
    off = (torch.tensor([[6.6, 0.008, 0.004]]) - camera()).div(unit).requires_grad_()
    light = even_light(1).requires_grad_()
    optimizer = torch.optim.Adam([{"params": [off], "lr": 1.0}, {"params": [light], "lr": 0.05}])
    first = float(off.detach().norm())
    losses: list[float] = []
    for _ in range(35):
        for group in optimizer.param_groups:
            group["lr"] *= 0.92
        loss = (renderer(head(), camera() + unit * off, texture, light, background).picture - target).square().mean()
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert first > 9.0
    assert float(off.detach().norm()) < 1.0
    assert losses[-1] < losses[0] / 20.0


def opengl_picture(yaw_rad: float, background: tuple[float, float, float], size: int) -> np.ndarray:
    """What OpenGL draws of `head` as `camera` sees it: a pinhole far away."""
    far_m = 15.0
    scale, shift_x, shift_y = camera()[0].tolist()
    focal = far_m * scale * size / 2
    centre = (size / 2 * (1 + scale * shift_x), size / 2 * (1 - scale * shift_y))
    placed = head(yaw_rad)[0].numpy() - np.array([0.0, 0.0, far_m], np.float32)
    drawn = render_through(Camera(focal, centre, (size, size)), placed, open_head(), background=background)
    return drawn.astype(np.float64) / 255.0


@pytest.mark.parametrize("yaw_rad", [0.0, 0.5])
def test_the_picture_is_the_one_that_opengl_draws(yaw_rad: float) -> None:
    """The same outline to a tenth of a pixel, and the same face, once the light is fitted (theirs is no harmonics).

    Their edges have five levels and their camera is 15 m away, which is 0.1 px for a silhouette behind the middle.
    """
    size = 160
    black, white = (opengl_picture(yaw_rad, (level, level, level), size) for level in (0.0, 1.0))
    their_cover = 1.0 - (white - black).mean(axis=2)
    drawn = Renderer(surface(), size, edge_px=0.75)(
        head(yaw_rad), camera(), head_texture(open_head(), 512), even_light(1)
    )
    cover = drawn.cover[0, 0].numpy()
    perimeter = np.abs(np.diff(np.pad(their_cover > 0.5, 1).astype(int))).sum() * np.pi / 2
    assert abs(cover.sum() - their_cover.sum()) / perimeter < 0.12
    assert np.abs(cover - their_cover).sum() / perimeter < 0.2

    whole = drawn.skin[0, 0].numpy() > 0.999
    normals = drawn.normals[0].permute(1, 2, 0)[torch.from_numpy(whole)]
    albedo = drawn.albedo[0].permute(1, 2, 0)[torch.from_numpy(whole)].numpy()
    basis = shading(normals[None], torch.eye(9)[:, :, None].expand(-1, -1, 3).reshape(1, 9, 27)).reshape(-1, 9, 3)
    error = 0.0
    shifted_error = 0.0
    for channel in range(3):
        columns = basis[:, :, channel].numpy() * albedo[:, channel, None]
        for picture, is_shifted in ((black, False), (np.roll(black, 2, axis=1), True)):
            seen = picture[:, :, channel][whole]
            fitted = columns @ np.linalg.lstsq(columns, seen, rcond=None)[0]
            miss = float(np.abs(fitted - seen).mean()) / 3
            error, shifted_error = (error, shifted_error + miss) if is_shifted else (error + miss, shifted_error)
    assert error < 0.015
    assert shifted_error > 1.5 * error


def test_texels_are_seen_where_they_lie() -> None:
    """Positions as a texture, drawn: each pixel's colour is its place on the surface."""
    unwrap, mesh = Unwrap(surface(), 256), surface()
    vertices = head(0.0, 0.0)
    drawn = Renderer(mesh, SIZE)(vertices, camera(), unwrap(vertices), even_light(1))
    inner = drawn.face[0, 0] > 0.999
    assert int(inner.sum()) > 400
    rows, columns = inner.nonzero(as_tuple=True)
    place = drawn.albedo[0][:, inner].mT[None]
    pixels = in_pixels(in_picture(place, camera()), SIZE)[0]
    off = pixels - torch.stack([columns, rows], dim=1) - 0.5
    assert float(off.norm(dim=1).median()) < 0.05
    # At the lips' line and the nostrils a texel holds both sides of an edge.
    assert float(off.norm(dim=1).quantile(0.9)) < 0.3


def test_masks_know_skin_and_face() -> None:
    drawn = Renderer(surface(), 128)(head(0.0), camera(), head_texture(open_head()), even_light(1))
    pixels = in_pixels(in_picture(head(0.0), camera()), 128)[0]
    groups = open_head().groups
    assert groups is not None
    eyes = pixels[np.unique(open_head().f[groups == 1])].mean(dim=0)
    nose = pixels[int(open_head().v_template[:, 2].argmax())]

    def at(mask: Tensor, place: Tensor) -> float:
        return float(mask[0, 0, int(place[1]), int(place[0])])

    assert at(drawn.face, nose) == 1.0
    assert at(drawn.face, pixels[int(open_head().v_template[:, 1].argmin())].clamp(0, 127)) == 0.0
    left_eye = pixels[np.unique(open_head().f[groups == 1])]
    left_eye = left_eye[left_eye[:, 0] > eyes[0]].mean(dim=0)
    assert at(drawn.cover, left_eye) == 1.0
    assert at(drawn.skin, left_eye) == 0.0
    assert float((drawn.face - drawn.skin).max()) < 1e-5
    assert float((drawn.skin - drawn.cover).max()) < 1e-5


def test_a_head_without_texture_places_is_refused() -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match="texture coordinates"):
        Surface.of(replace(open_head(), uv=None))


@pytest.mark.skipif(importlib.util.find_spec("pytorch3d") is not None, reason="PyTorch3D is installed")
def test_without_pytorch3d_the_remedy_is_told() -> None:
    with pytest.raises(ImportError, match="leave visibility at its default"):
        visible_by_pytorch3d(torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2]]), 8)


@pytest.mark.skipif(importlib.util.find_spec("pytorch3d") is None, reason="PyTorch3D is not installed")
def test_pytorch3d_sees_the_same_triangles() -> None:
    seen = in_picture(torch.cat([head(0.0), head(0.5)]), camera().expand(2, -1))
    ours = visible_by_depth(seen, surface().triangles, 128)
    theirs = visible_by_pytorch3d(seen, surface().triangles, 128)
    assert float((ours == theirs).float().mean()) > 0.995
