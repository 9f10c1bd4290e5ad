"""A streaming resampler to 16 kHz with a delay of milliseconds.

Output sample n is the input's value at time n / 16000 s, by a windowed-sinc filter of two-sided support: linear phase,
nothing shifted, so the position of a sample tells its time. A sample comes out as soon as the input reaches half a
filter length beyond it (1.1 ms for 48 kHz); libraries built for throughput work on large blocks, and were measured to
hold back 20 to 40 ms of live sound (soxr, LQ to HQ), which is a frame of lip movement.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from driver.types import AUDIO_RATE_HZ
from protocol.frame import Floats

# Of the lower of the two Nyquist frequencies: flat to 0.86 (6.9 kHz of 8), 80 dB down at 1.14. What lies between folds
# back above 6.9 kHz, where speech has only hiss.
_PASS_EDGE, _STOP_EDGE = 0.86, 1.14
_STOP_DB = 80.0

# Longer input is cut: the gathered windows take a hundred times the memory of the block.
_LONGEST_BLOCK = 65_536

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 384_000


@lru_cache(maxsize=8)
def _polyphase(rate_hz: int) -> tuple[Floats, int, int]:
    """(filters [phases, taps], up, down) that turn `rate_hz` into 16 kHz = `rate_hz` * up / down.

    Row p weighs the input samples around an output that lies p / up of a sample behind input sample taps // 2 - 1.
    Kaiser's formulas for the length and the shape of the window.
    """
    divisor = math.gcd(rate_hz, AUDIO_RATE_HZ)
    up, down = AUDIO_RATE_HZ // divisor, rate_hz // divisor
    lower_nyquist_hz = min(rate_hz, AUDIO_RATE_HZ) / 2
    transition = 2 * math.pi * (_STOP_EDGE - _PASS_EDGE) * lower_nyquist_hz / rate_hz
    half = math.ceil((_STOP_DB - 8) / (2.285 * transition) / 2) + 1
    beta = 0.1102 * (_STOP_DB - 8.7)
    cutoff = 2 * lower_nyquist_hz / rate_hz * (_PASS_EDGE + _STOP_EDGE) / 2

    offsets = np.arange(1 - half, half + 1) - np.arange(up)[:, None] / up
    window = np.i0(beta * np.sqrt(np.maximum(0.0, 1 - (offsets / half) ** 2))) / np.i0(beta)
    filters = np.sinc(cutoff * offsets) * window
    filters /= filters.sum(axis=1, keepdims=True)
    return filters.astype(np.float32), up, down


class Resampler:
    """Sound of any rate to 16 kHz, block by block; any blocks give the same output.

    rate_hz    of the input, 4 000..384 000
    channels   of the input; each is resampled by itself
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
            raise ValueError(f"rate_hz is {rate_hz}; it must be within {LOWEST_RATE_HZ}..{HIGHEST_RATE_HZ}")
        self._is_identity = rate_hz == AUDIO_RATE_HZ
        self._filters, self._up, self._down = _polyphase(rate_hz)
        taps = self._filters.shape[1]
        self._half = taps // 2
        self._window = np.arange(taps, dtype=np.int64)
        # The input still needed, [channels, n], from position _held_from on. Before the stream there was silence.
        self._held: Floats = np.zeros((channels, self._half - 1), np.float32)
        self._held_from = 1 - self._half
        self._produced = 0

    @property
    def delay_samples(self) -> int:
        """How many input samples beyond its own instant an output sample waits for."""
        return 0 if self._is_identity else self._half

    def push(self, block: NDArray[np.float32]) -> Floats:
        """`block` float32 [n, channels] in; what is ready out, float32 [m, channels] at 16 kHz."""
        if self._is_identity:
            return block
        if len(block) > _LONGEST_BLOCK:
            cuts = range(_LONGEST_BLOCK, len(block), _LONGEST_BLOCK)
            return np.concatenate([self.push(part) for part in np.split(block, list(cuts))])
        self._held = np.concatenate([self._held, block.T], axis=1)
        end = self._held_from + self._held.shape[1]
        # Output k needs input up to floor(k down / up) + half, which must be before `end`.
        count = max(0, ((end - self._half) * self._up - 1) // self._down + 1 - self._produced)
        positions = np.arange(self._produced, self._produced + count, dtype=np.int64) * self._down
        centres, phases = positions // self._up, positions % self._up
        starts = centres - (self._half - 1) - self._held_from
        windows: NDArray[np.int64] = starts[:, None] + self._window
        filters = self._filters[phases]
        output = np.stack([np.einsum("kt,kt->k", channel[windows], filters) for channel in self._held], axis=1)

        self._produced += count
        keep_from = self._produced * self._down // self._up - (self._half - 1)
        drop = max(0, keep_from - self._held_from)
        self._held = self._held[:, drop:]
        self._held_from += drop
        return output

    def finish(self) -> Floats:
        """The last samples of a stream that has ended: as many as its length makes at 16 kHz, silence behind it."""
        if self._is_identity:
            return np.zeros((0, len(self._held)), np.float32)
        length = self._held_from + self._held.shape[1]
        wanted = -(-length * self._up // self._down) - self._produced
        tail = self.push(np.zeros((self._half, len(self._held)), np.float32))
        return tail[:wanted]
