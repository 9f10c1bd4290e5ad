"""What happens before a run begins."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from driver import assemble as parts
from driver.assemble import assemble
from driver.capture.retry import say_nothing
from driver.config import CameraSettings, Settings, Tracker
from driver.errors import RunError
from driver.knobs import VoiceSettings
from driver.preview.page import Shown
from driver.weights import find_native_face

HEAD_START_NS = 300_000_000
WIDE = CameraSettings(horizontal_fov_deg=75.0)


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


def test_the_page_learns_a_face_with_the_networks_of_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What another network misreads would be put "right" in this one's motion."""
    own = tmp_path / "own.onnx"
    shutil.copy(find_native_face()[0], own)
    shown: list[Shown] = []

    def preview(port: int, context: object, one: Shown) -> None:
        shown.append(one)
        raise RunError("that is enough")

    monkeypatch.setattr(parts, "Preview", preview)
    for settings, options in (
        (Settings(demo=True, out=(), preview=0), ("--fov", "60")),
        (
            Settings(
                demo=True, out=(), preview=0, face_model=str(own), voice=VoiceSettings(model="envelope"), camera=WIDE
            ),
            ("--fov", "75", "--face-model", str(own), "--voice-model", "envelope"),
        ),
    ):
        with pytest.raises(RunError, match="that is enough"):
            assemble(settings, say_nothing)
        assert shown[-1].learning == options
