"""Measures of the lips, against the head's own forward pass and against what a picture of it shows."""

from __future__ import annotations

import numpy as np
import pytest

from models.head.flame import GROUPS, FaceRig, open_head
from models.head.landmarks import open_head_landmarks
from protocol.frame import ARKIT_SHAPES
from training.data.lips import lip_gap_mm, lip_protrusion_mm, lip_width_mm
from training.head.seal import mouth_gap


def motion_of(**weights: float) -> np.ndarray:
    """Motion [53] of ARKit weights by name; a name without its side means both."""
    motion = np.zeros(53)
    for name, value in weights.items():
        for full_name in (name,) if name in ARKIT_SHAPES else (name + "Left", name + "Right"):
            motion += value * open_head().arkit_motion[ARKIT_SHAPES.index(full_name), :53]
    return motion


def landmarks_mm(motion: np.ndarray, *landmarks: int) -> np.ndarray:
    """Landmarks [L, 3] by the head's forward pass."""
    head, embedding = open_head(), open_head_landmarks()
    vertices = FaceRig(head).vertices(motion[:50], motion[50:], np.zeros(2), np.zeros(4))
    corners, shares = head.f[embedding.triangles[[*landmarks]]], embedding.barycentric[[*landmarks]]
    return 1e3 * np.einsum("lk,lkc->lc", shares, vertices[corners])


def test_all_measures_equal_the_forward_pass() -> None:
    rng = np.random.default_rng(0)
    motions = np.concatenate([rng.normal(size=(6, 50)), rng.normal(scale=0.2, size=(6, 3))], axis=1)
    motions[0, 50:] = [1e-6, 0.0, 0.0]
    names = (13, 14, 291, 61, 0)
    rest = landmarks_mm(np.zeros(53), *names)
    moves = np.stack([landmarks_mm(motion, *names) - rest for motion in motions])
    upper, lower, left, right, front = np.moveaxis(moves, 1, 0)
    np.testing.assert_allclose(lip_gap_mm(motions), (upper - lower)[:, 1], atol=2e-3)
    np.testing.assert_allclose(lip_width_mm(motions), (left - right)[:, 0], atol=2e-3)
    np.testing.assert_allclose(lip_protrusion_mm(motions), 0.5 * (upper + front)[:, 2], atol=2e-3)


@pytest.mark.parametrize(
    "weights",
    [
        {"jawOpen": 0.1},
        {"jawOpen": 0.3},
        {"jawOpen": 0.25, "mouthUpperUp": 0.3},
        {"jawOpen": 0.2, "mouthPucker": 0.4},
    ],
)
def test_the_gap_is_what_the_front_view_shows(weights: dict[str, float]) -> None:
    head, motion = open_head(), motion_of(**weights)
    inside = head.uv[head.f_uv][:, :, 1].mean(axis=1) > 0.8  # the mouth's inside has a patch of its own
    skin = np.flatnonzero((head.groups == GROUPS.index("skin")) & ~inside)
    vertices = FaceRig(head).vertices(motion[:50], motion[50:], np.zeros(2), np.zeros(4))
    height_m, _ = mouth_gap(vertices.astype(float), head.f, skin, centre_y_m=-0.046)
    middle = len(height_m) // 2
    seen_mm = 1e3 * height_m[middle - 10 : middle + 10].mean()
    assert lip_gap_mm(motion) == pytest.approx(seen_mm, abs=0.6)


def test_signs_and_neutral() -> None:
    for measure in (lip_gap_mm, lip_width_mm, lip_protrusion_mm):
        assert measure(np.zeros((2, 3, 53))).shape == (2, 3)
        assert not measure(np.zeros((2, 3, 53))).any()
    assert lip_gap_mm(motion_of(jawOpen=0.3)) > 10.0
    assert lip_gap_mm(motion_of(mouthPress=1.0)) < 0.0
    assert lip_width_mm(motion_of(mouthStretch=1.0)) > 5.0
    assert lip_width_mm(motion_of(mouthPucker=1.0)) < -5.0
    assert lip_protrusion_mm(motion_of(mouthPucker=1.0)) > 4.0


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="last axis must be 50"):
        lip_gap_mm(np.zeros((4, 52)))
