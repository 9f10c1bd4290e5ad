"""How many frames a second pass, evenly sent and after stalls."""

import pytest

from driver.sinks.rate import RateLimit

MS = 1_000_000


def passed(rate_hz, times_ms):
    """The times that pass."""
    now_ns = [0]
    limit = RateLimit(rate_hz, lambda: now_ns[0])
    found = []
    for at_ms in times_ms:
        now_ns[0] = round(at_ms * MS)
        if limit.allows():
            found.append(at_ms)
    return found


def at_60_hz(seconds):
    return [frame * 1000 / 60 for frame in range(60 * seconds)]


@pytest.mark.parametrize("rate_hz", [60, 30, 25, 10])
def test_the_rate_is_kept_by_a_steady_sender(rate_hz):
    assert len(passed(rate_hz, at_60_hz(4))) == pytest.approx(4 * rate_hz, abs=1)


@pytest.mark.parametrize("rate_hz", [60, 30])
def test_frames_that_come_late_all_at_once_are_not_too_many(rate_hz):
    """A busy machine: nothing for 200 ms, then all that is owed; each second again."""
    times_ms = [1000 + 1000 * (ms // 1000) if ms % 1000 > 800 else ms for ms in at_60_hz(4)]
    assert len(passed(rate_hz, times_ms)) == pytest.approx(4 * rate_hz, abs=1)


def test_a_long_silence_saves_up_no_more_than_a_quarter_of_a_second():
    after = [10_000 + one for one in range(1000)]  # 1000 Hz for a second
    assert len(passed(30, [0, *after])) == pytest.approx(1 + 30 * 1.25, abs=2)
