"""A face that looks the same from no two sides: what every receiver must show alike."""

from __future__ import annotations

import math

import numpy as np

from protocol.frame import ARKIT_SHAPES, OPEN_HEAD_ID, FaceFrame

HEAD_YAW_RAD = math.radians(20)  # to the subject's left
GAZE_PITCH_RAD = -math.radians(15)  # up
GAZE_YAW_RAD = -math.radians(12)  # to the subject's right
JAW_RAD = (0.15, -0.07, 0.0)  # a little open, pushed to the subject's right

WEIGHTS = {
    "eyeBlinkLeft": 1.0,
    "jawRight": 0.5,
    "jawOpen": 0.35,
    "eyeLookUpLeft": 0.6,
    "eyeLookUpRight": 0.6,
    "eyeLookInLeft": 0.4,  # both eyes to the right: the left one towards the nose, the right one away from it
    "eyeLookOutRight": 0.4,
    "mouthSmileRight": 0.25,
}


def asymmetric_face(seq: int = 0, publish_ns: int = 0) -> FaceFrame:
    """Left wink, jaw to the right, head turned 20 degrees to the left, gaze up and to the right; left is the subject's.

    The numbers agree with each other: what `arkit` says, jaw, eyelids and gaze say too.
    """
    arkit = np.zeros(52, np.float32)
    for name, weight in WEIGHTS.items():
        arkit[ARKIT_SHAPES.index(name)] = weight
    return FaceFrame(
        seq=seq,
        capture_ns=publish_ns,
        publish_ns=publish_ns,
        head=OPEN_HEAD_ID,
        expression=np.zeros(50, np.float32),
        jaw=np.array(JAW_RAD, np.float32),
        eyelids=np.array([1, 0], np.float32),
        gaze=np.array([GAZE_PITCH_RAD, GAZE_YAW_RAD] * 2, np.float32),
        head_rotation=np.array([0, HEAD_YAW_RAD, 0], np.float32),
        head_translation=np.array([0.02, -0.01, -0.6], np.float32),
        arkit=arkit,
        confidence=np.ones(4, np.float32),
    )
