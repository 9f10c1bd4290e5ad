"""Rest and reach put right: rest becomes 0, the utmost 1, nothing jumps, and the lids are left alone."""

import numpy as np
from support.acting import ARKIT, REST, told

from driver.correction import OPPOSITES, by_name, corrected, signed, unsigned, weights_of, with_change
from protocol.frame import ARKIT_SHAPES

FULL = np.ones(52, np.float32)


def at(weights: np.ndarray, name: str) -> float:
    return float(weights[ARKIT_SHAPES.index(name)])


def test_the_rest_becomes_nothing_and_the_utmost_full() -> None:
    rest, reach = by_name(REST, 0.0), by_name({"browDownLeft": 0.7, "jawOpen": 0.75}, 1.0)
    assert not corrected(rest, rest, reach).any()
    utmost = corrected(by_name({"browDownLeft": 0.7, "jawOpen": 0.75}, 0.0), rest, reach)
    assert (at(utmost, "browDownLeft"), at(utmost, "jawOpen")) == (1.0, 1.0)
    assert np.array_equal(corrected(FULL, np.zeros(52, np.float32), FULL), FULL)


def test_a_channel_that_hardly_moves_is_not_blown_up() -> None:
    small = corrected(
        by_name({"noseSneerLeft": 0.1}, 0.0), np.zeros(52, np.float32), by_name({"noseSneerLeft": 0.25}, 1.0)
    )
    assert np.isclose(at(small, "noseSneerLeft"), 0.2)


def test_nothing_jumps_falls_or_leaves_the_range() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        rest = unsigned(signed(rng.uniform(0, 0.3, 52).astype(np.float32)))
        reach = rng.uniform(0.4, 1, 52).astype(np.float32)
        start, end = rng.uniform(0, 1, (2, 52)).astype(np.float32)
        made = np.array([corrected(start + share * (end - start), rest, reach) for share in np.linspace(0, 1, 501)])
        assert made.min() >= 0
        assert made.max() <= 1
        assert np.abs(np.diff(made, axis=0)).max() < 2.9 / 500  # twice, or 1 / (1 - 0.3) of both opposites


def test_opposites_are_one_number() -> None:
    for one, other in OPPOSITES:
        rest = by_name({one: 0.2}, 0.0)
        assert np.isclose(at(corrected(np.zeros(52, np.float32), rest, FULL), other), 0.2 / 1.2)
        assert at(corrected(by_name({other: 1.0}, 0.0), rest, FULL), other) == 1.0
        assert at(corrected(by_name({one: 1.0}, 0.0), rest, FULL), one) == 1.0
        assert not corrected(rest, rest, FULL).any()
    weights = np.random.default_rng(1).uniform(size=52).astype(np.float32)
    assert np.allclose(signed(unsigned(signed(weights))), signed(weights))


def test_the_motion_follows_and_its_lids_do_not() -> None:
    motion = told(REST | {"eyeBlinkLeft": 0.6, "mouthSmileRight": 0.5})
    rest = by_name(REST, 0.0)
    weights = weights_of(motion, ARKIT)
    moved = with_change(motion, corrected(weights, rest, FULL) - weights, ARKIT)
    assert np.array_equal(moved.eyelids, motion.eyelids)
    again = weights_of(moved, ARKIT)
    for name, value in REST.items():
        assert at(again, name) < 0.25 * value, name
    assert at(again, "mouthSmileRight") > 0.45
    assert np.abs(moved.gaze).max() < 0.01 < np.abs(motion.gaze).max()
