"""Many voices on one model: a batch whose rows are independent streams, for servers of many avatars."""

from __future__ import annotations

import numpy as np

from driver.encode import check_audio_model, motion_of, moves_upper_face
from driver.knobs import Dials, Knobs
from driver.runtime import OnnxModel, State
from driver.types import HOP_SAMPLES, Motion
from protocol.frame import OPEN_HEAD_ID, Floats


class VoiceBatch:
    """At most `capacity` streams, one hop of all of them a step. Rows start and stop by themselves; only those that
    run are computed.

    Raises ModelError as `AudioEncoder` does.
    """

    def __init__(self, model: OnnxModel, capacity: int, head: str = OPEN_HEAD_ID) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; it must be at least 1")
        check_audio_model(model, head)
        self.capacity = capacity
        self._model = model
        self._dials: dict[int, Dials] = {}  # row -> its knobs, in the order of the state's batch axis
        self._state: State = model.initial_state(0)

    @property
    def running(self) -> list[int]:
        """The rows that run."""
        return sorted(self._dials)

    def start(self, row: int, knobs: Knobs | None = None) -> None:
        """A new stream in `row`, that has heard nothing. No other row notices."""
        self._check(row, is_running=False)
        dials = Dials(self._model, Knobs() if knobs is None else knobs)
        fresh = self._model.initial_state() | {name: value[np.newaxis] for name, value in dials.next_hop().items()}
        self._state = {name: np.concatenate([array, fresh[name]]) for name, array in self._state.items()}
        self._dials[row] = dials

    def stop(self, row: int) -> None:
        """The stream in `row` is over."""
        self._check(row, is_running=True)
        at = list(self._dials).index(row)
        self._state = {name: np.delete(array, at, axis=0) for name, array in self._state.items()}
        del self._dials[row]

    def set_knobs(self, row: int, knobs: Knobs) -> None:
        """Turn the knobs of one stream, from any thread."""
        self._check(row, is_running=True)
        self._dials[row].turn(knobs)

    def step(self, samples: Floats, end_ns: int = 0) -> list[Motion | None]:
        """The motion of every row after one hop; None for those that do not run.

        samples   float32 [capacity, 320] in -1..1; what stands in rows that do not run is ignored
        end_ns    time of the end of the hop; a motion's `capture_ns` is that less its row's look-ahead
        """
        if samples.shape != (self.capacity, HOP_SAMPLES):
            raise ValueError(f"samples is {samples.shape}; it must be {(self.capacity, HOP_SAMPLES)}")
        motions: list[Motion | None] = [None] * self.capacity
        if not self._dials:
            return motions
        self._turn()
        results, self._state = self._model.step(samples[list(self._dials)], self._state)
        has_upper_face = moves_upper_face(self._model)
        for at, (row, dials) in enumerate(self._dials.items()):
            newest = {name: array[at, -1] for name, array in results.items()}
            motions[row] = motion_of(newest, end_ns, dials.lookahead_ns, has_upper_face)
        return motions

    def _turn(self) -> None:
        for at, dials in enumerate(self._dials.values()):
            if not dials.is_settled:
                for name, value in dials.next_hop().items():
                    self._state[name][at] = value

    def _check(self, row: int, *, is_running: bool) -> None:
        if not 0 <= row < self.capacity:
            raise ValueError(f"row is {row}; it must be 0..{self.capacity - 1}")
        if (row in self._dials) != is_running:
            raise ValueError(f"row {row} {'does not run' if is_running else 'runs already'}")
