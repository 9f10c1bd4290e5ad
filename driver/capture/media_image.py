"""A still picture as a video that does not move."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from driver.capture.clock import SECOND_NS
from driver.capture.media import existing_file
from driver.capture.playback import Playback
from driver.errors import MediaError
from driver.types import VideoFrame


def read_image(path: Path | str) -> NDArray[np.uint8]:
    """uint8 [height, width, 3], RGB, turned as its EXIF tag says. Raises MediaError."""
    # Through numpy, since OpenCV cannot open names beyond the code page on Windows.
    data = np.fromfile(existing_file(path), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise MediaError(f"{path} cannot be read as a picture; give a PNG, JPEG, BMP, WebP or TIFF file")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


class ImageFile(Playback[VideoFrame]):
    """Shows one picture again and again.

    rate_hz      pictures a second
    duration_s   how long; None = for ever
    """

    def __init__(
        self,
        path: Path | str,
        epoch_ns: int,
        realtime: bool,
        rate_hz: float = 30.0,
        duration_s: float | None = 10.0,
    ) -> None:
        super().__init__(f"picture {path}", self._frames, realtime)
        self._image = read_image(path)
        self._image.setflags(write=False)  # the same array goes out each time
        self._epoch_ns, self._rate_hz = epoch_ns, rate_hz
        self._count = None if duration_s is None else max(1, round(duration_s * rate_hz))

    def _frames(self) -> Generator[VideoFrame, None, None]:
        index = 0
        while self._count is None or index < self._count:
            yield VideoFrame(self._image, self._epoch_ns + round(index * SECOND_NS / self._rate_hz), index)
            index += 1
