"""Small media files, made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

_ROTATIONS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def gray_level(index: int) -> int:
    """The brightness of picture `index`, far enough from its neighbours to survive compression."""
    return 30 + (index * 40) % 200


def write_video(
    path: Path,
    times_ms: Sequence[int],
    size: tuple[int, int] = (64, 48),
    sound: NDArray[np.float32] | None = None,
    rate_hz: int = 16_000,
    sound_begins_ms: int = 0,
    marked_corner: bool = False,
) -> Path:
    """Pictures of `gray_level` at the given times; `sound` float32 [channels, n] losslessly beside them.

    marked_corner paints the upper left quarter red.
    """
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=1000)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.bit_rate = 4_000_000
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        audio = None
        if sound is not None:
            audio = container.add_stream("flac", rate=rate_hz, layout="mono" if len(sound) == 1 else "stereo")
            audio.format = "s16"
        for index, at_ms in enumerate(times_ms):
            image = np.full((size[1], size[0], 3), gray_level(index), np.uint8)
            if marked_corner:
                image[: size[1] // 2, : size[0] // 2] = (255, 0, 0)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            _mux_sound(container, audio, sound, rate_hz, sound_begins_ms)
    return path


def write_sound(path: Path, sound: NDArray[np.float32], rate_hz: int, codec: str = "pcm_s16le") -> Path:
    """`sound` float32 [channels, n] in -1..1."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="mono" if len(sound) == 1 else "stereo")
        _mux_sound(container, stream, sound, rate_hz, 0)
    return path


def _mux_sound(container, stream, sound: NDArray[np.float32], rate_hz: int, begins_ms: int) -> None:
    packed = np.round(sound.T * 32_767).astype(np.int16).reshape(1, -1)
    layout = "mono" if len(sound) == 1 else "stereo"
    resampler = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate_hz)
    for begin in range(0, sound.shape[1], 1024):
        part = packed[:, begin * len(sound) : (begin + 1024) * len(sound)]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, begin, Fraction(1, rate_hz)
        for converted in resampler.resample(frame):
            converted.pts = begin + begins_ms * rate_hz // 1000
            converted.time_base = Fraction(1, rate_hz)
            container.mux(stream.encode(converted))
    container.mux(stream.encode(None))


def rotate_mp4(path: Path, degrees: int) -> None:
    """Write a rotation tag as phones do: players show the picture turned clockwise by `degrees`."""
    data = bytearray(path.read_bytes())
    begin = data.index(b"tkhd") + 4
    matrix_at = begin + 40  # version 0: flags, times, id, duration, layer, group, volume, reserved
    a, b, c, d = (value << 16 for value in _ROTATIONS[degrees])
    for position, value in zip((0, 1, 3, 4), (a, b, c, d), strict=True):
        data[matrix_at + 4 * position : matrix_at + 4 * position + 4] = (value & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(data)
