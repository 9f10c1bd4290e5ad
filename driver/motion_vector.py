"""A motion as one flat float32 vector, for arithmetic that treats all channels alike."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from driver.types import Motion
from protocol.frame import PART_BY_NAME, REGIONS, Floats

_PARTS = ("expression", "jaw", "eyelids", "gaze", "head_rotation", "head_translation")
_ENDS = list(accumulate(PART_BY_NAME[name].size for name in _PARTS))

LAYOUT: dict[str, slice] = {
    name: slice(end - PART_BY_NAME[name].size, end) for name, end in zip(_PARTS, _ENDS, strict=True)
}
VECTOR_SIZE = _ENDS[-1]

# The bounds of each channel, to keep an extrapolation or a filter inside the motion space.
LOWEST = np.concatenate([np.full(PART_BY_NAME[name].size, PART_BY_NAME[name].minimum, np.float32) for name in _PARTS])
HIGHEST = np.concatenate([np.full(PART_BY_NAME[name].size, PART_BY_NAME[name].maximum, np.float32) for name in _PARTS])

# Which region's confidence a channel lives by. Expression is shared: `driver.fuse` splits it by projection.
REGION_OF_PART: dict[str, int] = {
    "jaw": REGIONS.index("mouth"),
    "eyelids": REGIONS.index("eyes"),
    "gaze": REGIONS.index("eyes"),
    "head_rotation": REGIONS.index("head"),
    "head_translation": REGIONS.index("head"),
}


def pack(motion: Motion) -> Floats:
    """`motion`'s animated parts as float32 [VECTOR_SIZE], in the order of `LAYOUT`."""
    return np.concatenate([np.asarray(getattr(motion, name), np.float32) for name in _PARTS])


def parts(vector: Floats) -> dict[str, Floats]:
    """The named parts of a vector, as views."""
    return {name: vector[where] for name, where in LAYOUT.items()}
