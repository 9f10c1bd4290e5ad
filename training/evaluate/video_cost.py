"""What a picture costs each subject: side by side, for a cost is told by comparison on one machine at one time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from driver.types import VideoFrame
from training.evaluate.video_material import CLIPS, VideoMaterial
from training.evaluate.video_subjects import Sight

# Of a clip, and how many at its beginning do not count.
_PICTURES, _FIRST = 300, 20


class Looking(Protocol):
    """What is asked of a subject here."""

    def begin(self, focal: float) -> None: ...
    def look(self, frame: VideoFrame) -> Sight: ...


def costs_ms(subjects: Sequence[Looking], material: VideoMaterial) -> list[NDArray[np.float64]]:
    """Processor time for each of some pictures, ms, of each subject: all look at one after the other.

    Of the longest clip, and once its face is known; empty where there is no clip.
    """
    scenes = material.scenes.get(CLIPS, [])
    if not scenes:
        return [np.zeros(0) for _ in subjects]
    scene = max(scenes, key=lambda scene: scene.count)
    taken_ms: list[list[float]] = [[] for _ in subjects]
    for subject in subjects:
        subject.begin(scene.focal)
    for number, frame in enumerate(scene.frames()):
        if number == _PICTURES:
            break
        for subject, costs in zip(subjects, taken_ms, strict=True):
            began = time.process_time()
            subject.look(frame)
            costs.append(1e3 * (time.process_time() - began))
    return [np.array(costs[_FIRST:]) for costs in taken_ms]
