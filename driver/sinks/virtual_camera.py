"""The virtual camera: the drawn head as a camera that video calls can choose. OBS on Windows, macOS; v4l2 on Linux.

It is drawn in a process of its own: while OpenGL draws or hands a picture back, no other thread of its process can run,
and without a graphics card that takes longer than a frame.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
from typing import Any

from driver.drawing_process import draw_frames, open_device
from driver.errors import SinkError
from driver.portrait import PictureSettings, Portrait
from driver.sinks.follower import Follower
from driver.sinks.sink import SinkContext
from driver.worn_head import head_called
from models.head.flame import open_head
from protocol.frame import FaceFrame, Floats

_FAREWELL_S = 2.0
_PACKAGES = ("pyvirtualcam", "moderngl")


def open_virtual_camera(device: str, settings: PictureSettings, context: SinkContext) -> VirtualCamera:
    """The output of `--virtual-camera [DEVICE]`; "" is the first that the system has.

    Raises SinkError where the packages for it are missing. Where the device or OpenGL is, the user is told, the run
    goes on without, and the device is tried again every 5 s.
    """
    _require_packages()
    head_called(context.hello.head)  # says by itself what is wrong with it
    return VirtualCamera(device, settings, context)


def check_virtual_camera(device: str, settings: PictureSettings) -> str:
    """What `doctor` says of `--virtual-camera [DEVICE]`; SinkError with the remedy when it would show nothing."""
    _require_packages()
    Portrait(open_head(), settings)  # says what OpenGL lacks
    camera = open_device(device, settings)
    camera.close()
    return f"{camera.device} can be opened"


def _require_packages() -> None:
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise SinkError(f"--virtual-camera needs {package}; run pip install 'avatar-driver[camera]'")


class VirtualCamera:
    """Sink: the newest face at most `settings.rate_hz` times a second; those that come while one is drawn are left out.

    shown   pictures that the device took
    """

    def __init__(self, device: str, settings: PictureSettings, context: SinkContext) -> None:
        self.name = f"virtual camera {device}".rstrip()
        self.shown = 0
        self._notice = context.notice
        # "spawn" on every system: a process with threads must not be forked.
        processes = multiprocessing.get_context("spawn")
        self._connection, theirs = processes.Pipe()
        self._process: Any = processes.Process(
            target=draw_frames, args=(theirs, device, settings, context.hello.head), name="drawing", daemon=True
        )
        self._process.start()
        theirs.close()
        self._follower = Follower(self.name, settings.rate_hz, self._show, self._notice, self._end)

    def send(self, frame: FaceFrame, packet: bytes) -> None:
        """Show this face, unless a newer one comes first."""
        self._follower.send(frame)

    def clients(self) -> int | None:
        """Nobody knows who looks at a camera."""
        return None

    def close(self) -> None:
        """Give the device back."""
        self._follower.close()

    # What follows runs in the follower's thread.

    def _show(self, frame: FaceFrame, shape: Floats | None) -> None:
        """One picture; returns when it was drawn, so that the next one shows what is newest then."""
        try:
            self._connection.send((frame, shape))
            is_shown, sentences = self._connection.recv()
        except (EOFError, OSError) as error:
            raise SinkError("the process that draws has ended; start again to see the head") from error
        self.shown += is_shown
        for sentence in sentences:
            self._notice(sentence)

    def _end(self) -> None:
        self._connection.close()  # which ends the process
        self._process.join(_FAREWELL_S)
        if self._process.is_alive():
            self._process.terminate()
