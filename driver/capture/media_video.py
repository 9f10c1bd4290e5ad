"""The pictures of a video file, at the file's own times."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path

import av
import av.container
import numpy as np
from numpy.typing import NDArray

from driver.capture.clock import SECOND_NS
from driver.capture.media import decoded, loop_period_ns, open_media, start_s, video_stream
from driver.capture.playback import Playback
from driver.capture.retry import Notify, say_nothing
from driver.errors import MediaError
from driver.types import VideoFrame


class VideoFile(Playback[VideoFrame]):
    """Plays a video file: RGB pictures, upright, with capture_ns = epoch_ns + the file's own time.

    path       any file that FFmpeg reads; variable frame rates keep their times
    epoch_ns   the instant of the file's beginning, shared with the `AudioFile` of the same path
    realtime   paced by the clock, or as fast as the outbox takes it
    loop       start again at the end, for ever
    notify     is told of damaged pictures, which are skipped
    """

    def __init__(
        self, path: Path | str, epoch_ns: int, realtime: bool, loop: bool = False, notify: Notify = say_nothing
    ) -> None:
        super().__init__(f"video {path}", self._frames, realtime)
        self._path, self._epoch_ns, self._loop, self._notify = Path(path), epoch_ns, loop, notify
        with open_media(path) as container:
            self._require_video(container)
            if loop:
                loop_period_ns(container, self._path)

    def _require_video(self, container: av.container.InputContainer) -> av.VideoStream:
        stream = video_stream(container)
        if stream is None:
            raise MediaError(f"{self._path} has no moving picture; give a video file, or use it with --audio")
        return stream

    def _frames(self) -> Generator[VideoFrame, None, None]:
        indices = count()
        round_ns = self._epoch_ns
        while True:
            with open_media(self._path) as container:
                stream = self._require_video(container)
                stream.thread_type = "AUTO"
                period_ns = loop_period_ns(container, self._path) if self._loop else None
                index = None
                for media_ns, frame in self._timed(container, stream):
                    if period_ns is not None and media_ns >= period_ns:
                        break
                    index = next(indices)
                    yield VideoFrame(upright_rgb(frame), round_ns + media_ns, index)
                if index is None:
                    raise MediaError(f"{self._path} has not one picture that can be decoded; the file is damaged")
            if period_ns is None:
                return
            round_ns += period_ns

    def _timed(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        """Each picture with its time since the file's beginning, in ns: growing, also where the file says nothing."""
        begin_s = start_s(container)
        period_ns = round(SECOND_NS / float(stream.average_rate or stream.guessed_rate or 25))
        last_ns = -period_ns
        for frame in decoded(container, stream, self._path, self._notify):
            media_ns = last_ns + period_ns if frame.pts is None else round((frame.time - begin_s) * SECOND_NS)
            last_ns = max(media_ns, last_ns + 1)
            if last_ns >= 0:
                yield last_ns, frame


def upright_rgb(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """uint8 [height, width, 3], RGB, turned as the file's rotation tag says."""
    image = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    quarters = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image
