"""The audio encoder: a chunk of sound in, the motions that it tells of out. Knows nothing about devices or threads."""

from __future__ import annotations

import numpy as np

from driver.errors import ModelError
from driver.knobs import Dials, Knobs
from driver.runtime import Array, OnnxModel, State
from driver.types import AUDIO_RATE_HZ, HOP_SAMPLES, AudioChunk, Motion
from protocol.frame import OPEN_HEAD_ID, REGIONS, Floats

_RESULTS = ("expression", "jaw", "speech", "laughter", "valence", "arousal", "confidence")
_MOUTH, _UPPER = REGIONS.index("mouth"), REGIONS.index("upper_face")
_SAMPLE_NS = 1_000_000_000 // AUDIO_RATE_HZ  # 62500, exactly


class AudioEncoder:
    """Stage: `AudioChunk` of any length -> a `Motion` for every hop that it completes, oldest first; often none or one.

    A jump in `first_sample` means that sound was lost: the model starts anew, and `gaps` counts it.
    `capture_ns` of a motion is the end of its hop less the look-ahead. It always increases: when the look-ahead is made
    longer, what was told already is not told again, and nothing comes until something new is known.
    Raises ModelError when the model does not take 20 ms hops, does not give a motion, speaks of another head, or lacks
    a knob that is turned.
    """

    def __init__(self, model: OnnxModel, knobs: Knobs | None = None, head: str = OPEN_HEAD_ID) -> None:
        check_audio_model(model, head)
        self.gaps = 0
        self._model = model
        self._dials = Dials(model, Knobs() if knobs is None else knobs)
        self._state: State = model.initial_state()
        self._pending: Floats = np.zeros(0, np.float32)
        self._next_sample: int | None = None
        self._told_ns: int | None = None
        model.warm_up()

    @property
    def knobs(self) -> Knobs:
        """As they were set last."""
        return self._dials.knobs

    def set_knobs(self, knobs: Knobs) -> None:
        """Turn the knobs, from any thread, while sound is coming in or before.

        Raises ModelError when the model has no such knob or style; then nothing has changed.
        """
        self._dials.turn(knobs)

    def process(self, item: AudioChunk, /) -> list[Motion]:
        """The motions of the hops that `item` completes."""
        if item.first_sample != self._next_sample:
            self.gaps += self._next_sample is not None
            self._state = self._model.initial_state()
            self._pending = self._pending[:0]
        self._next_sample = item.first_sample + len(item.samples)
        sound = np.concatenate([self._pending, item.samples])
        hops = sound[: len(sound) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES)
        self._pending = sound[hops.size :]
        motions: list[Motion] = []
        for number, hop in enumerate(hops, 1):
            motion = self._hear(hop, item.capture_ns - (len(sound) - number * HOP_SAMPLES) * _SAMPLE_NS)
            if self._told_ns is None or motion.capture_ns > self._told_ns:
                self._told_ns = motion.capture_ns
                motions.append(motion)
        return motions

    def _hear(self, hop: Floats, end_ns: int) -> Motion:
        knobs = {name: value[np.newaxis] for name, value in self._dials.next_hop().items()}
        results, self._state = self._model.step(hop[np.newaxis], self._state | knobs)
        newest = {name: array[0, -1] for name, array in results.items()}
        return motion_of(newest, end_ns, self._dials.lookahead_ns, moves_upper_face(self._model))

    def close(self) -> None:
        """Nothing to let go of."""


def check_audio_model(model: OnnxModel, head: str = OPEN_HEAD_ID) -> None:
    """ModelError unless `model` takes hops of 20 ms and gives the motion of `head`."""
    said = model.metadata
    missing = [name for name in _RESULTS if name not in model.result_names]
    if missing:
        raise ModelError(f"{model.path} gives no {', '.join(missing)}; use an audio model written by training.export")
    if said.hop_size != HOP_SAMPLES:
        raise ModelError(f"{model.path} takes hops of {said.hop_size} samples; an audio model must take {HOP_SAMPLES}")
    if said.head != head:
        raise ModelError(
            f"{model.path} moves the head {said.head!r}, but the head in use is {head!r}; "
            f"use a model for {head!r} or the head {said.head!r}"
        )


def moves_upper_face(model: OnnxModel) -> bool:
    """True for a model that has learnt brows and cheeks too; the envelope, which has no knobs, knows only the mouth."""
    return bool(model.knob_shapes)


def motion_of(newest: dict[str, Array], end_ns: int, lookahead_ns: int, has_upper_face: bool) -> Motion:
    """A model's results for one stream and one hop that ends at `end_ns`, each without batch and time axes."""
    confidence = np.zeros(len(REGIONS), np.float32)
    confidence[_MOUTH] = newest["confidence"]
    if has_upper_face:
        confidence[_UPPER] = newest["confidence"]
    return Motion(
        capture_ns=end_ns - lookahead_ns,
        lookahead_ns=lookahead_ns,
        expression=newest["expression"],
        jaw=newest["jaw"],
        laughter=float(newest["laughter"]),
        speech=float(newest["speech"]),
        valence=float(newest["valence"]),
        arousal=float(newest["arousal"]),
        confidence=confidence,
    )
