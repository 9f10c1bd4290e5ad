"""What the user sees while it runs: one line with rates, the age of the face, drops, confidence and clients."""

from __future__ import annotations

import math
import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

from driver.stage import Worker
from protocol.frame import REGIONS, FaceFrame

if TYPE_CHECKING:
    from driver.assemble import Run

_TERMINAL_EVERY_S = 0.5
_LOG_EVERY_S = 5.0


class StatusLine:
    """A context manager. On a terminal the line is redrawn in place; elsewhere it is printed now and then."""

    def __init__(self, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self._is_terminal = sys.stderr.isatty()
        self._run: Run | None = None
        self._newest: FaceFrame | None = None
        self._ended = threading.Event()
        self._printing = threading.Lock()
        self._worker = Worker("status", self._loop, lambda name, error: self._ended.set())

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._worker.join(1.0)
        if self._is_terminal and not self._is_quiet and self._run is not None:
            sys.stderr.write("\r\033[K")

    def watch(self, run: Run) -> None:
        """Begin to report on `run`."""
        self._run = run
        run.pipeline.on_frame = self._see
        if not self._is_quiet:
            self._worker.start()

    def notice(self, sentence: str) -> None:
        """Say something once, above the line; from any thread."""
        with self._printing:
            clear = "\r\033[K" if self._is_terminal and self._run is not None else ""
            sys.stderr.write(f"{clear}{sentence}\n")
            sys.stderr.flush()

    def summary(self) -> str:
        """One sentence on what was done."""
        if self._run is None or self._newest is None:
            return "no frame was published"
        pipeline = self._run.pipeline
        p50, p95, p99 = pipeline.meters["age"].percentiles_ms(50, 95, 99)
        drops = ", ".join(f"{branch.inbox.dropped} {branch.name} items dropped" for branch in pipeline.branches)
        return (
            f"published {self._newest.seq + 1} frames; age of the face p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f} ms; "
            f"{drops}"
        )

    def _see(self, frame: FaceFrame) -> None:
        self._newest = frame

    def _loop(self) -> None:
        every_s = _TERMINAL_EVERY_S if self._is_terminal else _LOG_EVERY_S
        while not self._ended.wait(every_s):
            if self._run is None or self._newest is None:
                continue
            with self._printing:
                start, end = ("\r\033[K", "") if self._is_terminal else ("", "\n")
                sys.stderr.write(f"{start}{self._line(self._run, self._newest)}{end}")
                sys.stderr.flush()

    def _line(self, run: Run, frame: FaceFrame) -> str:
        pipeline, now_ns = run.pipeline, time.perf_counter_ns()
        p50, p95 = pipeline.meters["age"].percentiles_ms(50, 95)
        fields = [f"{branch.name} {branch.rate.rate_hz(now_ns):.0f}/s" for branch in pipeline.branches]
        fields.append(f"out {pipeline.rate.rate_hz():.0f}/s")
        fields.append("age - ms" if math.isnan(p50) else f"age {p50:.0f}/{p95:.0f} ms")
        dropped = sum(branch.inbox.dropped + branch.timeline.dropped for branch in pipeline.branches)
        fields.append(f"drops {dropped}")
        confidence = " ".join(
            f"{name.replace('_face', '')} {value:.1f}" for name, value in zip(REGIONS, frame.confidence, strict=True)
        )
        fields.append(f"sees {confidence}")
        fields.append(f"clients {run.publisher.clients()}")
        return " | ".join(fields)
