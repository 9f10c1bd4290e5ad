"""The table of emotions as pictures: the open head makes the faces of emotions.toml at full strength.

A column an emotion, three of its faces below each other, and its valence and arousal.
`python -m training.data.build_emotion_faces --sheet FILE` draws it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.head.arkit import ArkitMap
from models.head.flame import FaceRig, open_head
from models.head.picture import render
from models.perceptual.emotion import EMOTIONS, NEUTRAL
from protocol.frame import ARKIT_SHAPES
from training.data.emotion_acting import emotions, told_emotion

_ROWS = 3
_SIZE = (200, 240)
_LINE_PX = 16
# One half of the face makes a one-sided emotion.
_LEFT_HALF = np.array([not name.endswith("Right") for name in ARKIT_SHAPES], np.float64)


def draw_sheet(path: Path) -> None:
    """Write the sheet in the format that the file's name says."""
    head = open_head()
    arkit, rig = ArkitMap(head), FaceRig(head)
    width, height = _SIZE
    sheet = Image.new("RGB", (width * len(EMOTIONS), _ROWS * height + 2 * _LINE_PX), "white")
    pen = ImageDraw.Draw(sheet)
    for column, name in enumerate(EMOTIONS):
        for row, weights in enumerate(_faces(name)):
            picture = render(rig.vertices(*arkit.to_motion(weights)), head, size=_SIZE, height_m=0.3)
            sheet.paste(Image.fromarray(picture), (column * width, row * height))
        _, valence, arousal = told_emotion(name)
        pen.text((column * width + 4, _ROWS * height), name, "black")
        pen.text((column * width + 4, _ROWS * height + _LINE_PX), f"V {valence:+.2f}  A {arousal:+.2f}", "black")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _faces(name: str) -> list[NDArray[np.float64]]:
    if name == EMOTIONS[NEUTRAL]:
        return [np.zeros(len(ARKIT_SHAPES))] * _ROWS
    emotion = emotions()[name]
    faces = [emotion.faces[number % len(emotion.faces)] for number in range(_ROWS)]
    return [face * _LEFT_HALF for face in faces] if emotion.is_one_sided else faces
