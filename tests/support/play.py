"""Runs a source to its end, or for a while, and gives back what it said."""

from __future__ import annotations

import time
from typing import Any

from driver.mailbox import Closed, Mailbox
from driver.stage import Source


class Player:
    """A source with its outbox. Errors of its threads are kept in `errors`."""

    def __init__(
        self, source: Source[Any], capacity: int = 256, when_full: Any = "drop_oldest", **options: Any
    ) -> None:
        self.source = source
        self.outbox: Mailbox[Any] = Mailbox(capacity, when_full, **options)
        self.errors: list[BaseException] = []

    def __enter__(self) -> Player:
        self.source.start(self.outbox, lambda name, error: self.errors.append(error))
        return self

    def __exit__(self, *_: object) -> None:
        self.source.stop()

    def take(self, count: int, within_s: float = 20.0) -> list[Any]:
        """The next `count` items; fewer when they do not come in time, or the source ends."""
        items: list[Any] = []
        deadline_s = time.monotonic() + within_s
        while len(items) < count and (left_s := deadline_s - time.monotonic()) > 0:
            try:
                item = self.outbox.get(left_s)
            except Closed:
                break
            if item is not None:
                items.append(item)
        return items


def play_all(source: Source[Any]) -> list[Any]:
    """Every item of a source that ends. An error of its threads is raised here."""
    with Player(source, 8, "wait") as player:
        items = list(player.outbox)
    if player.errors:
        raise player.errors[0]
    return items


def wait_for(condition: Any, within_s: float = 20.0) -> bool:
    """True as soon as `condition()` is."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True
