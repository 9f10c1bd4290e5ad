"""Blocks of sound, whatever the device gives, to the 20 ms hops that the encoders take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driver.capture.channels import ChannelMixer
from driver.capture.clock import samples_to_ns
from driver.capture.resample import Resampler
from driver.types import AUDIO_RATE_HZ, HOP_SAMPLES, AudioChunk

# A decoder overshoots full scale by a little. What is a hundred times as loud is no sound, but bytes that were read in
# the wrong format, and sums of it would overflow on their way.
_LOUDEST = 100.0


class Chunker:
    """Any rate, channel count and block size to 16 kHz mono hops; any blocks of the same sound give the same hops.

    rate_hz, channels   of the input
    first_sample        where the first output sample stands since the stream began (see `AudioChunk`)
    """

    def __init__(self, rate_hz: int, channels: int, first_sample: int = 0) -> None:
        if channels < 1:
            raise ValueError(f"channels is {channels}; it must be at least 1")
        self.rate_hz, self.channels = rate_hz, channels
        self._began_at = first_sample
        self._resampler = Resampler(rate_hz, channels)
        self._mixer = ChannelMixer(channels)
        self._pending = np.zeros((0, channels), np.float32)
        self._hops = 0
        self._received = 0

    def push(self, block: NDArray[np.float32], end_ns: int) -> list[AudioChunk]:
        """The hops that `block` completes.

        block    float32 [n, channels] in -1..1; what is not finite becomes 0: it would never leave an encoder's state.
                 What is beyond a hundred times full scale is cut off there
        end_ns   sensor time of the end of the block; the hops' times are counted back from it
        """
        if not np.isfinite(block).all():
            block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        block = np.clip(block, -_LOUDEST, _LOUDEST)
        self._received += len(block)
        return self._chunks(self._resampler.push(block), end_ns)

    def finish(self, end_ns: int) -> list[AudioChunk]:
        """The hops that are left when the sound ends at `end_ns`; the last one is filled up with silence."""
        tail = self._resampler.finish()
        padding = -(len(self._pending) + len(tail)) % HOP_SAMPLES
        return self._chunks(np.concatenate([tail, np.zeros((padding, self.channels), np.float32)]), end_ns)

    def after_gap(self, lost_samples: int) -> Chunker:
        """The chunker that goes on after `lost_samples` of the input (at its own rate) never came.

        Sound that was not yet a whole hop is given up with them, so the next `first_sample` always shows a jump.
        """
        return Chunker(self.rate_hz, self.channels, self.position_after(self._received + max(1, lost_samples)))

    @property
    def position(self) -> int:
        """Where the input stands that came so far: samples of 16 kHz since the stream began, rounded up."""
        return self.position_after(self._received)

    def position_after(self, received: int) -> int:
        """Where the output stands when `received` input samples have come to this chunker."""
        return self._began_at - (-received * AUDIO_RATE_HZ // self.rate_hz)

    def _chunks(self, resampled: NDArray[np.float32], end_ns: int) -> list[AudioChunk]:
        pending = np.concatenate([self._pending, resampled])
        whole = len(pending) // HOP_SAMPLES
        self._pending = pending[whole * HOP_SAMPLES :]
        hops = pending[: whole * HOP_SAMPLES].reshape(whole, HOP_SAMPLES, self.channels)
        return [self._chunk(hop, end_ns) for hop in hops]

    def _chunk(self, hop: NDArray[np.float32], end_ns: int) -> AudioChunk:
        produced = self._hops * HOP_SAMPLES
        self._hops += 1
        # How long before the end of the input this hop ends, in units of 1 / (rate_hz * 16000) s: exact, no drift.
        behind = self._received * AUDIO_RATE_HZ - (produced + HOP_SAMPLES) * self.rate_hz
        return AudioChunk(
            samples=np.clip(self._mixer.mix(hop), -1.0, 1.0),
            first_sample=self._began_at + produced,
            capture_ns=end_ns - samples_to_ns(behind, self.rate_hz * AUDIO_RATE_HZ),
        )
