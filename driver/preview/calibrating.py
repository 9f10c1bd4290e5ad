"""Calibration from the page: the steps of `avatar-driver calibrate` while everything keeps running."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from driver.calibration import Calibration, Progress
from driver.errors import AvatarDriverError
from driver.personal_face import PersonalFace
from driver.profiles import check_name, save_profile
from driver.sound_level import SoundLevel
from models.head.arkit import ArkitMap

if TYPE_CHECKING:
    import viser

_DEFAULT_NAME = "default"


class Calibrating:
    """Buttons in the page's present folder: centre, forget the centre, calibrate under a name.

    face, sound   are watched while it lasts; the face wears the new profile at once
    folder        of the profiles; None: the user's own
    say           is told in sentences what came of it
    """

    def __init__(
        self,
        server: viser.ViserServer,
        face: PersonalFace,
        sound: SoundLevel | None,
        arkit: ArkitMap,
        tracker: str,
        say: Callable[[str], None],
        folder: Path | None = None,
    ) -> None:
        self._face, self._sound, self._arkit, self._tracker = face, sound, arkit, tracker
        self._say, self._profiles = say, folder
        self._calibration: Calibration | None = None
        gui = server.gui
        with gui.add_folder("calibration"):
            self.centre = gui.add_button("head is straight now", hint="This pose is looking straight ahead.")
            self.forget = gui.add_button("forget the centre", hint="Poses as the camera sees them.")
            self.name = gui.add_text("profile", _DEFAULT_NAME)
            self.start = gui.add_button("calibrate (15 s)", hint="Again to stop.")
            self.task = gui.add_markdown("")
            self.bar = gui.add_progress_bar(0.0, visible=False)
        self.centre.on_click(lambda event: face.centre.ask())
        self.forget.on_click(lambda event: face.centre.forget())
        self.start.on_click(lambda event: self._toggle())

    def show(self) -> None:
        """Bring the page up to date, and end the calibration when its steps are done."""
        calibration = self._calibration
        if calibration is None:
            return
        progress = calibration.progress
        self.task.content = _task(progress)
        self.bar.value = 100.0 * progress.share
        if progress.step is None:
            self._end()
            self._keep(calibration)

    def leave(self) -> None:
        """Nobody looks any more: an unfinished calibration is dropped."""
        if self._calibration is not None:
            self._end()

    def _toggle(self) -> None:
        if self._calibration is not None:
            self._end()
            self._say("calibration was stopped; nothing was saved")
            return
        if self._sound is not None and self._sound.watch is not None:
            self._say("a film is being made; calibrate when it has ended")
            return
        try:
            check_name(self.name.value)
        except AvatarDriverError as error:
            self._say(str(error))
            return
        calibration = Calibration(self._arkit, self._tracker, with_sound=self._sound is not None)
        self._face.watch = calibration.see
        if self._sound is not None:
            self._sound.watch = calibration.hear
        self.bar.visible = True
        self._calibration = calibration

    def _end(self) -> None:
        self._calibration = None
        self._face.watch = None
        if self._sound is not None:
            self._sound.watch = None
        self.bar.visible = False
        self.task.content = ""

    def _keep(self, calibration: Calibration) -> None:
        name = self.name.value
        try:
            profile, remarks = calibration.result(datetime.now(UTC))
            if self._face.profile is not None:  # it was worn, so that rest and reach are of what it corrects
                profile = replace(profile, face=self._face.profile.face, voice=self._face.profile.voice)
            place, replaced = save_profile(name, profile, self._profiles)
        except AvatarDriverError as error:
            self._say(str(error))
            return
        self._face.wear(profile)
        for remark in remarks:
            self._say(remark)
        before = "" if replaced is None else f"; the profile before is kept as {replaced}"
        self._say(f"saved {place}{before}; the face wears it now, later runs with --profile {name}")


def _task(progress: Progress) -> str:
    if progress.step is None:
        return ""
    if not progress.is_seen:
        return "**Your face is not well seen:** more light, closer, or turn to the camera."
    return f"**{progress.number}/{progress.count}** {progress.step.asks}"
