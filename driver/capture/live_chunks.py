"""Blocks of a live device to hops at smoothed sensor times; what was lost becomes a jump in `first_sample`."""

from __future__ import annotations

from driver.capture.chunks import Chunker
from driver.capture.clock import SECOND_NS, SampleClock, samples_to_ns
from driver.capture.ring import Block
from driver.types import AUDIO_RATE_HZ, AudioChunk


class LiveChunker:
    """One stream of hops through any number of connections to a device. `gaps` counts the losses within connections."""

    def __init__(self) -> None:
        self.gaps = 0
        self._chunker: Chunker | None = None
        self._clock = SampleClock(AUDIO_RATE_HZ)
        self._format = (AUDIO_RATE_HZ, 1)
        # Where the stream stands: samples of 16 kHz since it began, and the sensor time of that.
        self._position = 0
        self._position_ns: int | None = None

    def connect(self, rate_hz: int, channels: int) -> None:
        """The blocks that follow come from a device that was just opened; the time without it is lost sound."""
        self._chunker, self._format = None, (rate_hz, channels)

    def push(self, block: Block) -> list[AudioChunk]:
        """The hops that `block` completes."""
        rate_hz, channels = self._format
        count = len(block.samples)
        if self._chunker is None:
            begin_ns = block.end_ns - samples_to_ns(count, rate_hz)
            absent_ns = 0 if self._position_ns is None else max(0, begin_ns - self._position_ns)
            self._chunker = Chunker(rate_hz, channels, self._position + absent_ns * AUDIO_RATE_HZ // SECOND_NS)
            self._clock = SampleClock(rate_hz)
        elif block.is_after_loss:
            self.gaps += 1
            late_ns = block.end_ns - (self._clock.expected_end_ns(count) or block.end_ns)
            self._chunker = self._chunker.after_gap(late_ns * rate_hz // SECOND_NS)
            self._clock = SampleClock(rate_hz)
        end_ns = self._clock.end_ns(count, block.end_ns)
        chunks = self._chunker.push(block.samples, end_ns)
        self._position, self._position_ns = self._chunker.position, end_ns
        return chunks
