"""The whole path on one screen: camera and microphone -> encoders -> ticks -> fuse -> smooth -> mood -> frame -> sinks.

    source -> [mailbox] -> tracker -> solver  -> [timeline] -\\
                                                              ticker -> fuser -> smoother -> mood -> frame -> publisher
    source -> [mailbox] -> audio encoder      -> [timeline] -/

Arrows with a box are one thread's hand-over to the next; all else are plain objects. The first error stops everything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from driver.errors import RunError
from driver.face import Face
from driver.mailbox import Closed, Mailbox
from driver.metrics import Meter, RateMeter
from driver.stage import Source, Stage, Worker
from driver.ticker import Ticker
from driver.timeline import Timeline
from driver.types import Motion
from protocol.frame import FaceFrame

_JOIN_S = 3.0
# A tick knows what was captured up to so long ago: the encoders' work on it is usually done by then. A constant, so
# that a file gives the same motion at any pace, and the delay of the motion does not jitter with the machine's load.
KNOWN_AFTER_NS = 14_000_000
# How long a tick of a file in real time waits for a picture that is still being worked on, before it goes without.
_PATIENCE_S = 0.1


@dataclass
class Branch:
    """One modality: where its items come from, the stages they go through, and what came of it."""

    name: str
    source: Source[Any]
    stages: Sequence[tuple[str, Stage[Any, Any]]]
    capacity: int
    is_live: bool
    timeline: Timeline = field(default_factory=Timeline)
    rate: RateMeter = field(default_factory=RateMeter)
    inbox: Mailbox[Any] = field(init=False)
    meters: dict[str, Meter] = field(init=False)

    def __post_init__(self) -> None:
        self.inbox = Mailbox(self.capacity, on_announce=self.timeline.announce)
        self.meters = {name: Meter(name) for name, _ in self.stages}

    def run(self) -> None:
        """The body of the branch's thread: every item through every stage, then onto the timeline.

        What the last stage makes of an item is one motion, or a list of any length, oldest first.
        """
        try:
            for item in self.inbox:
                self.rate.tick(time.perf_counter_ns())
                made: Any = item
                for name, stage in self.stages:
                    began_ns = time.perf_counter_ns()
                    made = stage.process(made)
                    self.meters[name].add_ns(time.perf_counter_ns() - began_ns)
                motions = cast("list[Motion]", made if isinstance(made, list) else [made])
                if not all(self.timeline.put(motion) for motion in motions):
                    return
                self.timeline.settle(item.capture_ns)
        finally:
            self.inbox.close()
            self.timeline.close()
            for _, stage in self.stages:
                stage.close()


class Pipeline:
    """Wires the path and runs it. `run` blocks until the files end, `stop` is called or something fails."""

    def __init__(
        self,
        video: Branch | None,
        audio: Branch | None,
        ticker: Ticker,
        face: Face,
        publisher: Stage[FaceFrame, None],
        *,
        on_frame: Callable[[FaceFrame], None] = lambda frame: None,
    ) -> None:
        self.video, self.audio = video, audio
        self.branches = [branch for branch in (video, audio) if branch is not None]
        self.ticker, self.face, self.publisher, self.on_frame = ticker, face, publisher, on_frame
        self.meters = {name: Meter(name) for name in ("fuse", "publish", "age")}
        self.rate = RateMeter()
        if not ticker.is_paced:
            for branch in self.branches:
                branch.inbox.when_full = "wait"
                branch.timeline.lossless()
        self._error: tuple[str, BaseException] | None = None
        self._stopping = threading.Lock()

    def run(self) -> None:
        """Run to the end. The first error of any thread is raised here, with the name of its stage.

        Meanwhile linear algebra runs on one thread in this process: the matrices are small, and threads that wait for
        each other on busy cores turn 3 ms into 30.
        """
        with threadpool_limits(limits=1):
            self._run()

    def _run(self) -> None:
        workers = [Worker(branch.name, branch.run, self._fail) for branch in self.branches]
        try:
            for worker, branch in zip(workers, self.branches, strict=True):
                worker.start()
                branch.source.start(branch.inbox, self._fail)
            self._tick()
        finally:
            self.stop()
            stuck = [worker.name for worker in workers if not worker.join(_JOIN_S)]
            self.publisher.close()
        if self._error is not None:
            stage, error = self._error
            error.add_note(f"in stage: {stage}")
            raise error
        if stuck:
            raise RunError(f"stage {', '.join(stuck)} did not stop within {_JOIN_S:g} s")

    def _tick(self) -> None:
        for tick_ns in self.ticker:
            known_ns = tick_ns - KNOWN_AFTER_NS
            for branch, take_in in ((self.video, self.face.fuser.see), (self.audio, self.face.fuser.hear)):
                if branch is not None:
                    for motion in branch.timeline.take(known_ns, self._patience_s(branch)):
                        take_in(motion)
            self._publish(tick_ns, known_ns)
            if self.branches and all(branch.timeline.exhausted for branch in self.branches):
                return

    def _patience_s(self, branch: Branch) -> float | None:
        if branch.is_live:
            return 0.0
        return _PATIENCE_S if self.ticker.is_paced else None

    def _publish(self, tick_ns: int, known_ns: int) -> None:
        began_ns = time.perf_counter_ns()
        frame = self.face.frame(tick_ns, known_ns, lambda: self.ticker.now_ns(tick_ns))
        fused_ns = time.perf_counter_ns()
        self.publisher.process(frame)
        self.meters["fuse"].add_ns(fused_ns - began_ns)
        self.meters["publish"].add_ns(time.perf_counter_ns() - fused_ns)
        self.meters["age"].add_ns(frame.publish_ns - frame.capture_ns)
        self.rate.tick(time.perf_counter_ns())
        self.on_frame(frame)

    def stop(self) -> None:
        """End the run, from any thread; may be called again."""
        with self._stopping:
            self.ticker.stop()
            for branch in self.branches:
                branch.source.stop()
                branch.inbox.close()
                branch.timeline.close()

    def _fail(self, stage: str, error: BaseException) -> None:
        if self._error is None and not isinstance(error, Closed):
            self._error = (stage, error)
        self.ticker.stop()
        for branch in self.branches:
            branch.timeline.close()
