"""A remote peer, by the avatar codec."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from endurance.clients.client import ROUNDING, Heard, Udp, Values

from protocol import avatar_codec
from protocol.avatar_values import MULTIPLIERS, STEPS
from protocol.frame import FaceFrame

_AVATAR_TURN_NS = 2**16 * 1_000_000


class AvatarCodec(Udp):
    """A remote peer. Its steps are as fine as the bit rate allows, and each packet says how fine."""

    name, url, rate_hz = "avatar codec, rate=30", "avatar://127.0.0.1:{port}", 30

    def __init__(self, period_s: float, first_s: float) -> None:
        super().__init__()
        self._period_s, self._first_s = period_s, first_s

    def expected(self, frame: FaceFrame) -> Values:
        return np.concatenate([frame.arkit, frame.head_rotation, frame.head_translation])

    def heard(self) -> Iterator[Heard]:
        state = avatar_codec.DecoderState()
        zero_ns: int | None = None
        for at_s, packet in self._packets:
            face, state = avatar_codec.decode(packet, state)
            if face is not None:
                if zero_ns is None:  # the packets' time is a part of the sender's clock
                    zero_ns = face.publish_ns // _AVATAR_TURN_NS * _AVATAR_TURN_NS
                seq = round(((face.publish_ns - zero_ns) / 1e9 - self._first_s) / self._period_s)
                values = np.concatenate([face.arkit, face.head_rotation, face.head_translation], dtype=np.float64)
                yield Heard(at_s, values, seq, resolution=_coarseness(packet[0] & 3)[: len(values)])
        span_s = self._packets[-1][0] - self._packets[0][0]
        self.note = f"{sum(8 * len(packet) for _, packet in self._packets) / 1e3 / span_s:.1f} kbit/s"


@cache
def _coarseness(quantiser: int) -> Values:
    """Half a step of rounding, and half of the difference's, where that is coarser."""
    multiplier = MULTIPLIERS[quantiser]
    return STEPS * (0.5 + (multiplier / 2 if multiplier > 1 else 0.0)) + ROUNDING
