"""For outputs that take their time, such as those that draw: the newest frame only, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from driver.mailbox import Mailbox
from driver.sinks.sink import Notice
from driver.stage import Worker
from protocol.frame import FaceFrame, Floats

# An output that is in the middle of a frame gets so long to finish it.
_LAST_FRAME_S = 2.0

# What to do with a frame, and with the newest identity, which not every frame carries; None before the first one.
Follow = Callable[[FaceFrame, Floats | None], None]


class Follower:
    """Calls `follow` in its own thread with the newest frame, `rate_hz` times a second at most, and at last `end`.

    Whoever sends is never kept waiting; frames that come too fast are left out, and counted in `dropped`. Should
    `follow` fail, `notice` is told why, and nothing more is done.
    """

    def __init__(
        self, name: str, rate_hz: float, follow: Follow, notice: Notice, end: Callable[[], None] = lambda: None
    ) -> None:
        self._period_s = 1.0 / rate_hz
        self._follow, self._end = follow, end
        self._inbox: Mailbox[FaceFrame] = Mailbox(1)
        self._shape: Floats | None = None
        self._ended = threading.Event()
        self._worker = Worker(name, self._run, lambda name, error: notice(f"{name} goes on no more: {error}"))
        self._worker.start()

    @property
    def dropped(self) -> int:
        """Frames that nobody looked at."""
        return self._inbox.dropped

    def send(self, frame: FaceFrame) -> None:
        """Hand over one frame without waiting."""
        if frame.shape is not None:
            self._shape = frame.shape
        self._inbox.put(frame)

    def close(self) -> None:
        """Finish the frame in hand and end the thread. May be called again."""
        self._ended.set()
        self._inbox.close()
        self._worker.join(_LAST_FRAME_S)

    def _run(self) -> None:
        due_s = time.monotonic()
        try:
            for frame in self._inbox:
                self._follow(frame, self._shape)
                due_s = max(due_s + self._period_s, time.monotonic())
                if self._ended.wait(due_s - time.monotonic()):
                    return
        finally:
            self._end()
