"""What every client is: how it is started, what it heard, and how exact that must be."""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from support.stream import UdpReceiver

from models.head.rotation import matrix_from_axis_angle
from protocol.frame import ARKIT_SHAPES, FaceFrame

Values = NDArray[np.float64]

# float32 in numbers that are added or multiplied on the way.
ROUNDING = 2e-6
# ARKit's names as VMC and VTube Studio write them.
PASCAL = [name[0].upper() + name[1:] for name in ARKIT_SHAPES]


@dataclass(frozen=True)
class Heard:
    """One frame as a client has it.

    at_s        Unix time when it had come
    values      of the client's own choice, but the same as `Client.expected` has
    seq         the frame's number, where the protocol carries a number or a time; None where it must be found
    overtaken   how many came since the one before that a newer one replaced before the client looked
    resolution  how far off each value may be, where that differs from frame to frame
    """

    at_s: float
    values: Values
    seq: int | None = None
    overtaken: int = 0
    resolution: Values | None = None


class Client(ABC):
    """One kind of client. `urls` are the driver's outputs for it; `resolution` how far off each value may be.

    is_prompt   takes each frame when it comes, not when it has finished something else
    """

    name = ""
    rate_hz = 60
    is_prompt = True
    resolution: Values | float = 0.0
    note = ""

    def __init__(self) -> None:
        self.urls: list[str] = []

    @staticmethod
    def missing() -> str | None:
        """What has to be installed first; None when it can run."""
        return None

    # Some have nothing to do at these three moments.
    def start(self, folder: Path) -> None:  # noqa: B027
        """Before the driver starts. Sets `urls`."""

    def join(self) -> None:  # noqa: B027
        """After the driver has started: connect, where the client is the one that connects."""

    def stop(self) -> None:  # noqa: B027
        """Listen no more."""

    @abstractmethod
    def expected(self, frame: FaceFrame) -> Values:
        """The values of a recorded frame as this client should have them."""

    @abstractmethod
    def heard(self) -> Iterator[Heard]:
        """All that came, in order; after `stop`."""


class Listening(Client):
    """A thread takes packets as they come; they are read when all is over."""

    def __init__(self) -> None:
        super().__init__()
        self._packets: list[tuple[float, bytes]] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def listen(self, receive: Callable[[], bytes], nothing_came: type[Exception] = TimeoutError) -> None:
        def run() -> None:
            while not self._ended.is_set():
                with contextlib.suppress(nothing_came):
                    packet = receive()
                    self._packets.append((time.time(), packet))

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()


class Udp(Listening):
    """The base of those that wait for datagrams: the output's URL with `{port}`."""

    url = ""

    def start(self, folder: Path) -> None:
        self._receiver = UdpReceiver()
        self.urls = [self.url.format(port=self._receiver.port)]
        self.listen(lambda: self._receiver.receive(1)[0])

    def stop(self) -> None:
        super().stop()
        self._receiver.close()


def turned(yaw_rad: float, pitch_rad: float, roll_rad: float) -> Values:
    """R_y R_x R_z as nine numbers."""
    about = [matrix_from_axis_angle(one) for one in ([0, yaw_rad, 0], [pitch_rad, 0, 0], [0, 0, roll_rad])]
    return (about[0] @ about[1] @ about[2]).ravel()
