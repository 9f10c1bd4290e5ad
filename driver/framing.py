"""A fused, smoothed motion becomes the frame that is published: ARKit weights, identity now and then, number, time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from driver.fuse import Fused
from driver.motion_vector import HIGHEST, LOWEST, parts
from models.head.arkit import ArkitMap
from protocol.frame import ARKIT_SHAPES, PART_BY_NAME, FaceFrame, Floats

if TYPE_CHECKING:
    from models.head.retarget import MotionMap


@dataclass(frozen=True)
class FrameSettings:
    """dead_zone: what trackers idle at on jawOpen, mouthFunnel and mouthPucker, taken off (and the rest stretched).
    shape_every_s: how often an unchanged identity is sent again, for clients that came later."""

    dead_zone: float = 0.04
    shape_every_s: float = 1.0


_DEAD_ZONED = [ARKIT_SHAPES.index(name) for name in ("jawOpen", "mouthFunnel", "mouthPucker")]
_MOUTH_CLOSE, _JAW_OPEN = ARKIT_SHAPES.index("mouthClose"), ARKIT_SHAPES.index("jawOpen")
_SHAPE_CHANGED = 0.05  # standard deviations


class FrameBuilder:
    """Numbers and completes frames. `motion_map` carries the motion over to another head, whose id the frames bear."""

    def __init__(
        self,
        settings: FrameSettings,
        head_id: str,
        arkit: ArkitMap,
        motion_map: MotionMap | None = None,
    ) -> None:
        self._settings = settings
        self._head_id = head_id
        self._arkit = arkit
        self._motion_map = motion_map
        self._seq = 0
        self._sent_shape: Floats | None = None
        self._sent_shape_ns = 0

    def build(self, fused: Fused, vector: Floats, tick_ns: int, publish_ns: int) -> FaceFrame:
        """The next frame: `vector` float32 [VECTOR_SIZE] is the smoothed motion of the tick, `fused` the rest."""
        vector = np.clip(vector, LOWEST, HIGHEST)
        named = parts(vector)
        arkit = self._arkit.to_arkit(named["expression"], named["jaw"], named["eyelids"], named["gaze"])
        if self._motion_map is not None:
            carried = self._motion_map.apply(named["expression"], named["jaw"], named["eyelids"], named["gaze"])
            named |= dict(zip(("expression", "jaw", "eyelids", "gaze"), carried, strict=True))
        frame = FaceFrame(
            seq=self._seq,
            capture_ns=fused.capture_ns if fused.capture_ns is not None else publish_ns,
            publish_ns=publish_ns,
            head=self._head_id,
            arkit=self._without_idling(arkit),
            confidence=fused.confidence,
            shape=self._shape(fused.shape, tick_ns),
            laughter=fused.laughter,
            speech=fused.speech,
            valence=fused.valence,
            arousal=fused.arousal,
            **named,
        )
        self._seq += 1
        return frame

    def _without_idling(self, arkit: Floats) -> Floats:
        zone = self._settings.dead_zone
        arkit = arkit.copy()
        arkit[_DEAD_ZONED] = np.clip((arkit[_DEAD_ZONED] - zone) / (1.0 - zone), 0.0, 1.0)
        arkit[_MOUTH_CLOSE] = min(arkit[_MOUTH_CLOSE], arkit[_JAW_OPEN])
        return arkit

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
