"""Sends a recording again, with its own timing and, where the output carries our packets, its own bytes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from driver.errors import MediaError, UsageError
from driver.preview.page import open_outputs
from driver.publish import Publisher
from driver.recording import read_recording
from driver.sinks.sink import Notice, SinkContext
from protocol.frame import FaceFrame
from protocol.msgpack_codec import Hello

_SHORTEST_PERIOD_NS = 1_000_000


def replay(
    path: Path, urls: Sequence[str], speed: float, loop: bool, notice: Notice, preview: int | None = None
) -> int:
    """Send the recording at `path` to the outputs `urls`; returns the number of frames sent.

    speed     2 = twice as fast
    loop      begin again at the end, until interrupted; `seq` then falls back to the first, as for a new sender
    preview   port of a page that shows it; None = no page
    """
    publisher = Publisher(open_outputs(urls, preview, SinkContext(introduction(path), notice)), notice)
    try:
        return send_recording(path, publisher, speed, loop, notice)
    finally:
        publisher.close()


def introduction(path: Path) -> Hello:
    """The hello that a recording begins with; MediaError when there is none."""
    for _, item in read_recording(path, lambda sentence: None):
        if isinstance(item, Hello):
            return item
        break
    raise MediaError(f"{path} does not begin with a hello; record it again with this release")


def send_recording(
    path: Path,
    publisher: Publisher,
    speed: float,
    loop: bool,
    notice: Notice,
    stop: threading.Event | None = None,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> int:
    """Send every frame when it is due, counted from the first, so that errors of single waits do not add up.

    A frame that is late is sent at once; none is left out. Setting `stop` ends it.
    """
    if not 0.01 <= speed <= 100:
        raise UsageError(f"the speed is {speed:g}; it must be in 0.01..100, where 1 is the recording's own")
    stop = stop or threading.Event()
    start_ns = clock_ns()
    sent = 0
    while True:
        frames = 0
        first_ns = due_ns = previous_due_ns = start_ns
        for packet, item in read_recording(path, notice):
            if not isinstance(item, FaceFrame):
                continue
            if not frames:
                first_ns = item.publish_ns
            previous_due_ns = due_ns
            due_ns = start_ns + round((item.publish_ns - first_ns) / speed)
            wait_ns = due_ns - clock_ns()
            if stop.wait(wait_ns / 1e9) if wait_ns > 0 else stop.is_set():
                return sent + frames
            publisher.send(item, packet)
            frames += 1
        sent += frames
        if not frames:
            raise MediaError(f"{path} holds no frames; there is nothing to send")
        if not loop:
            return sent
        # The first frame follows the last one as that one followed its predecessor; a lone frame must not spin.
        start_ns = due_ns + max(due_ns - previous_due_ns, _SHORTEST_PERIOD_NS)
