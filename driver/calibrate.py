"""`avatar-driver calibrate`: the guide on the console. It runs the usual pipeline, sends nothing, shows the steps."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from driver.assemble import assemble
from driver.calibration import Calibration, Progress, Step
from driver.config import Settings
from driver.errors import RunError, UsageError
from driver.learnt import check_weights
from driver.profile import Profile
from driver.profiles import check_name, list_profiles, load_profile, save_profile
from driver.sinks.sink import Notice
from driver.weights import find_native_face
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import FaceFrame

_BAR = 20
DEFAULT_NAME = "default"


def calibrate(settings: Settings, name: str, notify: Notice, folder: Path | None = None) -> Profile:
    """Guide through the steps with the inputs of `settings`, and keep the profile under `name`.

    Raises UsageError without a camera or video file, and RunError when the pictures end, or the user ends them, before
    the steps do; then nothing is saved.
    """
    check_name(name)
    learnt = _learnt(name, settings, folder)
    plain = replace(settings, out=(), record=None, control=None, profile=None, auto_calibrate=False, duration_s=None)
    # A page would have a guide of its own, and one of them would take the face from the other.
    run = assemble(replace(plain, preview=None, virtual_camera=None), notify)
    if run.face is None:
        raise UsageError("calibrate needs a face to look at; give --webcam, or a file with --video")
    run.face.wear(learnt)
    calibration = Calibration(ArkitMap(open_head()), settings.tracker, with_sound=run.sound is not None)
    run.face.watch = calibration.see
    if run.sound is not None:
        run.sound.watch = calibration.hear
    guide = Guide(calibration, sys.stderr)

    def follow(frame: FaceFrame) -> None:
        if guide.show():
            run.pipeline.stop()

    run.pipeline.on_frame = follow
    with contextlib.suppress(KeyboardInterrupt):
        run.pipeline.run()
    step = calibration.progress.step
    if step is not None:
        raise RunError(f"the pictures ended at the step {step.name!r}; nothing was saved, calibrate once more")
    profile, remarks = calibration.result(datetime.now(UTC))
    for remark in remarks:
        notify(remark)
    if learnt is not None:
        profile = replace(profile, face=learnt.face, voice=learnt.voice)
    place, replaced = save_profile(name, profile, folder)
    print(f"saved {place}; use it with --profile {name}")
    if replaced is not None:
        print(f"the profile before is kept as {replaced}")
    return profile


def _learnt(name: str, settings: Settings, folder: Path | None) -> Profile | None:
    """What `training.personalise` has learnt under this name, and nothing else: it stays, and is worn meanwhile, so
    that rest and reach are of what it corrects. None when there is no such profile, or it is damaged; UsageError when
    it was learnt with another network.
    """
    if name not in list_profiles(folder):
        return None
    try:
        before = load_profile(name, folder)
    except UsageError:
        return None
    if before.tracker != settings.tracker or (before.face is None and before.voice is None):
        return None
    if before.face is not None:
        own_file = Path(settings.face_model) if settings.face_model else None
        check_weights(name, "face", before.face.weights, find_native_face(own_file)[0])
    return Profile(before.tracker, before.made, face=before.face, voice=before.voice)


class Guide:
    """Shows a calibration's progress: a line for each step; on a terminal with a bar, and a bell at its start."""

    def __init__(self, calibration: Calibration, stream: TextIO) -> None:
        self._calibration, self._stream = calibration, stream
        self._is_terminal = stream.isatty()
        self._said: Step | None = None
        self._shown = ""

    def show(self) -> bool:
        """Bring the console up to date; True when all steps are done."""
        progress = self._calibration.progress
        if progress.step is None:
            self._write("\r\033[K" if self._is_terminal else "")
            return True
        if progress.step is not self._said:
            self._said = progress.step
            start, bell = ("\r\033[K", "\a") if self._is_terminal else ("", "")
            self._write(f"{start}{bell}{progress.number}/{progress.count}  {progress.step.asks}\n")
        if self._is_terminal and (line := _line(progress)) != self._shown:
            self._shown = line
            self._write(f"\r\033[K{line}")
        return False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _line(progress: Progress) -> str:
    if not progress.is_seen:
        return "     (your face is not well seen: more light, closer, or turn to the camera)"
    done = round(_BAR * progress.share)
    is_measuring = progress.step is not None and progress.share * progress.step.length_s > progress.step.lead_s
    return f"     [{'#' * done}{'.' * (_BAR - done)}] {'hold it' if is_measuring else 'get ready'}"
