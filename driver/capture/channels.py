"""Which channels of a microphone carry the voice.

Stereo inputs are often one microphone: on the right only, or copied to both sides, or wired out of phase. A plain mean
halves the first and silences the last.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driver.types import HOP_NS
from protocol.frame import Floats

_HALF_LIFE_S = 2.0
_LIVE_RATIO = 0.1  # 10 dB below the loudest channel: a dead input's hum or the other side's crosstalk
_CANCEL_RATIO = 0.25  # the mean is 6 dB below what unrelated channels would give: they cancel each other
_SILENCE_POWER = 1e-9  # -90 dBFS tells nothing about who is speaking


class ChannelMixer:
    """Mixes hops of several channels to mono: the mean of the channels that are live.

    Live is what was within 10 dB of the loudest channel lately (half-life 2 s); when those cancel each other, the
    loudest alone. A change of mind is faded over one hop, so that it does not click. With one channel it does nothing.
    """

    def __init__(self, channels: int) -> None:
        self._covariance = np.zeros((channels, channels))
        self._weights: Floats | None = None
        self._decay = 0.5 ** (HOP_NS / 1e9 / _HALF_LIFE_S)

    def mix(self, hop: NDArray[np.float32]) -> Floats:
        """float32 [n, channels] -> float32 [n]. Looks at this hop and the ones before."""
        channels = hop.shape[1]
        if channels == 1:
            return hop[:, 0]
        weights = self._choose(hop)
        before = weights if self._weights is None else self._weights
        if weights is None or before is None:
            return hop @ np.full(channels, 1 / channels, np.float32)
        self._weights = weights
        if np.array_equal(before, weights):
            return hop @ weights
        fade = np.linspace(0, 1, len(hop)).astype(np.float32)
        return (hop @ before + fade * (hop @ (weights - before))).astype(np.float32)

    def _choose(self, hop: NDArray[np.float32]) -> Floats | None:
        """The weight of each channel, float32 [channels] with sum 1; None as long as there was only silence."""
        centred = hop.astype(np.float64) - hop.mean(axis=0)  # cheap inputs carry a constant offset
        covariance = centred.T @ centred / len(hop)
        if covariance.trace() < _SILENCE_POWER:
            return self._weights
        self._covariance = self._covariance * self._decay + covariance
        power = self._covariance.diagonal()
        loudest = power.max()
        live = power >= loudest * _LIVE_RATIO
        weights = live / live.sum()
        if weights @ self._covariance @ weights < _CANCEL_RATIO * (weights**2 @ power):
            weights = np.arange(len(power)) == power.argmax()
        return weights.astype(np.float32)
