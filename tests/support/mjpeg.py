"""A network camera in a process of its own: MJPEG over HTTP on loopback, each picture stamped with its number and time.

Run as a program it serves until it is killed; `MjpegServer` starts, kills and restarts it. The stamps are black and
white squares that survive JPEG: the first row holds the picture's number, the second the time it was sent.
"""

from __future__ import annotations

import argparse
import http.server
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

_SQUARE_PIXELS = 16
_BITS = 40
_TICK_NS = 100_000  # 40 bits of 0.1 ms last for three years of uptime


@dataclass(frozen=True)
class Stamp:
    """What the server wrote into a picture; `sent_ns` is `time.perf_counter_ns`, which processes of a machine share."""

    index: int
    sent_ns: int


def write_stamp(image: NDArray[np.uint8], index: int, now_ns: int) -> None:
    """Draw the squares into `image` [height, >= 640, 3], in place."""
    for row, number in enumerate((index, now_ns // _TICK_NS)):
        for bit in range(_BITS):
            y, x = row * _SQUARE_PIXELS, bit * _SQUARE_PIXELS
            image[y : y + _SQUARE_PIXELS, x : x + _SQUARE_PIXELS] = 255 if number >> bit & 1 else 0


def read_stamp(image: NDArray[np.uint8]) -> Stamp:
    """The stamp of a picture that came through a camera."""
    half = _SQUARE_PIXELS // 2
    rows = [
        sum(
            int(image[row * _SQUARE_PIXELS + half, bit * _SQUARE_PIXELS + half].mean() > 128) << bit
            for bit in range(_BITS)
        )
        for row in range(2)
    ]
    return Stamp(rows[0], rows[1] * _TICK_NS)


class MjpegServer:
    """Starts the program below; `url` stays the same over a restart. With `clip` it plays that file in a loop."""

    def __init__(self, fps: float = 30.0, port: int = 0, clip: Path | None = None) -> None:
        self.fps = fps
        self.clip = clip
        self.port = port
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/video.mjpg"

    def start(self) -> None:
        """Returns when it listens."""
        command = [sys.executable, __file__, "--port", str(self.port), "--fps", str(self.fps)]
        if self.clip is not None:
            command += ["--clip", str(self.clip)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP makes it hang, SIGCONT go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """As `kill -9`: no farewell on the socket."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _stamped(index: int) -> bytes:
    image = np.full((480, 640, 3), 90, np.uint8)
    write_stamp(image, index, time.perf_counter_ns())
    return _jpeg(image)


def _jpegs(clip: str) -> list[bytes]:
    capture = cv2.VideoCapture(clip)
    pictures: list[bytes] = []
    while (read := capture.read())[0]:
        pictures.append(_jpeg(np.asarray(read[1], np.uint8)))
    return pictures


class _Handler(http.server.BaseHTTPRequestHandler):
    fps = 30.0
    clip: tuple[bytes, ...] = ()  # JPEGs

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        began_s, index = time.perf_counter(), 0
        try:
            while True:
                time.sleep(max(0.0, began_s + index / self.fps - time.perf_counter()))
                picture = self.clip[index % len(self.clip)] if self.clip else _stamped(index)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
                self.wfile.write(head + picture + b"\r\n")
                index += 1
        except (BrokenPipeError, ConnectionResetError):
            return


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--clip")
    arguments = parser.parse_args()
    _Handler.fps = arguments.fps
    _Handler.clip = tuple(_jpegs(arguments.clip)) if arguments.clip else ()
    http.server.ThreadingHTTPServer.daemon_threads = True
    server = http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
