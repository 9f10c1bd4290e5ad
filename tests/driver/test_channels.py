"""The user's own way with a channel: continuous, in range, and the coefficients follow the weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driver.channels import Channel, Channels, default_channels
from driver.errors import UsageError
from protocol.frame import ARKIT_SHAPES

JAW_OPEN, MOUTH_CLOSE = ARKIT_SHAPES.index("jawOpen"), ARKIT_SHAPES.index("mouthClose")
BROW = ARKIT_SHAPES.index("browInnerUp")


def applied(channel: Channel, weights: np.ndarray) -> np.ndarray:
    """What becomes of the weights [N] of one channel."""
    channels = Channels({"browInnerUp": channel})
    faces = np.zeros((len(weights), 52), np.float32)
    faces[:, BROW] = weights
    return np.array([channels.apply(face)[BROW] for face in faces])


def test_untouched_channels_stay_as_they_are_to_the_last_bit() -> None:
    weights = np.random.default_rng(0).uniform(size=52).astype(np.float32)
    weights[MOUTH_CLOSE] = 0.0
    assert np.array_equal(Channels({}).apply(weights), weights)


def test_each_setting_does_what_it_says() -> None:
    weights = np.array([0.0, 0.2, 0.5, 1.0], np.float32)
    assert applied(Channel(gain=1.5), weights) == pytest.approx([0.0, 0.3, 0.75, 1.0])
    assert applied(Channel(gain=0.0), weights) == pytest.approx([0.0, 0.0, 0.0, 0.0])
    assert applied(Channel(offset=0.1), weights) == pytest.approx([0.1, 0.3, 0.6, 1.0])
    assert applied(Channel(offset=-0.3), weights) == pytest.approx([0.0, 0.0, 0.2, 0.7])
    assert applied(Channel(dead_zone=0.2), weights) == pytest.approx([0.0, 0.0, 0.375, 1.0])
    assert applied(Channel(curve=2.0), weights) == pytest.approx([0.0, 0.04, 0.25, 1.0])


@settings(deadline=None, max_examples=50)
@given(gain=st.floats(0, 4), offset=st.floats(-1, 1), dead_zone=st.floats(0, 0.9), curve=st.floats(0.25, 4))
def test_no_setting_makes_a_channel_jump_fall_or_leave_its_range(
    gain: float, offset: float, dead_zone: float, curve: float
) -> None:
    weights = np.linspace(0, 1, 301, dtype=np.float32)
    made = applied(Channel(gain, offset, dead_zone, curve), weights)
    assert made.min() >= 0
    assert made.max() <= 1
    assert np.diff(made).min() >= -1e-6
    # The steepest there is: the first step out of the widest dead zone along the sharpest curve.
    step = 1.001 / 300 / (1 - dead_zone)
    assert np.diff(made).max() <= gain * max(step**curve, curve * step) + 1e-5


def test_the_jaw_s_dead_zone_is_there_from_the_start_and_is_continuous() -> None:
    channels = Channels(default_channels())
    faces = np.zeros((1001, 52), np.float32)
    faces[:, JAW_OPEN] = np.linspace(0, 1, 1001)
    made = np.array([channels.apply(face)[JAW_OPEN] for face in faces])
    assert not made[:40].any()
    assert made[42:].all()
    assert made[-1] == 1.0
    assert np.diff(made).max() < 0.0012


def test_mouth_close_never_exceeds_jaw_open() -> None:
    channels = Channels(default_channels() | {"mouthClose": Channel(gain=3.0), "jawOpen": Channel(gain=0.5)})
    for weights in np.random.default_rng(1).uniform(size=(50, 52)).astype(np.float32):
        made = channels.apply(weights)
        assert made[MOUTH_CLOSE] <= made[JAW_OPEN]


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [("gain", -1, "0..4"), ("offset", 2, "-1..1"), ("dead_zone", 1, "0..0.9"), ("curve", 0, "0.25..4")],
)
def test_a_value_out_of_range_is_refused(name: str, value: float, rule: str) -> None:
    with pytest.raises(UsageError, match=f"a channel's {name} is {value}; it must be {rule}"):
        Channel(**{name: value})
