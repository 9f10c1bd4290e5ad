"""What flows through the pipeline. Every item carries the sensor time it was taken at."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from protocol.frame import PART_BY_NAME, REGIONS, Floats

AUDIO_RATE_HZ = 16_000
HOP_SAMPLES = 320
HOP_NS = HOP_SAMPLES * 1_000_000_000 // AUDIO_RATE_HZ


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One picture. `image` uint8 [height, width, 3], RGB, not mirrored; `index` counts pictures the source took."""

    image: NDArray[np.uint8]
    capture_ns: int
    index: int


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """A piece of sound: `samples` float32 [n] in -1..1, 16 kHz mono; our own sources send hops, n = 320.

    `first_sample` is the position of the first sample since the stream began; a jump means that sound was lost there
    and that the encoder must start anew. `capture_ns` is the sensor time of the end of the chunk.
    """

    samples: Floats
    first_sample: int
    capture_ns: int


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """What the tracker saw in one picture.

    `landmarks` float32 [478, 3]: MediaPipe's face mesh with irises, x and y in pixels of the picture (origin top left,
    y down), z in the same scale (negative towards the camera); None when no face was found.
    `presence` 0..1 is the network's own belief that a face is there. `image_size` is (width, height) in pixels.
    """

    landmarks: Floats | None
    presence: float
    image_size: tuple[int, int]
    capture_ns: int


def _zeros(name: str) -> Floats:
    return np.zeros(PART_BY_NAME[name].size, np.float32)


@dataclass(frozen=True, eq=False)
class Motion:
    """A face as one encoder sees or hears it (or as the fusion of both), in the motion space of `protocol.frame`.

    `confidence` [4] says per region (mouth, upper_face, eyes, head) how much this encoder knows; a region with
    confidence 0 carries no information, whatever its values. `shape` is None from those who know no identity, `detail`
    from those who read no skin.
    `capture_ns` is the instant that is described; the encoder knew `lookahead_ns` of its future.
    """

    capture_ns: int
    expression: Floats = field(default_factory=lambda: _zeros("expression"))
    jaw: Floats = field(default_factory=lambda: _zeros("jaw"))
    eyelids: Floats = field(default_factory=lambda: _zeros("eyelids"))
    gaze: Floats = field(default_factory=lambda: _zeros("gaze"))
    head_rotation: Floats = field(default_factory=lambda: _zeros("head_rotation"))
    head_translation: Floats = field(default_factory=lambda: _zeros("head_translation"))
    shape: Floats | None = None
    detail: Floats | None = None
    laughter: float = 0.0
    speech: float = 0.0
    valence: float = 0.0
    arousal: float = 0.0
    confidence: Floats = field(default_factory=lambda: np.zeros(len(REGIONS), np.float32))
    lookahead_ns: int = 0

    @property
    def known_ns(self) -> int:
        """Sensor time of the newest that went in."""
        return self.capture_ns + self.lookahead_ns
