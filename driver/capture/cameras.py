"""The two kinds of camera behind one role: a device of this machine (OpenCV), and a stream from a URL (FFmpeg)."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np
from av.error import ExitError, FFmpegError
from numpy.typing import NDArray

from driver.capture.media_video import upright_rgb
from driver.errors import DeviceError

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_OPEN_TIMEOUT_S, _READ_TIMEOUT_S = 3.0, 2.0
_OLDEST_STAMP_NS = 500_000_000

Picture = tuple[NDArray[np.uint8], int]  # RGB [height, width, 3], sensor time in ns


class Camera(Protocol):
    """An opened camera."""

    def read(self) -> Picture:
        """Wait for the next picture. Raises DeviceError when the camera has gone."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def is_url(name: str) -> bool:
    """True for http://..., rtsp://... and the like."""
    return _URL.match(name) is not None


def without_password(url: str) -> str:
    """The URL as it may be shown: without the user and password of `rtsp://user:password@host`."""
    return re.sub(r"//[^/?#]*@", "//", url)  # a password may hold an @ of its own


def _cause(error: FFmpegError) -> str:
    # Our own time limit reaches FFmpeg as a wish to leave.
    return "no answer in time" if isinstance(error, ExitError) else str(error.strerror)


class StreamCamera:
    """A camera on the network: MJPEG over HTTP, RTSP, or whatever else FFmpeg opens by URL.

    Decodes in one thread and without reordering buffers, since each of FFmpeg's frame threads would add a picture of
    delay. A picture's time is its arrival: such streams do not tell the sensor's. Raises DeviceError.
    """

    def __init__(self, url: str) -> None:
        self._name = without_password(url)
        options = {"rtsp_transport": "tcp", "analyzeduration": "500000", "fpsprobesize": "0"}
        try:
            self._container = av.open(url, timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S), options=options)
        except FFmpegError as error:
            raise DeviceError(
                f"the camera {self._name} cannot be opened ({_cause(error)}); check the address, and that it is on"
            ) from error
        if not self._container.streams.video:
            self._container.close()
            raise DeviceError(f"{self._name} has no moving picture; give the address of a camera")
        stream = self._container.streams.video[0]
        stream.thread_type = "SLICE"
        stream.codec_context.options = {"flags": "low_delay"}
        self._frames = self._container.decode(stream)

    def read(self) -> Picture:
        """The next picture; DeviceError when the stream ends, breaks or is silent for too long."""
        try:
            frame = next(self._frames, None)
        except FFmpegError as error:
            raise DeviceError(f"the camera {self._name} was lost ({_cause(error)}); check that it is on") from error
        if frame is None:
            raise DeviceError(f"the camera {self._name} ended its stream; check that it is on")
        now_ns = time.perf_counter_ns()
        return upright_rgb(frame), now_ns

    def close(self) -> None:
        """Close the connection."""
        self._container.close()


class DeviceCamera:
    """A camera of this machine, by OpenCV's index. Raises DeviceError when it is missing, busy or forbidden."""

    def __init__(self, index: int, width: int, height: int, fps: float) -> None:
        self._index = index
        if sys.platform == "linux" and not Path(f"/dev/video{index}").exists():
            raise DeviceError(f"there is no camera {index} (/dev/video{index}); plug it in, or see --list-devices")
        backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
        self._capture = cv2.VideoCapture(index, backend)
        if not self._capture.isOpened():
            self._capture.release()
            raise DeviceError(
                f"camera {index} could not be opened; close the other program that uses it, or allow this one to: "
                + ("add yourself to the group `video`" if sys.platform == "linux" else "see the privacy settings")
            )
        for setting, value in (
            # Compressed pictures first: raw ones do not fit through USB 2 at 30 fps.
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FPS, fps),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            self._capture.set(setting, value)  # what a camera cannot do it refuses, and gives what it has

    def read(self) -> Picture:
        """The next picture with the driver's time stamp; DeviceError when none comes."""
        is_there = self._capture.grab()
        now_ns = time.perf_counter_ns()
        capture_ns = sensor_time_ns(self._capture.get(cv2.CAP_PROP_POS_MSEC), now_ns)
        picture = self._capture.retrieve()[1] if is_there else None
        if picture is None:
            raise DeviceError(f"camera {self._index} gives no pictures any more; plug it in again")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False), capture_ns

    def close(self) -> None:
        """Let go of the device."""
        self._capture.release()


def sensor_time_ns(stamp_ms: float, now_ns: int) -> int:
    """A driver's stamp where it is one of our clock's (V4L2 stamps with Linux's monotonic clock, as Python does).

    Other systems' stamps begin somewhere else, or are missing: then it is the time of the grab.
    """
    stamp_ns = round(stamp_ms * 1e6)
    return stamp_ns if 0 <= now_ns - stamp_ns <= _OLDEST_STAMP_NS else now_ns
