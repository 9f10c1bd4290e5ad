"""The user's own way with each of ARKit's 52 channels: offset, dead zone, curve and gain.

    weight -> + offset -> dead zone -> ** curve -> * gain -> 0..1

Every step is continuous, so that no channel ever jumps. The coefficients of a frame follow its weights (see
`driver.framing`): what is sent as ARKit and what is sent as expression and jaw always tell of the same face.

[channels.jawOpen]
gain = 1.2
[channels.mouthSmileLeft]
dead_zone = 0.05
curve = 0.8
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from driver.errors import UsageError
from protocol.frame import ARKIT_SHAPES, Floats

# What trackers idle at on these three.
_IDLING, _IDLING_ZONE = ("jawOpen", "mouthFunnel", "mouthPucker"), 0.04
_MOUTH_CLOSE, _JAW_OPEN = ARKIT_SHAPES.index("mouthClose"), ARKIT_SHAPES.index("jawOpen")


@dataclass(frozen=True)
class Channel:
    """How one channel's weight is changed. UsageError for a value out of its range.

    gain        strength, 0..4; 0 switches the channel off
    offset      added first, -1..1
    dead_zone   weights up to here are none, 0..0.9; the rest is stretched, so that a full weight stays full
    curve       exponent, 0.25..4: above 1 small weights become smaller, below 1 larger
    """

    gain: float = 1.0
    offset: float = 0.0
    dead_zone: float = 0.0
    curve: float = 1.0

    def __post_init__(self) -> None:
        for name, lowest, highest in (
            ("gain", 0.0, 4.0),
            ("offset", -1.0, 1.0),
            ("dead_zone", 0.0, 0.9),
            ("curve", 0.25, 4.0),
        ):
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise UsageError(f"a channel's {name} is {value:g}; it must be {lowest:g}..{highest:g}")


def default_channels() -> dict[str, Channel]:
    """All 52, in the order of ARKIT_SHAPES: untouched, but for the dead zone of those that trackers idle at."""
    return {name: Channel(dead_zone=_IDLING_ZONE) if name in _IDLING else Channel() for name in ARKIT_SHAPES}


class Channels:
    """The 52 channels' settings as one function of all weights. Those that `channels` leaves out stay untouched."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        given = [channels.get(name, Channel()) for name in ARKIT_SHAPES]
        self._gain, self._offset, self._dead_zone, self._curve = (
            np.array([getattr(channel, name) for channel in given], np.float32)
            for name in ("gain", "offset", "dead_zone", "curve")
        )

    def apply(self, weights: Floats) -> Floats:
        """float32 [52] in 0..1 of `weights` [52] in 0..1; mouthClose stays at or below jawOpen."""
        moved = weights + self._offset
        kept = np.clip((moved - self._dead_zone) / (1.0 - self._dead_zone), 0.0, 1.0)
        made = np.clip(self._gain * kept**self._curve, 0.0, 1.0).astype(np.float32)
        made[_MOUTH_CLOSE] = min(made[_MOUTH_CLOSE], made[_JAW_OPEN])
        return made
