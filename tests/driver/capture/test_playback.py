from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from support.play import Player, play_all, wait_for

from driver.capture.clock import wait_until
from driver.capture.fake import FakeCamera, FakeMicrophone
from driver.capture.playback import Playback
from driver.errors import MediaError
from driver.types import HOP_NS, HOP_SAMPLES, AudioChunk, VideoFrame

MS = 1_000_000


def pictures(count: int, begin_ns: int = 0, period_ns: int = 20 * MS) -> list[VideoFrame]:
    return [VideoFrame(np.zeros((2, 2, 3), np.uint8), begin_ns + i * period_ns, i) for i in range(count)]


def test_everything_comes_in_order_and_then_the_end():
    given = pictures(50)
    assert play_all(FakeCamera(given)) == given


def test_a_fake_microphone_gives_its_hops():
    given = [AudioChunk(np.zeros(HOP_SAMPLES, np.float32), i * HOP_SAMPLES, (i + 1) * HOP_NS) for i in range(5)]
    assert play_all(FakeMicrophone(given)) == given


def test_in_real_time_nothing_comes_before_it_was_captured():
    begin_ns = time.perf_counter_ns() + 50 * MS
    with Player(FakeCamera(pictures(10, begin_ns), realtime=True)) as player:
        for number in range(10):
            (item,) = player.take(1)
            assert item.index == number
            assert time.perf_counter_ns() >= item.capture_ns


def test_each_item_is_announced_before_it_is_put():
    said: list[tuple[str, int]] = []
    with Player(FakeCamera(pictures(5)), on_announce=lambda at_ns: said.append(("announced", at_ns))) as player:
        for frame in player.outbox:
            said.append(("put", frame.capture_ns))
    for frame in pictures(5):
        assert said.index(("announced", frame.capture_ns)) < said.index(("put", frame.capture_ns))


def test_stop_ends_a_long_wait_and_closes_the_generator():
    closed = threading.Event()

    def endless():
        try:
            yield pictures(1, time.perf_counter_ns() + 10**12)[0]
        finally:
            closed.set()

    player = Player(Playback("endless", endless, realtime=True))
    with player:
        time.sleep(0.05)
    assert player.outbox.closed
    assert wait_for(closed.is_set, 5)
    player.source.stop()  # again


def test_stop_before_start_is_harmless():
    FakeCamera([]).stop()


def test_an_error_reaches_fail_and_the_outbox_ends():
    def broken():
        yield pictures(1)[0]
        raise MediaError("the tape tore")

    with Player(Playback("broken", broken, realtime=False)) as player:
        assert len(player.take(2)) == 1
        assert wait_for(lambda: player.errors)
    assert str(player.errors[0]) == "the tape tore"


def test_waiting_is_over_when_the_stop_is_set():
    stop = threading.Event()
    assert wait_until(time.perf_counter_ns() - 1, stop)
    stop.set()
    assert not wait_until(time.perf_counter_ns() + 10**12, stop)
    assert not wait_until(0, stop)


@pytest.mark.parametrize("when_full", ["wait", "drop_oldest"])
def test_a_closed_outbox_stops_the_source(when_full):
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield pictures(1)[0]
        finally:
            closed.set()

    with Player(Playback("endless", endless, realtime=False), 4, when_full) as player:
        player.take(3)
        player.outbox.close()
        assert wait_for(closed.is_set, 5)
