"""The audio encoder: a chunk of sound in, the motion that it tells of out. Knows nothing about devices or threads."""

from __future__ import annotations

import numpy as np

from driver.errors import ModelError
from driver.runtime import OnnxModel, State
from driver.types import HOP_SAMPLES, AudioChunk, Motion
from protocol.frame import OPEN_HEAD_ID, REGIONS

DEFAULT_AUDIO_MODEL = "envelope.onnx"

_RESULTS = ("expression", "jaw", "speech", "laughter", "valence", "arousal", "confidence")
_MOUTH = REGIONS.index("mouth")


class AudioEncoder:
    """Stage: `AudioChunk` -> `Motion`, one a hop. Sound says something about the mouth only; the rest has confidence 0.

    A jump in `first_sample` means that sound was lost: the model starts anew, and `gaps` counts it.
    `capture_ns` of the motion is the end of its chunk less the model's look-ahead.
    Raises ModelError when the model does not take 20 ms hops, does not give a motion, or speaks of another head.
    """

    def __init__(self, model: OnnxModel, head: str = OPEN_HEAD_ID) -> None:
        said = model.metadata
        missing = [name for name in _RESULTS if name not in model.result_names]
        if missing:
            raise ModelError(
                f"{model.path} gives no {', '.join(missing)}; use an audio model written by training.export"
            )
        if said.hop_size != HOP_SAMPLES:
            raise ModelError(
                f"{model.path} takes hops of {said.hop_size} samples; an audio model must take {HOP_SAMPLES}"
            )
        if said.head != head:
            raise ModelError(
                f"{model.path} moves the head {said.head!r}, but the head in use is {head!r}; "
                f"use a model for {head!r} or the head {said.head!r}"
            )
        self.gaps = 0
        self._model = model
        self._lookahead_ns = round(said.lookahead_s * 1e9)
        self._state: State = model.initial_state()
        self._next_sample: int | None = None
        model.warm_up()

    def process(self, item: AudioChunk, /) -> Motion:
        """The motion at the end of `item`, less the look-ahead."""
        if item.first_sample != self._next_sample:
            self.gaps += self._next_sample is not None
            self._state = self._model.initial_state()
        self._next_sample = item.first_sample + len(item.samples)
        results, self._state = self._model.step(item.samples[np.newaxis], self._state)
        newest = {name: array[0, -1] for name, array in results.items()}
        confidence = np.zeros(len(REGIONS), np.float32)
        confidence[_MOUTH] = newest["confidence"]
        return Motion(
            capture_ns=item.capture_ns - self._lookahead_ns,
            expression=newest["expression"],
            jaw=newest["jaw"],
            laughter=float(newest["laughter"]),
            speech=float(newest["speech"]),
            valence=float(newest["valence"]),
            arousal=float(newest["arousal"]),
            confidence=confidence,
        )

    def close(self) -> None:
        """Nothing to let go of."""
