"""The hand-over between threads: bounded, counted, closed to stop."""

import threading
import time

import pytest

from driver.mailbox import Closed, Mailbox


def test_drop_oldest_keeps_the_newest_and_counts() -> None:
    box: Mailbox[int] = Mailbox(2)
    for item in range(5):
        assert box.put(item)
    assert [box.get(), box.get()] == [3, 4]
    assert (box.dropped, box.received) == (3, 5)


def test_wait_loses_nothing_and_never_holds_more_than_its_capacity() -> None:
    box: Mailbox[int] = Mailbox(3, "wait")
    most = 0

    def send() -> None:
        for item in range(200):
            box.put(item)
        box.close()

    sender = threading.Thread(target=send)
    sender.start()
    got: list[int] = []
    for item in box:
        most = max(most, len(box))
        got.append(item)
    sender.join(5)
    assert got == list(range(200))
    assert box.dropped == 0
    assert most <= 3


def test_get_returns_none_after_its_timeout() -> None:
    box: Mailbox[int] = Mailbox(1)
    began_s = time.monotonic()
    assert box.get(0.02) is None
    assert time.monotonic() - began_s >= 0.02


def test_closing_drains_then_refuses() -> None:
    box: Mailbox[int] = Mailbox(4)
    box.put(1)
    box.close()
    box.close()
    assert not box.put(2)
    assert box.get() == 1
    with pytest.raises(Closed):
        box.get()
    assert list(box) == []


@pytest.mark.parametrize("is_full", [True, False])
def test_closing_wakes_whoever_waits(is_full: bool) -> None:
    box: Mailbox[int] = Mailbox(1, "wait")
    if is_full:
        box.put(0)
    outcome: list[object] = []

    def wait() -> None:
        try:
            outcome.append(box.put(1) if is_full else box.get())
        except Closed:
            outcome.append("closed")

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.05)
    assert waiter.is_alive()
    box.close()
    waiter.join(5)
    assert outcome == [False if is_full else "closed"]


def test_capacity_must_be_positive() -> None:
    with pytest.raises(ValueError, match="capacity is 0"):
        Mailbox(0)
