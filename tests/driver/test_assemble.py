"""What happens before a run begins."""

from __future__ import annotations

import time

import pytest

from driver import assemble as parts
from driver.assemble import assemble
from driver.capture.retry import say_nothing
from driver.config import Settings, Tracker

HEAD_START_NS = 300_000_000


@pytest.mark.parametrize(
    ("name", "tracker"),
    [
        ("mouth_projector", "native"),
        ("NativeFace", "native"),
        ("LandmarkSolver", "mediapipe"),
        ("FrameBuilder", "native"),
    ],
)
def test_the_clock_starts_after_everything_that_takes_time(
    monkeypatch: pytest.MonkeyPatch, name: str, tracker: Tracker
) -> None:
    made, made_ns = getattr(parts, name), []

    def watched(*arguments, **named):
        part = made(*arguments, **named)
        made_ns.append(time.perf_counter_ns())
        return part

    monkeypatch.setattr(parts, name, watched)
    run = assemble(Settings(demo=True, out=(), tracker=tracker), say_nothing)
    run.pipeline.stop()
    assert run.pipeline.ticker.start_ns >= made_ns[-1] + HEAD_START_NS
