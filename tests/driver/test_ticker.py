"""Ticks keep to the clock without drift, skip after a stall, and stop at once."""

import threading
import time

from driver.ticker import Ticker

MS = 1_000_000


def test_at_full_speed_the_instants_are_exact_and_are_the_clock() -> None:
    ticker = Ticker(1000, 60.0, is_paced=False, duration_s=10)
    ticks = list(ticker)
    assert ticks == [1000 + round(index * 1e9 / 60) for index in range(600)]
    assert ticker.now_ns(ticks[5]) == ticks[5]


def test_paced_ticks_come_when_their_instant_has_come() -> None:
    start_ns = time.perf_counter_ns() + 5 * MS
    ticker = Ticker(start_ns, 100.0, is_paced=True, duration_s=0.2)
    late_ns = [time.perf_counter_ns() - tick_ns for tick_ns in ticker]
    assert len(late_ns) == 20
    assert min(late_ns) >= 0
    assert sorted(late_ns)[10] < 10 * MS


def test_after_a_stall_it_skips_to_now() -> None:
    ticker = Ticker(time.perf_counter_ns(), 100.0, is_paced=True)
    ticks = iter(ticker)
    next(ticks)
    time.sleep(0.4)
    behind_ns = time.perf_counter_ns() - next(ticks)
    assert behind_ns < 100 * MS
    assert 30 <= ticker.skipped <= 60


def test_stop_ends_a_waiting_tick_at_once() -> None:
    ticker = Ticker(time.perf_counter_ns() + 60_000 * MS, 1.0, is_paced=True)
    threading.Timer(0.05, ticker.stop).start()
    began_s = time.monotonic()
    assert list(ticker) == []
    assert time.monotonic() - began_s < 6
