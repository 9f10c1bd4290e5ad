"""What a picture costs each subject: side by side, for a cost is told by comparison on one machine at one time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from driver.types import VideoFrame
from training.evaluate.video_material import CLIPS, VideoMaterial
from training.evaluate.video_subjects import Sight

# Of a clip; the first turn does not count.
_PICTURES = 320
# Pictures in a row of one subject, as it runs by itself, and how many of them until the processor's caches are its own.
_TURN, _WARM = 20, 2


class Looking(Protocol):
    """What is asked of a subject here."""

    def begin(self, focal: float) -> None: ...
    def look(self, frame: VideoFrame) -> Sight: ...


def costs_ms(subjects: Sequence[Looking], material: VideoMaterial) -> list[NDArray[np.float64]]:
    """Processor time for each of some pictures, ms, of each subject: all take turns.

    Of the longest clip, and once its face is known; empty where there is no clip.
    """
    scenes = material.scenes.get(CLIPS, [])
    if not scenes:
        return [np.zeros(0) for _ in subjects]
    scene = max(scenes, key=lambda scene: scene.count)
    taken_ms: list[list[float]] = [[] for _ in subjects]
    for subject in subjects:
        subject.begin(scene.focal)
    frames = islice(scene.frames(), _PICTURES)
    while turn := list(islice(frames, _TURN)):
        for subject, costs in zip(subjects, taken_ms, strict=True):
            for number, frame in enumerate(turn):
                began = time.process_time()
                subject.look(frame)
                if number >= _WARM:
                    costs.append(1e3 * (time.process_time() - began))
    return [np.array(costs[_TURN - _WARM :]) for costs in taken_ms]
