"""Each measure where its value is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES
from training.data.clips import UNKNOWN_PHONE
from training.data.phones import INDEX_OF_PHONE
from training.evaluate import audio_metrics as measure


def jaw_open(weight: np.ndarray) -> np.ndarray:
    """Motion [hops, 53] of jawOpen at `weight` [hops]."""
    return np.outer(weight, open_head().arkit_motion[ARKIT_SHAPES.index("jawOpen"), :53]).astype(np.float32)


def phones(text: str) -> np.ndarray:
    """One row a letter: _ is silence, ? is unknown."""
    names = {"_": INDEX_OF_PHONE["sil"], "?": UNKNOWN_PHONE}
    return np.array([names.get(letter, INDEX_OF_PHONE.get(letter, 0)) for letter in text], np.uint8)


def test_lip_error_is_the_root_mean_square_of_the_worst_point() -> None:
    assert measure.lip_vertex_error_mm([9.0, 16.0, 0.0, 0.0]) == pytest.approx(2.5)


def test_worst_point_is_the_largest_over_the_lips() -> None:
    truth, motion = jaw_open(np.zeros(3)), jaw_open(np.array([0.0, 0.5, 1.0]))
    moved = np.linalg.norm(measure.moves_mm(motion, measure.LIPS), axis=2).max(axis=1)
    np.testing.assert_allclose(measure.worst_squared_mm2(motion, truth), moved**2, rtol=1e-5)
    assert moved[2] > 15.0


def test_liveliness_is_nothing_for_what_keeps_still_and_for_a_jaw() -> None:
    assert measure.liveliness_mm2(jaw_open(np.full(10, 0.7))) == pytest.approx(0.0, abs=1e-6)
    brows = np.zeros((10, 53), np.float32)
    brows[::2] = open_head().arkit_motion[ARKIT_SHAPES.index("browInnerUp"), :53]
    up = np.sum(measure.moves_mm(brows[:1], measure.UPPER_FACE)[0].astype(np.float64) ** 2, axis=1)
    assert measure.liveliness_mm2(brows) == pytest.approx(float(np.mean(up / 2.0)), rel=1e-5)


def test_near_reaches_two_hops_to_both_sides() -> None:
    rows = np.zeros(11, bool)
    rows[5] = True
    assert np.flatnonzero(measure.near(rows)).tolist() == [3, 4, 5, 6, 7]


def test_runs_are_the_stretches() -> None:
    assert measure.runs(np.array([True, False, True, True])) == [slice(0, 1), slice(2, 4)]
    assert measure.runs(np.zeros(3, bool)) == []


def test_closures_count_phones_and_rows() -> None:
    spoken = phones("__aaaaaaappaaaamaaaafaaaa__")
    gap = np.full(len(spoken), 5.0, np.float32)
    gap[[0, 1, 25, 26]] = 0.0  # silence: no fault
    gap[12] = 0.0  # 40 ms after the p: it counts for it
    gap[20] = 0.0  # the f
    gap[5] = 0.0  # an a far from everything: a fault
    assert measure.closures(gap, spoken) == (1, 2, 1, 2)


def test_closed_lips_count_at_a_bilabial_even_beside_silence() -> None:
    assert measure.closures(np.zeros(4, np.float32), phones("__pa")) == (1, 1, 4, 4)
    assert measure.closures(np.full(4, 1.5, np.float32), phones("__pa")) == (0, 1, 0, 0)
    assert measure.closures(np.zeros(5, np.float32), phones("?????")) == (0, 0, 0, 0)


def test_rounded_rows_are_the_middle_halves() -> None:
    assert np.flatnonzero(measure.rounded_rows(phones("aauuuuuuuuuuuuaa"))).tolist() == [5, 6, 7, 8, 9, 10]


def test_misalignment_is_the_shift_of_a_shifted_gap() -> None:
    time = np.arange(300)
    gap = 5.0 + np.sin(time / 6.0) + 0.7 * np.sin(time / 3.7 + 1.0)
    assert measure.misalignment_s(gap, gap) == 0.0
    late = measure.misalignment_s(gap[:-4], gap[4:])
    assert late == pytest.approx(0.08, abs=0.015)


def test_misalignment_of_what_never_moves_is_nothing() -> None:
    assert measure.misalignment_s(np.zeros(50), np.zeros(50)) == 0.0


def test_intensity_correlation_is_one_when_lips_follow_loudness() -> None:
    weight = np.repeat(np.linspace(0.1, 0.9, 10), 20)
    motion = jaw_open(weight)
    far = np.mean(np.linalg.norm(measure.moves_mm(motion, measure.LIPS), axis=2), axis=1)
    used = np.ones(200, bool)
    assert measure.intensity_correlation((2.0 * far - 50.0).astype(np.float32), motion, used) == pytest.approx(1.0)
    assert measure.intensity_correlation(-far, motion, used) == pytest.approx(-1.0)
    used[:180] = False
    assert np.isnan(measure.intensity_correlation(far, motion, used))


@pytest.mark.parametrize(
    ("scores", "positive", "area"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1.0),
        ([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1], 0.0),
        ([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),
    ],
)
def test_area_under_curve(scores: list[float], positive: list[int], area: float) -> None:
    assert measure.area_under_curve(scores, positive) == pytest.approx(area)


def test_area_needs_both_kinds() -> None:
    assert np.isnan(measure.area_under_curve([0.1, 0.2], [1, 1]))


def test_onset_delay_is_counted_from_the_label() -> None:
    labelled = np.array([0, 0, 0, 1, 1, 1, 0, np.nan, 1, 1, 0], np.float32)
    heard = np.array([0.9, 0, 0, 0, 0, 0.9, 0, 0, 0.1, 0.2, 0.9], np.float32)
    assert measure.onset_delays_s(heard, labelled) == [pytest.approx(0.04), float("inf")]


def test_furthest_is_the_largest_over_time_and_points() -> None:
    moved = np.linalg.norm(measure.moves_mm(jaw_open(np.array([0.8])), measure.LIPS), axis=2).max()
    assert measure.furthest_mm(jaw_open(np.array([0.0, 0.8, 0.3]))) == pytest.approx(float(moved), rel=1e-5)
