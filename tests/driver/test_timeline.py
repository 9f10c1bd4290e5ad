"""The ticker takes exactly what belongs to an instant: without patience for live streams, complete for files."""

import threading
import time

from driver.timeline import Timeline
from driver.types import Motion


def motions(*times_ns: int) -> list[Motion]:
    return [Motion(at_ns) for at_ns in times_ns]


def taken(timeline: Timeline, until_ns: int, patience_s: float | None) -> list[int]:
    return [motion.capture_ns for motion in timeline.take(until_ns, patience_s)]


def test_live_takes_what_is_finished_and_leaves_the_future() -> None:
    timeline = Timeline()
    for motion in motions(10, 20, 30):
        timeline.put(motion)
    assert taken(timeline, 25, 0.0) == [10, 20]
    assert taken(timeline, 25, 0.0) == []
    assert taken(timeline, 35, 0.0) == [30]


def test_waits_for_an_announced_item_that_belongs_here() -> None:
    timeline = Timeline()
    timeline.announce(10)
    timeline.announce(40)

    def finish_late() -> None:
        time.sleep(0.05)
        timeline.put(Motion(10))

    worker = threading.Thread(target=finish_late)
    worker.start()
    assert taken(timeline, 25, None) == [10]
    worker.join()
    assert taken(timeline, 39, None) == []  # 40 is announced, so nothing earlier can come


def test_a_dropped_item_does_not_hold_up_the_tick() -> None:
    timeline = Timeline()
    for at_ns in (10, 20, 50):
        timeline.announce(at_ns)
    timeline.put(Motion(20))  # 10 was dropped before the encoder
    assert taken(timeline, 30, None) == [20]


def test_a_motion_that_tells_of_earlier_has_its_place_where_it_was_known() -> None:
    timeline = Timeline()
    for at_ns in (100, 120, 140):
        timeline.announce(at_ns)
    timeline.put(Motion(20, lookahead_ns=80))
    timeline.put(Motion(40, lookahead_ns=80))
    assert taken(timeline, 110, None) == [20]  # 120 was not known yet
    assert taken(timeline, 130, None) == [40]


def test_an_item_of_which_nothing_came_holds_nobody_up() -> None:
    timeline = Timeline()
    for at_ns in (100, 120, 140):
        timeline.announce(at_ns)
    timeline.put(Motion(20, lookahead_ns=80))
    timeline.settle(120)
    timeline.settle(100)  # time does not go back
    began_s = time.monotonic()
    assert taken(timeline, 130, 2.0) == [20]
    assert time.monotonic() - began_s < 1.0


def test_patience_ends() -> None:
    timeline = Timeline()
    timeline.announce(10)
    began_s = time.monotonic()
    assert taken(timeline, 20, 0.03) == []
    assert time.monotonic() - began_s >= 0.03


def test_closing_ends_all_waiting_and_exhausts_once_empty() -> None:
    timeline = Timeline()
    timeline.put(Motion(10))
    threading.Timer(0.05, timeline.close).start()
    assert taken(timeline, 5, None) == []
    assert not timeline.exhausted
    assert taken(timeline, 10, None) == [10]
    assert timeline.exhausted
    assert not timeline.put(Motion(20))


def test_a_full_timeline_drops_the_oldest_or_makes_the_sender_wait() -> None:
    live = Timeline(capacity=2)
    for motion in motions(1, 2, 3):
        live.put(motion)
    assert (taken(live, 9, 0.0), live.dropped) == ([2, 3], 1)

    patient = Timeline(capacity=2).lossless()

    def send() -> None:
        for motion in motions(1, 2, 3, 4, 5):
            patient.put(motion)
        patient.close()

    sender = threading.Thread(target=send)
    sender.start()
    got: list[int] = []
    while not patient.exhausted:
        got += taken(patient, 9, 0.01)
    sender.join(5)
    assert (got, patient.dropped) == ([1, 2, 3, 4, 5], 0)
