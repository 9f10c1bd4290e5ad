"""A film of a run: what the camera saw and the microphone heard, in a file of its own, for as long as it was asked for.

Only somebody who asks is filmed, and the file stays on this machine. `training.personalise` learns from it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from driver.errors import RunError
from driver.types import AUDIO_RATE_HZ, AudioChunk, VideoFrame

_MS = Fraction(1, 1000)
_LEAST_NS = 1_000_000  # between two pictures: one tick of the file's clock
# Half a second of pictures and sound: a disk that is slower than that loses some of them, and the run goes on.
_WAITING = 40
_RATE_HZ = 30  # a hint for players; every picture has a time of its own
_FAULTS = (OSError, FFmpegError, ValueError)
_CODECS = (("libx264", {"preset": "ultrafast", "crf": "18"}), ("mpeg4", {"qscale": "2"}))


class Film:
    """Begins with the first picture and ends by itself after `seconds` of it.

    see, hear   from the threads of their branches; they never wait
    share       of the time that is over, 0..1          lost   how many pictures and pieces of sound had no room

    RunError when the file cannot be begun; `end` raises what went wrong later. The file appears whole or not at all.
    """

    def __init__(self, path: Path, seconds: float, with_sound: bool) -> None:
        self.path, self.seconds, self.lost, self.share = path, seconds, 0, 0.0
        self._half = path.with_name(f"{path.name}.part")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # other users have no business with a film
            self._container: Any = av.open(str(self._half), "w", format="matroska")
        except _FAULTS as error:
            raise _unwritable(path, error) from error
        self._with_sound, self._heard = with_sound, 0
        self._sample_shift: int | None = None
        self._begin_ns: int | None = None
        self._error: Exception | None = None
        self._is_whole = False
        self._waiting: queue.Queue[VideoFrame | AudioChunk | None] = queue.Queue(_WAITING)
        self._writer = threading.Thread(target=self._write, name="film", daemon=True)
        self._writer.start()

    @property
    def is_done(self) -> bool:
        """Whether all that was asked for was seen, or nothing more can be written."""
        return self.share >= 1.0 or self._error is not None

    def see(self, frame: VideoFrame) -> None:
        """The next picture of the camera."""
        if self._begin_ns is None:
            self._begin_ns = frame.capture_ns
        if not self.is_done:
            self._put(frame)
            self.share = min(1.0, 1e-9 * (frame.capture_ns - self._begin_ns) / self.seconds)

    def hear(self, chunk: AudioChunk) -> None:
        """The next piece of sound; what was said before the first picture is left out."""
        if self._with_sound and self._begin_ns is not None and not self.is_done:
            self._put(chunk)

    def end(self) -> Path:
        """Close the file and give it its name. RunError when it could not be written, or nothing was seen."""
        error = self._close()
        if error is None and self._begin_ns is None:
            error = RunError(f"{self.path} was not filmed: the camera gave no picture; look whether it is on")
        elif error is None and not self._is_whole:
            error = RunError(f"{self.path} was not filmed to its end; film again, and report this")
        if error is None:
            try:
                os.replace(self._half, self.path)
                return self.path
            except OSError as failure:
                error = failure
        self._half.unlink(missing_ok=True)
        raise error if isinstance(error, RunError) else _unwritable(self.path, error)

    def forget(self) -> None:
        """End without a file."""
        self._close()
        self._half.unlink(missing_ok=True)

    def _close(self) -> Exception | None:
        while self._writer.is_alive():  # a full queue has room soon, unless whoever empties it has ended
            with contextlib.suppress(queue.Full):
                self._waiting.put(None, timeout=0.1)
                self._writer.join()
        return self._error

    def _put(self, item: VideoFrame | AudioChunk) -> None:
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            self.lost += 1

    def _write(self) -> None:
        """The body of the writer's thread: until None comes."""
        try:
            with self._container:
                self._write_all()
            self._is_whole = True
        except _FAULTS as error:
            self._error = error
        while self._error is not None and self._waiting.get() is not None:
            pass  # whoever gives is not to wait

    def _write_all(self) -> None:
        container, picture = self._container, None
        sound = container.add_stream("pcm_s16le", rate=AUDIO_RATE_HZ, layout="mono") if self._with_sound else None
        early: list[AudioChunk] = []  # a file's header names all streams: sound waits for the first picture
        newest_ns = -1  # of the pictures; a camera that is opened anew may tell of times that were told before
        while (item := self._waiting.get()) is not None:
            if isinstance(item, AudioChunk):
                early.append(item)
            elif item.capture_ns - newest_ns >= _LEAST_NS:
                newest_ns = item.capture_ns
                picture = picture or _picture_stream(container, item)
                container.mux(picture.encode(_picture(item, self._begin_ns or 0)))
            if picture is not None:
                for chunk in early:
                    self._mux_sound(sound, chunk)
                early.clear()
        if picture is not None:
            container.mux(picture.encode())

    def _mux_sound(self, stream: Any, chunk: AudioChunk) -> None:
        # Samples are counted, for the times of chunks tremble; anew where their count or its beginning has changed.
        first = chunk.first_sample + self._sample_shift if self._sample_shift is not None else -1
        if first < self._heard:
            since_ns = chunk.capture_ns - (self._begin_ns or 0)
            first = round(since_ns * AUDIO_RATE_HZ / 1e9) - len(chunk.samples)
            self._sample_shift = first - chunk.first_sample
        if first < self._heard:
            self._sample_shift = None
            return  # from before the first picture, or said before
        self._heard = first + len(chunk.samples)
        values = np.round(32767.0 * np.clip(chunk.samples, -1.0, 1.0)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(values[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = AUDIO_RATE_HZ, Fraction(1, AUDIO_RATE_HZ), first
        self._container.mux(stream.encode(frame))


def _picture_stream(container: Any, frame: VideoFrame) -> Any:
    height, width = frame.image.shape[:2]
    for codec, options in _CODECS:
        try:
            stream = container.add_stream(codec, rate=_RATE_HZ, options=options)
        except ValueError:  # this build of FFmpeg has none
            continue
        # Half of the colours' resolution is kept, so sides are even.
        stream.width, stream.height, stream.pix_fmt = width - width % 2, height - height % 2, "yuv420p"
        stream.codec_context.time_base = _MS
        return stream
    raise OSError(0, f"FFmpeg has none of {', '.join(codec for codec, _ in _CODECS)}")


def _picture(frame: VideoFrame, begin_ns: int) -> av.VideoFrame:
    height, width = (side - side % 2 for side in frame.image.shape[:2])
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.image[:height, :width]), format="rgb24")
    picture.time_base, picture.pts = _MS, round((frame.capture_ns - begin_ns) / 1e6)
    return picture


def _unwritable(path: Path, error: Exception) -> RunError:
    reason = getattr(error, "strerror", None) or str(error)
    return RunError(f"{path} cannot be filmed: {reason}; make room or give the folder write permission")
