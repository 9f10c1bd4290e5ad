"""Pictures and sound of a stretch of a file, on the file's own time; long files are not read from their start."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.container
import numpy as np
from numpy.typing import NDArray

from driver.capture.media import decoded, open_media, start_s, video_stream
from driver.capture.media_audio import frame_samples
from driver.capture.media_video import upright_rgb
from driver.capture.retry import say_nothing
from driver.errors import MediaError
from training.data.clips import HOP_S, HOP_SAMPLES, SAMPLE_RATE_HZ, Floats

Picture = NDArray[np.uint8]

# Decoders need what lies before a place to be right at it: filters of sound ring in, key frames lie behind.
_LEAD_S = 1.0


def pictures(
    path: Path, begin_s: float = 0.0, end_s: float = float("inf"), long_side_px: int = 0
) -> Iterator[tuple[float, Picture]]:
    """(time in s, uint8 [H, W, 3] RGB) of each picture from `begin_s` up to `end_s`, upright, times growing.

    With `long_side_px` larger pictures are made smaller. MediaError for a file that cannot be read.
    """
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise MediaError(f"{path} has no moving picture; give a video file")
        stream.thread_type = "SLICE"  # one core: what runs beside this one is another file
        first_s = start_s(container)
        _seek(container, begin_s, first_s)
        last_s = -1.0
        for frame in decoded(container, stream, path, say_nothing):
            if frame.time is None:
                continue
            time_s = frame.time - first_s
            if time_s >= end_s - 1e-6:
                return
            if time_s > max(last_s, begin_s - 1e-6):
                last_s = time_s
                scale = long_side_px / max(frame.width, frame.height)
                yield time_s, _small(frame, scale) if 0.0 < scale < 1.0 else upright_rgb(frame)


def sound(path: Path, begin_s: float, end_s: float) -> Floats:
    """The sound of whole hops from `begin_s` to `end_s`: float32 [hops * 320], 16 kHz, the mean of the channels.

    What the file has no sound for is silence. MediaError for a file that cannot be read, or has no sound at all.
    """
    count = round((end_s - begin_s) / HOP_S) * HOP_SAMPLES
    samples = np.zeros(count, np.float32)
    with open_media(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path} has no sound; give a file with sound")
        stream, first_s = container.streams.audio[0], start_s(container)
        _seek(container, begin_s, first_s)
        resampler, at = av.AudioResampler("fltp", rate=SAMPLE_RATE_HZ), -1
        for frame in decoded(container, stream, path, say_nothing):
            if frame.time is None:
                continue
            if at < 0:
                at = round((frame.time - first_s - begin_s) * SAMPLE_RATE_HZ) + count  # `count` keeps it above 0
            if frame.time - first_s > end_s:
                break
            for piece in resampler.resample(frame):
                at = _place(samples, piece, at, count)
        if at >= 0:
            for piece in resampler.resample(None):
                at = _place(samples, piece, at, count)
    return samples


def _small(frame: av.VideoFrame, scale: float) -> Picture:
    width, height = (max(2, round(side * scale)) for side in (frame.width, frame.height))
    image = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA").to_ndarray()
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90) % 4), np.uint8)


def _seek(container: av.container.InputContainer, begin_s: float, first_s: float) -> None:
    if begin_s > 2.0 * _LEAD_S:
        container.seek(round((begin_s - _LEAD_S + first_s) * av.time_base))


def _place(samples: Floats, piece: av.AudioFrame, at: int, offset: int) -> int:
    """Lay `piece` at `at - offset` of `samples`, as far as it is within; where the next one begins."""
    values = frame_samples(piece).mean(axis=1)
    begin = at - offset
    low, high = max(begin, 0), min(begin + len(values), len(samples))
    if high > low:
        samples[low:high] = values[low - begin : high - begin]
    return at + len(values)


def write_clip(path: Path, shown: Iterator[Picture], rate_hz: float, heard: Floats) -> None:
    """An MP4 of pictures at a constant rate with its sound (H.264 and AAC); both begin at 0."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(rate_hz).limit_denominator(1001), options={"crf": "16"})
        audio = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        for number, picture in enumerate(shown):
            if number == 0:
                # The codec asks for even sides.
                video.height, video.width = (side // 2 * 2 for side in picture.shape[:2])
                video.pix_fmt = "yuv420p"
            even = np.ascontiguousarray(picture[: video.height, : video.width])
            frame = av.VideoFrame.from_ndarray(even, format="rgb24")
            frame.pts = number
            frame.time_base = 1 / Fraction(rate_hz).limit_denominator(1001)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        block = av.AudioFrame.from_ndarray(heard[np.newaxis], format="fltp", layout="mono")
        block.sample_rate, block.pts = SAMPLE_RATE_HZ, 0
        container.mux(audio.encode(block))
        container.mux(audio.encode(None))
