"""Frames for the golden files and the tests of both languages: deterministic and asymmetric, so that swaps show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from protocol.frame import ARKIT_SHAPES, OPEN_HEAD_ID, PART_BY_NAME, PARTS, FaceFrame, Floats, Part


def neutral() -> FaceFrame:
    """A sender that sees and hears nobody: everything 0, confidence included."""
    zeros: dict[str, Any] = {
        part.name: np.zeros(part.size, np.float32) for part in PARTS if not (part.is_scalar or part.is_optional)
    }
    return FaceFrame(seq=0, capture_ns=0, publish_ns=0, head=OPEN_HEAD_ID, **zeros)


def wink() -> FaceFrame:
    """The left eye closed, the head turned left, nodded and tilted, the right eye looking up and right, jaw open."""
    weights = {
        "eyeBlinkLeft": 1.0,
        "eyeLookUpRight": 0.25,
        "eyeLookOutRight": 0.5,
        "jawOpen": 0.625,
        "mouthSmileRight": 0.75,
        "browOuterUpLeft": 0.375,
        "tongueOut": 0.125,
    }
    expression = np.zeros(PART_BY_NAME["expression"].size, np.float32)
    expression[[0, 1, 49]] = 1.5, -0.75, 0.25
    return FaceFrame(
        seq=4321,
        capture_ns=12_345_678_901_234,
        publish_ns=12_345_700_000_000,
        head=OPEN_HEAD_ID,
        expression=expression,
        jaw=np.array([0.25, 0.0625, -0.03125], np.float32),
        eyelids=np.array([1.0, 0.125], np.float32),
        gaze=np.array([0.0, 0.0, -0.125, -0.25], np.float32),
        head_rotation=np.array([0.125, 0.5, 0.0625], np.float32),
        head_translation=np.array([0.0625, -0.03125, -0.625], np.float32),
        arkit=np.array([weights.get(name, 0.0) for name in ARKIT_SHAPES], np.float32),
        laughter=0.125,
        speech=0.875,
        valence=0.5,
        arousal=-0.25,
        confidence=np.array([1.0, 0.75, 0.5, 0.25], np.float32),
    )


def dense() -> FaceFrame:
    """Every value of every part differs from its neighbours; carries the identity and another head's id."""
    values: dict[str, Any] = {part.name: float(_spread(part)[0]) if part.is_scalar else _spread(part) for part in PARTS}
    del values["detail"]
    return FaceFrame(
        seq=2**40 + 1, capture_ns=2**62 + 1, publish_ns=2**62 + 20_000_003, head="flame-2023-open", **values
    )


def detailed() -> FaceFrame:
    """The wink a moment later, with the wrinkles' code in the place of the identity."""
    return replace(wink(), seq=4322, publish_ns=12_345_716_666_667, detail=_spread(PART_BY_NAME["detail"]))


def _spread(part: Part) -> Floats:
    """Values all over the part's range (or -3..3, where that is wider), in steps that no permutation preserves."""
    low, high = max(part.minimum, -3.0), min(part.maximum, 3.0)
    steps = (np.arange(1, part.size + 1) * 617 + 100 * len(part.name)) % 997
    return (low + (high - low) * steps / 996.0).astype(np.float32)


def frames() -> dict[str, FaceFrame]:
    """All golden frames by name."""
    return {"neutral": neutral(), "wink": wink(), "dense": dense(), "detailed": detailed()}
