"""The sound of one voice, hop by hop: what has come, played like a tape, and silence where nothing comes.

Bytes are pushed by the thread that reads the connections, hops are taken by the one that runs the model. Neither waits
for the other: a hop that is not there is not there, and what is ahead of its time is what the reader must wait for.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from driver.capture.pcm import Tape
from driver.capture.pcm_address import PcmFormat
from driver.types import HOP_NS, HOP_SAMPLES, AudioChunk
from protocol.frame import Floats

# A reader goes on when less than this waits to be played. More would be heard as latency when an utterance is cut.
AHEAD_NS = 200_000_000
# Who is further behind than this, because the machine has no time, goes on with the newest sound and gives up the rest:
# a face that hangs behind its voice for ever is worse than a jump.
LATEST_NS = 300_000_000
_SILENCE = np.zeros(HOP_SAMPLES, np.float32)


@dataclass(frozen=True, eq=False)
class Hop:
    """20 ms of one voice that end at `end_ns`.

    samples   float32 [320] in -1..1, 16 kHz; None = the voice rests and the model hears nothing
    is_new    what was heard before has nothing to do with it: the model starts anew
    lost      hops before it that were given up, because the machine had no time for them when they were due
    """

    samples: Floats | None
    end_ns: int
    is_new: bool = False
    lost: int = 0


class Stream:
    """One voice's sound from `now_ns` on, on the clock of `time.perf_counter_ns`."""

    def __init__(self, pcm_format: PcmFormat, silence_ms: int, now_ns: int) -> None:
        self.format = pcm_format
        self._silent_hops = silence_ms * 1_000_000 // HOP_NS
        self._tape = Tape(pcm_format)
        self._cut = b""  # the beginning of a sample whose other bytes have not come
        self._chunks: deque[AudioChunk] = deque()
        self._ready_until_ns = now_ns
        self._is_paused, self._is_ended = True, False
        self._heard_until_ns = now_ns
        self._silence_left, self._is_new = 0, True

    # What the reader calls.

    def push(self, data: bytes, now_ns: int) -> None:
        """`data` has arrived; it may be cut anywhere."""
        data = self._cut + data
        whole = len(data) // self.format.frame_bytes * self.format.frame_bytes
        self._cut = data[whole:]
        self._is_paused = False
        self._add(self._tape.push(self.format.decode(data[:whole]), now_ns))

    def pause(self) -> bool:
        """Nothing has come for a while: play what is left of the utterance, then silence. True when there was one."""
        was_going_on = not self._is_paused
        if was_going_on:
            self._add(self._tape.end())
            self._is_paused = True
        return was_going_on

    def end(self) -> None:
        """Nothing will come any more."""
        self.pause()
        self._is_ended = True

    def ahead_ns(self, now_ns: int) -> int:
        """How much of what was pushed is yet to be played; at least 0."""
        return max(0, self._ready_until_ns - now_ns)

    def _add(self, chunks: list[AudioChunk]) -> None:
        if chunks:
            self._ready_until_ns = chunks[-1].capture_ns
            self._chunks.extend(chunks)

    # What the model's thread calls.

    @property
    def is_over(self) -> bool:
        """True when it has ended and all of it was taken."""
        return self._is_ended and not self._chunks

    def is_behind(self, now_ns: int) -> bool:
        """True when another hop is over by `now_ns`."""
        if self._chunks:
            return self._chunks[0].capture_ns <= now_ns
        return self._is_paused and self._heard_until_ns + HOP_NS <= now_ns

    def next_hop(self, now_ns: int) -> Hop | None:
        """The next hop that is over by `now_ns`; None when there is none yet."""
        lost = self._give_up_the_late(now_ns)
        if self._chunks:
            if self._chunks[0].capture_ns > now_ns:
                return None
            chunk = self._chunks.popleft()
            hop = Hop(chunk.samples, chunk.capture_ns, self._is_new or lost > 0, lost)
            self._silence_left, self._is_new = self._silent_hops, False
        elif self._is_paused and self._heard_until_ns + HOP_NS <= now_ns:
            end_ns = self._heard_until_ns + HOP_NS
            if end_ns < now_ns - LATEST_NS:
                end_ns = now_ns
            hop = Hop(_SILENCE if self._silence_left else None, end_ns)
            self._silence_left = max(0, self._silence_left - 1)
            self._is_new |= self._silence_left == 0
        else:
            return None
        self._heard_until_ns = hop.end_ns
        return hop

    def _give_up_the_late(self, now_ns: int) -> int:
        lost = 0
        if self._chunks and self._chunks[0].capture_ns < now_ns - LATEST_NS:
            while len(self._chunks) > 1 and self._chunks[1].capture_ns <= now_ns:
                self._chunks.popleft()
                lost += 1
        return lost
