"""A camera and a microphone that give what they were given: for tests, and for trying a pipeline without devices."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from driver.capture.playback import Playback
from driver.types import AudioChunk, VideoFrame


class FakeCamera(Playback[VideoFrame]):
    """Gives `frames` in order and ends. realtime: each at its own `capture_ns`."""

    def __init__(self, frames: Iterable[VideoFrame], realtime: bool = False) -> None:
        super().__init__("fake camera", self._items_given, realtime)
        self._given = frames

    def _items_given(self) -> Generator[VideoFrame, None, None]:
        yield from self._given


class FakeMicrophone(Playback[AudioChunk]):
    """Gives `chunks` in order and ends. realtime: each at its own `capture_ns`."""

    def __init__(self, chunks: Iterable[AudioChunk], realtime: bool = False) -> None:
        super().__init__("fake microphone", self._items_given, realtime)
        self._given = chunks

    def _items_given(self) -> Generator[AudioChunk, None, None]:
        yield from self._given
