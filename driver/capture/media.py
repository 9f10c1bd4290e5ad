"""Media files: opening them with one sentence when they cannot be, and what they say about themselves."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import av
import av.container
import av.stream
from av.error import FFmpegError, InvalidDataError

from driver.capture.clock import SECOND_NS
from driver.capture.retry import Notify
from driver.errors import MediaError
from driver.types import HOP_NS

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})


@dataclass(frozen=True)
class MediaInfo:
    """What a media file holds. `duration_s` is None where the file does not say; for a picture there is no end."""

    duration_s: float | None
    has_video: bool
    has_audio: bool


def is_picture(path: Path | str) -> bool:
    """True for still pictures, by the suffix of the name."""
    return Path(path).suffix.lower() in PICTURE_SUFFIXES


def probe(path: Path | str) -> MediaInfo:
    """What `path` holds, from its header alone. Raises MediaError."""
    if is_picture(path):
        existing_file(path)
        return MediaInfo(None, has_video=True, has_audio=False)
    with open_media(path) as container:
        duration_s = None if container.duration is None else container.duration / av.time_base
        return MediaInfo(duration_s, video_stream(container) is not None, bool(container.streams.audio))


def existing_file(path: Path | str) -> Path:
    """`path` if it is a file that can be read; MediaError otherwise."""
    path = Path(path)
    if not path.exists():
        raise MediaError(f"{path} does not exist; check the path")
    if not path.is_file():
        raise MediaError(f"{path} is not a file; give the path of a media file")
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}; check its permissions") from error


@contextmanager
def open_media(path: Path | str) -> Generator[av.container.InputContainer, None, None]:
    """The opened file, closed at the end. Raises MediaError, also for what FFmpeg finds damaged inside the block."""
    path = existing_file(path)
    try:
        # file: keeps names like "a:b.mp4" from being taken for a protocol.
        with av.open(f"file:{path}", metadata_errors="replace") as container:
            yield container
    except FFmpegError as error:
        raise MediaError(
            f"{path} cannot be read as video or sound ({error.strerror}); play it elsewhere, or convert it: "
            "ffmpeg -i FILE OUT.mp4"
        ) from error


def video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The first moving picture; cover art of a music file is none."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None


def start_s(container: av.container.InputContainer) -> float:
    """Where the file's own time begins, in seconds: zero for pictures and sound alike, so that they stay together."""
    return (container.start_time or 0) / av.time_base


def loop_period_ns(container: av.container.InputContainer, path: Path) -> int:
    """How long one round of a looped file lasts, in ns: its length, rounded up to whole hops."""
    if not container.duration:
        raise MediaError(f"{path} does not say how long it is, so it cannot be looped; convert it to MP4 first")
    hops = -(-container.duration * SECOND_NS // (av.time_base * HOP_NS))
    return hops * HOP_NS


@overload
def decoded(
    container: av.container.InputContainer, stream: av.VideoStream, path: Path, notify: Notify
) -> Iterator[av.VideoFrame]: ...
@overload
def decoded(
    container: av.container.InputContainer, stream: av.AudioStream, path: Path, notify: Notify
) -> Iterator[av.AudioFrame]: ...
def decoded(
    container: av.container.InputContainer, stream: av.VideoStream | av.AudioStream, path: Path, notify: Notify
) -> Iterator[Any]:
    """The frames of `stream`. Damaged packets are skipped, as players do; `notify` hears how many there were."""
    damaged = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except InvalidDataError:
            damaged += 1
            continue
        yield from frames
    if damaged:
        notify(f"{path}: {damaged} damaged {stream.type} packets were skipped")
