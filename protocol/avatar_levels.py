"""Steps between 0 and 1 of each ARKit weight in the avatar codec.

Written by `python -m training.avatar_table RECORDING.adrec ...`.
"""

from __future__ import annotations

# A step moves those points of the open head's face that the shape moves most by 0.1 mm; never fewer
# than 8.
LEVELS: tuple[int, ...] = (
    46,  # eyeBlinkLeft
    39,  # eyeLookDownLeft
    27,  # eyeLookInLeft
    26,  # eyeLookOutLeft
    37,  # eyeLookUpLeft
    30,  # eyeSquintLeft
    17,  # eyeWideLeft
    46,  # eyeBlinkRight
    39,  # eyeLookDownRight
    27,  # eyeLookInRight
    26,  # eyeLookOutRight
    37,  # eyeLookUpRight
    30,  # eyeSquintRight
    17,  # eyeWideRight
    89,  # jawForward
    69,  # jawLeft
    69,  # jawRight
    388,  # jawOpen
    308,  # mouthClose
    73,  # mouthFunnel
    85,  # mouthPucker
    101,  # mouthLeft
    101,  # mouthRight
    144,  # mouthSmileLeft
    144,  # mouthSmileRight
    52,  # mouthFrownLeft
    52,  # mouthFrownRight
    66,  # mouthDimpleLeft
    66,  # mouthDimpleRight
    65,  # mouthStretchLeft
    65,  # mouthStretchRight
    53,  # mouthRollLower
    87,  # mouthRollUpper
    51,  # mouthShrugLower
    42,  # mouthShrugUpper
    74,  # mouthPressLeft
    74,  # mouthPressRight
    40,  # mouthLowerDownLeft
    40,  # mouthLowerDownRight
    45,  # mouthUpperUpLeft
    45,  # mouthUpperUpRight
    53,  # browDownLeft
    53,  # browDownRight
    32,  # browInnerUp
    32,  # browOuterUpLeft
    32,  # browOuterUpRight
    98,  # cheekPuff
    66,  # cheekSquintLeft
    66,  # cheekSquintRight
    35,  # noseSneerLeft
    35,  # noseSneerRight
    8,  # tongueOut
)
