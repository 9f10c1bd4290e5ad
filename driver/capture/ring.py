"""Hands blocks of sound from the sound system's thread to ours without making it wait."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Block:
    """`samples` float32 [n, channels]; `end_ns` sensor time of its end; `is_after_loss`: sound is missing before it."""

    samples: NDArray[np.float32]
    end_ns: int
    is_after_loss: bool


class BlockRing:
    """One writer, one reader. Memory is allocated once; a full ring refuses the newest block and counts it.

    Counters only grow, and each is written by one side; Python's own lock makes that enough.
    """

    def __init__(self, slots: int, samples: int, channels: int) -> None:
        self.refused = 0
        self._samples = np.zeros((slots, samples, channels), np.float32)
        self._lengths = np.zeros(slots, np.int64)
        self._ends_ns = np.zeros(slots, np.int64)
        self._is_after_loss = np.zeros(slots, np.bool_)
        self._slots = slots
        self._written = 0
        self._taken = 0
        self._is_lossy = False
        self._ready = threading.Event()

    def put(self, samples: NDArray[np.float32], end_ns: int, is_after_loss: bool) -> None:
        """Copy a block in; never waits. Called by the writer."""
        if self._written - self._taken >= self._slots:
            self.refused += 1
            self._is_lossy = True
            return
        slot = self._written % self._slots
        self._samples[slot, : len(samples)] = samples
        self._lengths[slot] = len(samples)
        self._ends_ns[slot] = end_ns
        self._is_after_loss[slot] = is_after_loss or self._is_lossy
        self._is_lossy = False
        self._written += 1
        self._ready.set()

    def get(self, timeout_s: float) -> Block | None:
        """The oldest block, copied out; None when none came within `timeout_s`. Called by the reader."""
        if self._written == self._taken:
            self._ready.clear()
            if self._written == self._taken and not self._ready.wait(timeout_s):
                return None
        slot = self._taken % self._slots
        block = Block(
            self._samples[slot, : self._lengths[slot]].copy(),
            int(self._ends_ns[slot]),
            bool(self._is_after_loss[slot]),
        )
        self._taken += 1
        return block
