"""What happens before a run begins: the rehearsal, and when the clock starts."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from driver import assemble as parts
from driver.assemble import assemble, demo_sample
from driver.capture.retry import say_nothing
from driver.config import Settings
from driver.landmark_solver import LandmarkSolver
from driver.recording import read_recording
from protocol.frame import FaceFrame

HEAD_START_NS = 300_000_000


@pytest.mark.parametrize("name", ["_rehearse", "mouth_projector", "LandmarkSolver", "FrameBuilder"])
def test_the_clock_starts_after_everything_that_takes_time(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    made, made_ns = getattr(parts, name), []

    def watched(*arguments, **named):
        part = made(*arguments, **named)
        made_ns.append(time.perf_counter_ns())
        return part

    monkeypatch.setattr(parts, name, watched)
    run = assemble(Settings(demo=True, out=()), say_nothing)
    run.pipeline.stop()
    assert run.pipeline.ticker.start_ns >= made_ns[-1] + HEAD_START_NS


@pytest.mark.parametrize(("is_demo", "rehearses"), [(True, True), (False, False)])
def test_a_paced_run_is_rehearsed_and_nobody_hears_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_demo: bool, rehearses: bool
) -> None:
    solved: list[int] = []
    process = LandmarkSolver.process

    def counted(self, item):
        solved.append(item.capture_ns)
        return process(self, item)

    monkeypatch.setattr(LandmarkSolver, "process", counted)
    settings = Settings(record=str(tmp_path / "run.adrec"), out=(), duration_s=0.2)
    settings = replace(settings, demo=True) if is_demo else replace(settings, video=str(demo_sample()))
    run = assemble(settings, say_nothing)
    assert (len(solved) > 5) == rehearses
    run.pipeline.run()
    frames = [frame for _, frame in read_recording(tmp_path / "run.adrec", say_nothing)]
    assert [frame.seq for frame in frames if isinstance(frame, FaceFrame)] == list(range(12))
