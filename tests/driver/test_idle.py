"""Idle motion: repeatable, continuous, and with the statistics of real eyes."""

import numpy as np
import pytest

from driver.errors import UsageError
from driver.idle import IdleMotion, IdleSettings, IdleStyle

LONG_S = 600
MINUTE_NS = 60_000_000_000


def sampled(motion, rate_hz, seconds, start_s=0.0):
    """eyelids [N, 2], gaze [N, 4], head [N, 6] at `rate_hz`."""
    motions = [motion.at(round((start_s + index / rate_hz) * 1e9)) for index in range(round(seconds * rate_hz))]
    return (
        np.array([one.eyelids for one in motions]),
        np.array([one.gaze for one in motions]),
        np.array([np.concatenate([one.head_rotation, one.head_translation]) for one in motions]),
    )


def runs(mask):
    """Where stretches of True begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return edges[::2], edges[1::2]


def test_seed_and_time_decide_in_any_order_of_calls():
    times_ns = [round(second * 1e9) for second in np.linspace(0, 600, 100)]
    forwards = [IdleMotion(seed=7).at(at_ns) for at_ns in times_ns]
    one = IdleMotion(seed=7)
    backwards = [one.at(at_ns) for at_ns in reversed(times_ns)][::-1]
    other = [IdleMotion(seed=8).at(at_ns) for at_ns in times_ns]
    for name in ("eyelids", "gaze", "head_rotation", "head_translation"):
        values = [np.array([getattr(motion, name) for motion in motions]) for motions in (forwards, backwards, other)]
        assert np.array_equal(values[0], values[1])
        assert not np.array_equal(values[0], values[2])


def test_it_claims_to_know_nothing():
    motion = IdleMotion().at(123)
    assert motion.capture_ns == 123
    assert not motion.confidence.any()
    assert not motion.expression.any()
    assert not motion.jaw.any()


@pytest.fixture(scope="module")
def lids():
    # 20 ms steps: a blink takes over 300 ms.
    return sampled(IdleMotion(seed=3), 50, LONG_S)[0]


def test_blinks_come_some_fifteen_times_a_minute_at_irregular_intervals(lids):
    starts, _ = runs(lids[:, 0] > 0)
    intervals_s = np.diff(starts) / 50
    assert 13 < len(starts) / (LONG_S / 60) < 17
    assert intervals_s.mean() == pytest.approx(IdleStyle().blink_interval_s, rel=0.1)
    assert intervals_s.std() > 1.0
    assert intervals_s.min() > 0.5


def test_every_blink_closes_whole_both_lids_and_opens_more_slowly(lids):
    assert np.array_equal(lids[:, 0], lids[:, 1])
    assert lids.min() == 0
    assert lids.max() == 1
    for start, end in zip(*runs(lids[:, 0] > 0), strict=True):
        blink = lids[start:end, 0]
        closed = np.flatnonzero(blink > 0.999)
        assert len(closed)
        assert 0.06 <= closed[0] / 50 <= 0.16
        assert 0.15 <= (len(blink) - closed[-1]) / 50 <= 0.33
        assert (np.diff(blink[: closed[0] + 1]) > 0).all()
        assert (np.diff(blink[closed[-1] :]) < 0).all()


def test_the_blink_rate_follows_the_style():
    lids = sampled(IdleMotion(seed=3, style=IdleStyle(blink_interval_s=8.0)), 10, LONG_S)[0]
    assert 6 < len(runs(lids[:, 0] > 0)[0]) / (LONG_S / 60) < 9


def test_saccades_keep_to_the_main_sequence():
    gaze = sampled(IdleMotion(seed=5), 1000, 59)[1]
    assert np.array_equal(gaze[:, :2], gaze[:, 2:])
    pitch_yaw_deg = np.degrees(gaze[:, :2])
    moving = np.abs(np.diff(pitch_yaw_deg, axis=0)).max(axis=1) > 1e-4
    starts, ends = runs(moving)
    assert 0.3 < len(starts) / 59 < 2.0  # jumps a second
    amplitudes_deg, durations_s, speeds = [], [], []
    for start, end in zip(starts, ends, strict=True):
        amplitudes_deg.append(np.linalg.norm(pitch_yaw_deg[end] - pitch_yaw_deg[start]))
        durations_s.append((end - start) / 1000)
        steps = np.linalg.norm(np.diff(pitch_yaw_deg[start : end + 1], axis=0), axis=1)
        speeds.append(steps.max() * 1000)
    slope, offset = np.polyfit(amplitudes_deg, durations_s, 1)
    assert slope == pytest.approx(0.0022, rel=0.15)  # seconds a degree
    assert offset == pytest.approx(0.021, abs=0.004)
    assert max(amplitudes_deg) > 5
    assert 250 < max(speeds) < 800  # degrees a second, as measured on people
    assert np.abs(pitch_yaw_deg).max() <= 15.01


def test_eyes_mostly_look_ahead():
    gaze = sampled(IdleMotion(seed=5), 10, LONG_S)[1]
    away_rad = np.linalg.norm(gaze[:, :2], axis=1)
    assert 0.5 < (away_rad < np.radians(3)).mean() < 0.9
    assert np.abs(gaze.mean(axis=0)).max() < np.radians(0.5)


def test_nothing_jumps_at_the_edge_of_a_minute():
    motion = IdleMotion(seed=11)
    for minute in range(1, 60):
        before, after = motion.at(minute * MINUTE_NS - 1), motion.at(minute * MINUTE_NS)
        for name in ("eyelids", "gaze", "head_rotation", "head_translation"):
            assert np.abs(getattr(before, name) - getattr(after, name)).max() < 1e-5


def test_the_head_sways_slowly_around_where_it_is():
    head = sampled(IdleMotion(seed=2, settings=IdleSettings(breathing=0)), 10, LONG_S)[2]
    style = IdleStyle()
    assert head[:, :3].std(axis=0) == pytest.approx(style.sway_rad, rel=0.2)
    assert head[:, 3:].std(axis=0) == pytest.approx(style.sway_m, rel=0.2)
    assert np.abs(head.mean(axis=0)).max() < 1e-3
    assert np.degrees(np.abs(np.diff(head[:, :3], axis=0)).max() * 10) < 8  # degrees a second


def test_it_breathes_in_and_out_as_people_do_at_rest():
    head = sampled(IdleMotion(seed=2, settings=IdleSettings(sway=0)), 20, LONG_S)[2]
    rise_m, pitch_rad = head[:, 4], head[:, 0]
    assert not head[:, [1, 2, 3, 5]].any()
    assert np.corrcoef(rise_m, pitch_rad)[0, 1] < -0.999  # up and back together: a positive pitch looks down
    assert 0.8 * IdleStyle().breath_m < np.ptp(rise_m) < 1.3 * IdleStyle().breath_m
    crests = np.flatnonzero((rise_m[1:-1] > rise_m[:-2]) & (rise_m[1:-1] >= rise_m[2:]))
    intervals_s = np.diff(crests) / 20
    assert 12 < len(crests) / (LONG_S / 60) < 18
    assert intervals_s.std() > 0.2
    assert (np.diff(rise_m) > 0).mean() == pytest.approx(0.4, abs=0.03)


def test_each_kind_of_life_has_its_own_strength():
    none = IdleSettings(blinks=0, saccades=0, sway=0, breathing=0)
    for name in ("eyelids", "gaze", "head_rotation", "head_translation"):
        assert not any(getattr(IdleMotion(3, settings=none).at(at_ns), name).any() for at_ns in range(0, 10**11, 10**9))
    plain = sampled(IdleMotion(seed=3), 10, LONG_S)
    lids, gaze, head = sampled(
        IdleMotion(seed=3, settings=IdleSettings(blinks=0.5, saccades=2, sway=2, breathing=2)), 10, LONG_S
    )
    assert gaze == pytest.approx(2 * plain[1], abs=1e-6)
    assert head == pytest.approx(2 * plain[2], abs=1e-6)
    assert 6 < len(runs(lids[:, 0] > 0)[0]) / (LONG_S / 60) < 9


@pytest.mark.parametrize("strength", [-0.1, 2.5, float("nan")])
def test_a_strength_out_of_range_is_refused(strength):
    with pytest.raises(UsageError, match=r"idle\.breathing is .*; it must be 0\.\.2, 0 is none"):
        IdleSettings(breathing=strength)
