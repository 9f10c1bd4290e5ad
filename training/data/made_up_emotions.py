"""Painted faces with labels of emotions, for tests: the labels say nothing of the faces."""

from __future__ import annotations

from pathlib import Path

from models.perceptual.emotion import EMOTIONS
from training.data.emotion_acting import told_emotion
from training.data.emotion_labels import EmotionLabel, write_labels
from training.data.face_store import FaceStore
from training.data.made_up_faces import made_up_faces


def made_up_emotions(folder: Path, clips: int = 10) -> None:
    """A store at `folder` of that many clips of two pictures, a fifth of them for validation, and its labels."""
    made_up_faces(folder, clips, 2)
    labels: dict[str, EmotionLabel] = {}
    faces = [info for info in FaceStore(folder).infos if info.kind != "nobody"]
    for number, info in enumerate(faces):
        emotion = EMOTIONS[number % len(EMOTIONS)]
        _, valence, arousal = told_emotion(emotion, 0.8)
        labels[info.name] = EmotionLabel(emotion, 0.8, valence, arousal)
    write_labels(folder, labels)
