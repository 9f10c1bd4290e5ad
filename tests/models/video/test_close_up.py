"""The closer look: what it cuts out, that a mirror image is seen in the mirror, and whose points it moves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.head.landmarks import BROW_ROWS, EYE_ROWS, FACE_POINTS, MOUTH_ROWS, open_head_landmarks
from models.video.close_up import CloseUp, CloseUps
from models.video.face_pose import pose_of
from models.video.point_head import mean_points

SIDE = 128


@pytest.fixture(scope="module")
def points() -> torch.Tensor:
    """A mean face from the front, exactly symmetric, [1, 140, 2]."""
    at = mean_points()
    return (0.5 * (at + mirrored(at[None])[0]))[None]


@pytest.fixture(scope="module")
def close_ups() -> CloseUps:
    torch.manual_seed(0)
    return CloseUps().eval().requires_grad_(False)


def mirrored(points: torch.Tensor) -> torch.Tensor:
    mirror = open_head_landmarks().mirror
    order = [FACE_POINTS.index(int(mirror[landmark])) for landmark in FACE_POINTS]
    return torch.stack([1.0 - points[:, order, 0], points[:, order, 1]], dim=2)


def places() -> torch.Tensor:
    """A picture [1, 3, S, S] whose first two channels are a pixel's own coordinates, and whose third is nothing."""
    line = (torch.arange(SIDE) + 0.5) / SIDE
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)])[None]


def cuts(look: CloseUp, pictures: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """What it looks at: [B * places, 3, down, across]."""
    seen: list[torch.Tensor] = []
    handle = look.look[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    look(pictures, points, pose_of(points))
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("turn_rad", [0.0, 0.3])
def test_a_cut_is_level_with_the_eyes_and_as_wide_as_it_says(
    close_ups: CloseUps, points: torch.Tensor, turn_rad: float
) -> None:
    c, s = float(np.cos(turn_rad)), float(np.sin(turn_rad))
    middle = points.mean(dim=1, keepdim=True)
    turned = (points - middle) @ torch.tensor([[c, s], [-s, c]]) + middle
    mouth = cuts(close_ups.mouth, places(), turned)[0]
    region, size = close_ups.mouth.region, float(pose_of(turned).size)
    step = 2.0 * region.half_width * size / region.across
    across = (mouth[:2, :, 1:] - mouth[:2, :, :-1]).mean(dim=(1, 2))
    down = (mouth[:2, 1:] - mouth[:2, :-1]).mean(dim=(1, 2))
    torch.testing.assert_close(across, step * torch.tensor([c, s]), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(down, step * torch.tensor([-s, c]), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(mouth[:2].mean(dim=(1, 2)), turned[0, MOUTH_ROWS].mean(dim=0), atol=1e-4, rtol=0.0)


def test_the_left_eye_is_seen_in_the_mirror(close_ups: CloseUps, points: torch.Tensor) -> None:
    right, left = cuts(close_ups.eyes, places(), points)
    assert float(right[0].mean()) < 0.5 < float(left[0].mean())
    torch.testing.assert_close(left[0], 1.0 - right[0], atol=1e-5, rtol=0.0)
    torch.testing.assert_close(left[1], right[1], atol=1e-5, rtol=0.0)


def test_a_mirrored_picture_moves_the_mirrored_points(close_ups: CloseUps, points: torch.Tensor) -> None:
    picture = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    spread = torch.ones(1, 140)
    moved, _, seen = close_ups(picture, points, spread)
    other, _, seen_mirrored = close_ups(picture.flip(3), points, spread)
    assert float((moved - points)[:, EYE_ROWS].abs().min()) > 0.0
    torch.testing.assert_close(mirrored(other)[:, EYE_ROWS], moved[:, EYE_ROWS], atol=1e-5, rtol=0.0)
    half = close_ups.eyes_size // 2
    torch.testing.assert_close(seen_mirrored[:, :half], seen[:, half : 2 * half], atol=1e-5, rtol=0.0)


def test_only_eyes_and_mouth_are_moved_each_by_its_own_numbers(points: torch.Tensor) -> None:
    torch.manual_seed(0)
    fresh = CloseUps().eval().requires_grad_(False)
    for look in (fresh.eyes, fresh.mouth):
        look.move.weight.zero_()
        look.move.bias.copy_(torch.arange(float(len(look.move.bias))) / 1000.0)
    moved, spread, _ = fresh(torch.zeros(1, 3, SIDE, SIDE), points, torch.ones(1, 140))
    off = (moved - points)[0] / float(pose_of(points).size)
    told = torch.arange(float(len(fresh.mouth.move.bias))).reshape(-1, 3)[:, :2] / 1000.0
    torch.testing.assert_close(off[MOUTH_ROWS], fresh.mouth.region.half_width * told, atol=1e-5, rtol=0.0)
    eyes = slice(EYE_ROWS.start, BROW_ROWS.stop)
    assert float(off[eyes].norm(dim=1).min()) > 0.0
    torch.testing.assert_close(mirrored(moved)[:, eyes], moved[:, eyes], atol=1e-5, rtol=0.0)
    assert float(off[BROW_ROWS.stop :].abs().max()) == 0.0
    assert float((spread[0, BROW_ROWS.stop :] - 1.0).abs().max()) == 0.0


def test_where_it_looks_is_not_learnt_from_what_it_sees(points: torch.Tensor) -> None:
    at = points.clone().requires_grad_(True)
    _, _, seen = CloseUps()(torch.rand(2, 3, SIDE, SIDE), at.expand(2, -1, -1), torch.ones(2, 140))
    assert not torch.autograd.grad(seen.sum(), at, allow_unused=True, materialize_grads=True)[0].any()
