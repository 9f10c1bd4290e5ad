"""The process that draws the head into a virtual camera: frames come by a pipe, what became of each goes back."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

from driver.errors import SinkError
from driver.portrait import PictureSettings, Portrait
from driver.sinks.sink import SaidOnce
from driver.worn_head import head_called
from protocol.frame import FaceFrame, Floats

_RETRY_EVERY_S = 5.0
# Pictures of the face may come later; the face itself must not.
_NICENESS = 5
_REMEDIES = {
    "linux": "run `modprobe v4l2loopback exclusive_caps=1` as administrator (Debian's package v4l2loopback-dkms)",
    "darwin": "install OBS, and start and stop its virtual camera once",
    "win32": "install OBS 28 or newer, which brings one",
}


def draw_frames(connection: Connection, device: str, settings: PictureSettings, head_id: str) -> None:
    """The process's whole life: (frame, identity) in, (whether it was shown, sentences for the user) out, until the
    other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which then closes the pipe
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    pictures = CameraPictures(device, settings, head_id)
    with contextlib.suppress(EOFError, OSError), contextlib.closing(pictures):
        while True:
            frame, shape = connection.recv()
            is_shown = pictures.show(frame, shape)
            connection.send((is_shown, pictures.take_sentences()))


def open_device(device: str, settings: PictureSettings) -> Any:
    """The `pyvirtualcam.Camera` called so, "" for the first; SinkError with cause and remedy when it is not there."""
    import pyvirtualcam  # pyright: ignore[reportMissingTypeStubs]

    try:
        return pyvirtualcam.Camera(settings.width, settings.height, settings.rate_hz, device=device or None)
    except (RuntimeError, ValueError, OSError) as error:
        which = f"virtual camera {device}".rstrip()
        reason, remedy = str(error).replace("\n", "; "), _REMEDIES.get(sys.platform, "see pyvirtualcam's page")
        raise SinkError(f"no {which} shows the head ({reason}); {remedy}") from error


class CameraPictures:
    """Draws frames and gives them to the device, which is opened when it can be and again after a failure.

    device   "" is the first that the system has
    """

    def __init__(self, device: str, settings: PictureSettings, head_id: str) -> None:
        self._device, self._settings, self._head_id = device, settings, head_id
        self._portrait: Portrait | None = None
        self._camera: Any = None  # pyvirtualcam ships no types
        self._retry_s = 0.0
        self._is_blind = False
        self._sentences: list[str] = []
        self._say = SaidOnce(self._sentences.append)

    def show(self, frame: FaceFrame, shape: Floats | None) -> bool:
        """Draw and hand over; False when there is no device now, or nothing to draw with."""
        if self._is_blind or not self._has_camera():
            return False
        try:
            if self._portrait is None:
                self._portrait = Portrait(head_called(self._head_id), self._settings)
        except SinkError as error:
            self._is_blind = True
            self._say(f"the virtual camera stays dark: {error}")
            return False
        try:
            self._camera.send(self._portrait.draw(frame, shape))
        except (RuntimeError, OSError) as error:
            self.close()
            self._retry_s = time.monotonic() + _RETRY_EVERY_S
            self._say(f"the virtual camera takes no more pictures ({error}); it is opened again as soon as it can be")
            return False
        return True

    def take_sentences(self) -> list[str]:
        """What the user should know since this was last asked; each thing once until the device is there again."""
        sentences = self._sentences.copy()
        self._sentences.clear()
        return sentences

    def close(self) -> None:
        """Give the device back."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def _has_camera(self) -> bool:
        if self._camera is None and time.monotonic() >= self._retry_s:
            self._open()
        return self._camera is not None

    def _open(self) -> None:
        try:
            self._camera = open_device(self._device, self._settings)
        except SinkError as error:
            self._retry_s = time.monotonic() + _RETRY_EVERY_S
            self._say(f"{error}; it is tried again meanwhile")
        else:
            self._say.forget()
            self._say(f"the head is to be seen in the camera {self._camera.device}")
