"""What the avatar codec carries of a face, as whole numbers: 67 of them, in steps too small to be seen.

    52  ARKit weights, each with as many levels as its shape is seen to move (`avatar_levels.LEVELS`)
     6  head_rotation, head_translation
     4  laughter, speech, valence, arousal
     4  confidence
     1  how long before publishing the picture or the sound was taken

Expression, jaw, eyelids and gaze follow from the weights by the table of the receiver's head; the identity does not
travel: an avatar has its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocol.avatar_levels import LEVELS
from protocol.frame import FaceFrame, Floats, checked

Integers = NDArray[np.int64]

# How coarse the steps are, by quantiser.
MULTIPLIERS = (1, 2, 4, 8)

# A turn of 1 mrad moves the tip of the nose by 0.1 mm.
_ROTATION_STEP_RAD = 1e-3
_TRANSLATION_STEPS_M = (5e-4, 5e-4, 1e-3)
_VOICE_STEP = 1 / 32
_CONFIDENCE_STEP = 1 / 16
_AGE_STEP_S = 4e-3

# Heads further away than this (16 m aside, 32 m in depth) are held there.
_FURTHEST = 2**15
_GREATEST_TURN = 3141
_GREATEST_AGE = 255

# Size, step, least and greatest number of each group of values after the weights.
_GROUPS = (
    (3, (_ROTATION_STEP_RAD,) * 3, -_GREATEST_TURN, _GREATEST_TURN),
    (3, _TRANSLATION_STEPS_M, -_FURTHEST, _FURTHEST),
    (2, (_VOICE_STEP,) * 2, 0, 32),
    (2, (_VOICE_STEP,) * 2, -32, 32),
    (4, (_CONFIDENCE_STEP,) * 4, 0, 16),
    (1, (_AGE_STEP_S,), 0, _GREATEST_AGE),
)

STEPS: NDArray[np.float64] = np.concatenate([1 / np.array(LEVELS), *(steps for _, steps, _, _ in _GROUPS)])
LOWEST: Integers = np.array([0] * len(LEVELS) + [low for size, _, low, _ in _GROUPS for _ in range(size)])
HIGHEST: Integers = np.array([*LEVELS, *(high for size, _, _, high in _GROUPS for _ in range(size))])
COUNT = len(STEPS)

_SIZES = (len(LEVELS), 3, 3, 1, 1, 1, 1, 4, 1)
_ENDS = tuple(int(end) for end in np.cumsum(_SIZES)[:-1])


@dataclass(frozen=True, eq=False)
class AvatarFace:
    """The face at one instant as a remote peer gets it; parts as in `FaceFrame`, rounded to the codec's steps.

    session      another number is another sender, or one that has started anew
    seq          counts the sender's packets, +1 each
    publish_ns   when it was sent, by the sender's clock, ms; its zero means nothing
    capture_ns   when its light or sound was caught, by the same clock
    """

    session: int
    seq: int
    capture_ns: int
    publish_ns: int
    arkit: Floats
    head_rotation: Floats
    head_translation: Floats
    laughter: float
    speech: float
    valence: float
    arousal: float
    confidence: Floats


def integers_of(frame: FaceFrame) -> Integers:
    """The nearest whole numbers int64 [67] to a frame; what is out of the codec's range is held at its border."""
    age_s = (frame.publish_ns - frame.capture_ns) / 1e9
    values = np.concatenate(
        [
            frame.arkit,
            frame.head_rotation,
            frame.head_translation,
            [frame.laughter, frame.speech, frame.valence, frame.arousal],
            frame.confidence,
            [age_s],
        ],
        dtype=np.float64,
    )
    return np.clip(np.rint(values / STEPS), LOWEST, HIGHEST).astype(np.int64)


def face_of(integers: Integers, session: int, seq: int, publish_ns: int) -> AvatarFace:
    """The face that whole numbers [67], each within LOWEST..HIGHEST, stand for."""
    arkit, rotation, translation, laughter, speech, valence, arousal, confidence, age_s = np.split(
        integers * STEPS, _ENDS
    )
    return AvatarFace(
        session=session,
        seq=seq,
        capture_ns=max(0, publish_ns - round(float(age_s[0]) * 1e9)),
        publish_ns=publish_ns,
        arkit=checked("arkit", arkit),
        head_rotation=checked("head_rotation", rotation),
        head_translation=checked("head_translation", translation),
        laughter=float(laughter[0]),
        speech=float(speech[0]),
        valence=float(valence[0]),
        arousal=float(arousal[0]),
        confidence=checked("confidence", confidence),
    )
