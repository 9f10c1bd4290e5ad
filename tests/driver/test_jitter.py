"""The receiver's jitter buffer, with a network and a clock that the tests make up."""

from dataclasses import replace

import numpy as np
import pytest

from driver.jitter import JitterBuffer, JitterOptions, turn_between
from protocol.avatar_values import AvatarFace

PERIOD_MS = 1000 / 30


def face(seq, session=1, at_ms=None):
    """Its first weight says when it was sent: 1 after 100 s."""
    sent_ms = 10_000 + seq * PERIOD_MS if at_ms is None else at_ms
    arkit = np.zeros(52, np.float32)
    arkit[0] = sent_ms / 1e5
    zeros = np.zeros(3, np.float32)
    numbers = {"laughter": 0.0, "speech": 1.0, "valence": 0.0, "arousal": 0.0}
    sent_ns = round(sent_ms * 1e6)
    return AvatarFace(session, seq, sent_ns, sent_ns, arkit, zeros, zeros, confidence=np.ones(4, np.float32), **numbers)


def played(arrivals, until_ms, options=None, every_ms=5.0):
    """What is shown every 5 ms: (ms, when what is shown was sent, state, presence), and the buffer."""
    buffer = JitterBuffer(options or JitterOptions())
    waiting = sorted(arrivals, key=lambda arrival: arrival[0])
    shown = []
    for now_ms in np.arange(0.0, until_ms, every_ms):
        while waiting and waiting[0][0] <= now_ms:
            at_ms, one = waiting.pop(0)
            buffer.push(one, round(at_ms * 1e6))
        now = buffer.sample(round(now_ms * 1e6))
        sent_ms = float("nan") if now.face is None else 1e5 * float(now.face.arkit[0])
        shown.append((now_ms, sent_ms, now.state, now.presence))
    return shown, buffer


def network(count, delay_ms=40.0, jitter_ms=0.0, loss=0.0, seed=0):
    chance = np.random.default_rng(seed)
    return [
        (seq * PERIOD_MS + delay_ms + jitter_ms * chance.random(), face(seq))
        for seq in range(count)
        if chance.random() >= loss
    ]


def test_motion_is_even_through_jitter_and_wrong_order():
    shown, buffer = played(network(120, jitter_ms=80.0), 4000)
    steps = np.diff([sent_ms for now_ms, sent_ms, *_ in shown if now_ms > 2000])
    assert buffer.lost <= 5  # those that came too late while the network was not known yet
    assert 80 < buffer.delay_ms < 150
    # 5 ms of the sender's time in each 5 ms, within 2 ms in all but a few.
    assert np.mean(abs(steps - 5.0) < 2.0) > 0.95
    assert steps.min() >= 0.0


def test_lost_faces_are_bridged_and_counted():
    arrivals = network(120, loss=0.2, seed=3)
    shown, buffer = played(arrivals, 4100)
    arrived = [one.seq for _, one in arrivals]
    assert buffer.lost == arrived[-1] - arrived[0] + 1 - len(arrived) > 10
    lag = [now_ms + 10_000 - sent_ms for now_ms, sent_ms, *_ in shown if 1000 < now_ms < 4000]
    # No later than the delay and the longest row of losses, that is.
    longest = max(np.diff(arrived))
    assert max(lag) <= 40 + buffer.delay_ms + longest * PERIOD_MS + 5


def test_doubled_late_and_very_late_faces():
    buffer = JitterBuffer(JitterOptions(delay_ms=50.0))
    for seq in (0, 1, 3, 3, 4):
        buffer.push(face(seq), round(seq * PERIOD_MS * 1e6))
    assert buffer.lost == 1
    buffer.push(face(2), round(4.1 * PERIOD_MS * 1e6))
    assert buffer.lost == 0  # late, in time
    now_ns = round(3.9 * PERIOD_MS * 1e6 + 50e6)
    assert buffer.sample(now_ns).face.seq == 3
    buffer.push(face(2), now_ns)
    buffer.push(face(1), now_ns)
    assert buffer.sample(now_ns + 1).face.seq == 3


def test_one_that_was_sent_before_the_first_to_come_is_shown_before_it():
    buffer = JitterBuffer(JitterOptions(delay_ms=100.0))
    for seq in (1, 0):
        buffer.push(face(seq), round(35e6))
    assert buffer.lost == 0
    shown = [buffer.sample(round(at_ms * 1e6)).face.seq for at_ms in (36.0, 140.0)]
    assert shown == [0, 1]


def test_silence_is_held_then_eased_then_comes_back():
    options = JitterOptions()
    arrivals = [*network(30), *((at_ms + 3000, replace(one, seq=one.seq)) for at_ms, one in [(1200, face(120))])]
    shown, _ = played(arrivals, 4700, options)
    last_ms = 29 * PERIOD_MS + 40
    for now_ms, sent_ms, state, presence in shown:
        quiet_ms = now_ms - last_ms
        if 260 < quiet_ms < 990:
            assert (state, presence) == ("stale", 1.0)
            assert sent_ms == pytest.approx(10_000 + 29 * PERIOD_MS, abs=0.1)
        if quiet_ms > 1410 and now_ms < 4200:
            assert (state, presence) == ("lost", 0.0)
    assert shown[-1][2:] == ("stale", 1.0)
    presences = [presence for *_, presence in shown]
    assert max(abs(np.diff(presences))) <= 5.0 / options.ease_ms + 1e-9


@pytest.mark.parametrize(
    "other",
    [face(31, session=2), face(3, at_ms=50_000.0), face(31, at_ms=20_000.0), face(500, at_ms=9_000.0)],
    ids=["session", "seq", "clock", "time"],
)
def test_another_sender_is_followed_at_once(other):
    buffer = JitterBuffer()
    for at_ms, one in network(30):
        buffer.push(one, round(at_ms * 1e6))
    buffer.push(other, round(1040e6))
    assert buffer.sample(round(1041e6)).face is other


def test_a_turn_between_takes_the_short_way():
    first, second = np.array([0, 3.0, 0], np.float32), np.array([0, -3.0, 0], np.float32)
    assert np.linalg.norm(turn_between(first, second, 0.5)) == pytest.approx(np.pi, abs=1e-5)
    assert turn_between(first, second, 0.0) == pytest.approx(first, abs=1e-5)
    small = np.array([0.1, -0.2, 0.05], np.float32)
    assert turn_between(np.zeros(3, np.float32), small, 0.5) == pytest.approx(small / 2, abs=1e-4)
