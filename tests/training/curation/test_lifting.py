"""Lifting brings the head nearer to what was seen, and nearer to the truth, with less jerk than the network's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.curated import SIDE_PX, motion, piece, shown, surface

from training.curation.item import Item
from training.curation.lifting import lift, lifted_motion, lifted_points
from training.curation.settings import CurationSettings

COUNT = 60


@pytest.fixture(scope="module")
def misread() -> Item:
    """Points with a pixel of noise, and a motion that trembles and tells too little of jaw and smile."""
    rng, truth = np.random.default_rng(3), motion(COUNT)
    told = {
        name: values + rng.normal(0.0, size, values.shape)
        for (name, values), size in zip(truth.items(), (0.15, 0.01, 0.01, 0.01, 0.004, 0.001), strict=True)
    }
    told["jaw"] = 0.7 * told["jaw"]
    told["expression"] = 0.7 * told["expression"]
    told = {name: values.astype(np.float32) for name, values in told.items()}
    points = shown(truth) + rng.normal(0.0, 1.0, (COUNT, 140, 2)).astype(np.float32)
    return piece(COUNT / 25.0, **told, points=points)


def test_lifting_lowers_the_error_and_the_jerk(misread: Item) -> None:
    before, after, lifted = lifted_motion(misread, 40)
    assert after.reprojection < 0.7 * before.reprojection
    assert after.roughness_mm < before.roughness_mm
    assert after.lips_r > 0.9
    truth = surface(motion(COUNT))
    names = ("expression", "jaw", "eyelids", "gaze")
    error = [
        np.sqrt(np.mean(np.sum((surface({name: one[name] for name in names}) - truth) ** 2, axis=2)))
        for one in (misread.arrays, lifted)
    ]
    assert error[1] < 0.7 * error[0]
    assert lifted["expression"].shape == (COUNT, 50)
    assert lifted["eyelids"].min() >= 0.0


def test_points_that_are_told_to_be_unsure_hardly_count(misread: Item) -> None:
    points, spread = misread.arrays["points"].copy(), misread.arrays["spread"].copy()
    points[:, -22:] += 20.0  # the outline, seen wrongly
    fooled = lifted_motion(misread.with_arrays({"points": points}), 40)[2]
    spread[:, -22:] = 60.0
    wary = lifted_motion(misread.with_arrays({"points": points, "spread": spread}), 40)[2]
    truth = shown(motion(COUNT))[:, :-22]
    off = [np.abs(lifted_points(misread.with_arrays(lifted))[:, :-22] - truth).mean() for lifted in (fooled, wary)]
    assert off[1] < 0.6 * off[0]


def test_the_gate(misread: Item) -> None:
    kept = list(lift(misread, CurationSettings()))
    assert [item.is_rejected for item in kept] == [False]
    assert kept[0].figures["reprojection"] < kept[0].figures["reprojection_before"]
    far = misread.arrays["points"] + np.random.default_rng(0).normal(0.0, 0.1 * SIDE_PX, (COUNT, 140, 2))
    (turned_down,) = lift(misread.with_arrays({"points": far.astype(np.float32)}), CurationSettings())
    assert turned_down.rejected_by == "lift"
    assert "crop sides off" in turned_down.reason


def test_no_steps_keep_the_networks_own_motion(misread: Item) -> None:
    (kept,) = lift(misread, replace(CurationSettings(), lift_steps=0, reprojection_maximum=0.5))
    assert np.array_equal(kept.arrays["jaw"], misread.arrays["jaw"])
