"""A fused, smoothed motion becomes the frame that is published: ARKit weights, identity now and then, number, time.

What the user wants changed is changed here, once, for all that a frame carries:

- Channels (`driver.channels`) change the ARKit weights; expression, jaw, lids and gaze then move by what that change of
  weights means on the head. So both tell of the same face, and what a motion has beside ARKit's shapes stays in it.
- The mirror comes after, for the whole motion, the pose, the weights and the identity. Channels so belong to the user's
  own left and right, mirrored or not.
- Last, a motion map carries the changed motion over to another head; weights are the same for every head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from driver.channels import Channel, Channels, default_channels
from driver.fuse import Fused
from driver.motion_vector import HIGHEST, LOWEST, parts
from models.head.arkit import ArkitMap, mirrored_weights
from protocol.frame import PART_BY_NAME, FaceFrame, Floats

if TYPE_CHECKING:
    from models.head.mirror import MotionMirror
    from models.head.retarget import MotionMap


@dataclass(frozen=True)
class FrameSettings:
    """shape_every_s, detail_every_s: how often an unchanged identity or detail is sent again, for later clients."""

    shape_every_s: float = 1.0
    detail_every_s: float = 1.0


_OF_ARKIT = ("expression", "jaw", "eyelids", "gaze")
_SHAPE_CHANGED = 0.05  # standard deviations
_DETAIL_CHANGED = 0.02  # of its length


class FrameBuilder:
    """Numbers and completes frames.

    motion_map   carries the motion over to another head, whose id the frames bear
    channels     by ARKit's names; default: `default_channels`
    mirror       exchanges left and right in everything that is sent
    subject      whose face it is, where many are sent
    """

    def __init__(
        self,
        settings: FrameSettings,
        head_id: str,
        arkit: ArkitMap,
        motion_map: MotionMap | None = None,
        *,
        channels: Mapping[str, Channel] | None = None,
        mirror: MotionMirror | None = None,
        subject: str = "",
    ) -> None:
        self._settings = settings
        self._subject = subject
        self.set_channels(default_channels() if channels is None else channels)
        self._mirror = mirror
        self._head_id = head_id
        self._arkit = arkit
        self._motion_map = motion_map
        self._seq = 0
        self._sent_shape: Floats | None = None
        self._sent_shape_ns = 0
        self._sent_detail: Floats | None = None
        self._sent_detail_ns = 0

    @property
    def channels(self) -> Mapping[str, Channel]:
        """As they were set last."""
        return self._channels_set

    def set_channels(self, channels: Mapping[str, Channel]) -> None:
        """From the next frame on; from any thread."""
        self._channels_set = dict(channels)
        self._channels = Channels(channels)  # replaced as a whole: a frame has all of the change or none

    def build(self, fused: Fused, vector: Floats, tick_ns: int, publish_ns: int) -> FaceFrame:
        """The next frame: `vector` float32 [VECTOR_SIZE] is the smoothed motion of the tick, `fused` the rest."""
        named, arkit = self._changed(np.clip(vector, LOWEST, HIGHEST))
        shape = fused.shape
        if self._mirror is not None:
            named = {name: self._mirror.part(name, values) for name, values in named.items()}
            arkit = mirrored_weights(arkit).astype(np.float32)
            shape = None if shape is None else self._mirror.part("shape", shape)
        if self._motion_map is not None:
            carried = self._motion_map.apply(named["expression"], named["jaw"], named["eyelids"], named["gaze"])
            named |= dict(zip(_OF_ARKIT, carried, strict=True))
        told_shape = self._shape(shape, tick_ns)
        # A packet has no room for both.
        told_detail = self._detail(fused.detail, tick_ns) if told_shape is None else None
        frame = FaceFrame(
            seq=self._seq,
            capture_ns=fused.capture_ns if fused.capture_ns is not None else publish_ns,
            publish_ns=publish_ns,
            head=self._head_id,
            arkit=arkit,
            confidence=fused.confidence,
            shape=told_shape,
            detail=told_detail,
            laughter=fused.laughter,
            speech=fused.speech,
            valence=fused.valence,
            arousal=fused.arousal,
            subject=self._subject,
            **named,
        )
        self._seq += 1
        return frame

    def _changed(self, vector: Floats) -> tuple[dict[str, Floats], Floats]:
        """The parts of `vector` and its ARKit weights [52], both as the channels' settings want them."""
        named = parts(vector)
        seen = self._arkit.to_arkit(*(named[name] for name in _OF_ARKIT))
        wanted = self._channels.apply(seen)
        for name, change in zip(_OF_ARKIT, self._arkit.motion_change(wanted - seen), strict=True):
            part = PART_BY_NAME[name]
            named[name] = np.clip(named[name] + change, part.minimum, part.maximum)
        return named, wanted

    def _shape(self, shape: Floats | None, tick_ns: int) -> Floats | None:
        if self._motion_map is not None:
            return None  # the identity is the open head's; it means nothing on another head
        if shape is None:
            shape = np.zeros(PART_BY_NAME["shape"].size, np.float32)
        is_due = self._sent_shape is None or tick_ns - self._sent_shape_ns >= self._settings.shape_every_s * 1e9
        if not is_due and self._sent_shape is not None and np.abs(shape - self._sent_shape).max() < _SHAPE_CHANGED:
            return None
        self._sent_shape, self._sent_shape_ns = shape, tick_ns
        return shape

    def _detail(self, detail: Floats | None, tick_ns: int) -> Floats | None:
        """As it was read: it is the reader who mirrors."""
        if detail is None or self._motion_map is not None:
            return None
        if self._sent_detail is not None and tick_ns - self._sent_detail_ns < self._settings.detail_every_s * 1e9:
            moved, length = (float(np.linalg.norm(one)) for one in (detail - self._sent_detail, self._sent_detail))
            if moved <= _DETAIL_CHANGED * length:
                return None
        self._sent_detail, self._sent_detail_ns = detail, tick_ns
        return detail
