"""A webcam: the newest picture at sensor time, through unplugging and restarts of the stream."""

from __future__ import annotations

import time
from collections.abc import Callable

from driver.capture.cameras import Camera, DeviceCamera, StreamCamera, is_url, without_password
from driver.capture.devices import find_camera
from driver.capture.retry import Notify, Reconnection, say_nothing
from driver.capture.source_thread import SourceThread
from driver.mailbox import Mailbox
from driver.metrics import RateMeter
from driver.stage import Fail
from driver.types import VideoFrame

_LONGEST_STOP_S = 3.5  # longer than a stream may take to open
# After so long a camera's automatic exposure has settled; slower than this share of what was asked is worth a word.
_SETTLED_S = 4.0
_SLOW_SHARE = 0.75


class Webcam:
    """Live pictures.

    camera   index ("0"), name or part of it, or URL (http MJPEG, rtsp)
    width, height, fps   asked of a device; it may do otherwise, see `rate_hz`
    notify   is told in one sentence when the camera is missing, busy, slow, lost and back
    retry    True: a missing or lost camera is tried again, for ever; False: it is an error
    """

    def __init__(
        self,
        camera: str | int,
        width: int = 640,
        height: int = 480,
        fps: float = 30.0,
        notify: Notify = say_nothing,
        retry: bool = True,
        open_camera: Callable[[], Camera] | None = None,
    ) -> None:
        camera = str(camera)
        self.name = without_password(camera) if is_url(camera) else camera
        self._fps = None if is_url(camera) else fps
        self._notify = notify
        self._reconnection = Reconnection(notify, retry)
        self._rate = RateMeter()
        self._open_camera = open_camera or (lambda: open_camera_named(camera, width, height, fps))
        self._thread = SourceThread("webcam", self._run, _LONGEST_STOP_S)
        self._index = 0

    @property
    def rate_hz(self) -> float:
        """Pictures a second over the last two seconds, as measured; 0 when none came."""
        return self._rate.rate_hz()

    def start(self, outbox: Mailbox[VideoFrame], fail: Fail) -> None:
        """Begin to look, in a thread of its own."""
        self._thread.start(outbox, fail)

    def stop(self) -> None:
        """Let go of the camera, within four seconds even when its driver hangs. May be called again."""
        if not self._thread.stop():
            self._notify(f"the camera {self.name} does not answer; it is left to the end of the program")

    def _run(self, outbox: Mailbox[VideoFrame]) -> None:
        self._reconnection.run(lambda: self._watch(outbox), self._thread.stopping)

    def _watch(self, outbox: Mailbox[VideoFrame]) -> None:
        """One connection to the camera, until `stop`. Raises DeviceError when it cannot be opened, or is lost."""
        camera = self._open_camera()
        try:
            check_rate_at_s = time.monotonic() + _SETTLED_S
            while not self._thread.stopping.is_set():
                image, capture_ns = camera.read()
                self._reconnection.works(f"the camera {self.name} is back")
                self._rate.tick(capture_ns)
                if not outbox.put(VideoFrame(image, capture_ns, self._index)):
                    return
                self._index += 1
                if time.monotonic() > check_rate_at_s:
                    check_rate_at_s = float("inf")
                    self._say_if_slow()
        finally:
            camera.close()

    def _say_if_slow(self) -> None:
        if self._fps is not None and self.rate_hz < _SLOW_SHARE * self._fps:
            self._notify(
                f"the camera {self.name} gives {self.rate_hz:.1f} pictures a second instead of {self._fps:g}; "
                "more light shortens its exposure"
            )


def open_camera_named(name: str, width: int, height: int, fps: float) -> Camera:
    """The camera behind a URL, an index or a name. Raises DeviceError."""
    if is_url(name):
        return StreamCamera(name)
    return DeviceCamera(find_camera(name), width, height, fps)
