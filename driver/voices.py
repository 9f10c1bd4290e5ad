"""Many voices on one model: a batch whose rows are independent streams, for servers of many avatars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from driver.encode import check_audio_model, motion_of, moves_upper_face
from driver.knobs import Dials, Knobs
from driver.runtime import OnnxModel, State
from driver.types import HOP_SAMPLES, Motion
from protocol.frame import OPEN_HEAD_ID, Floats


class VoiceBatch:
    """At most `capacity` streams, one hop of any of them a step. Rows start and stop by themselves; only those that
    run, and of those only the ones that are asked for, are computed.

    Raises ModelError as `AudioEncoder` does.
    """

    def __init__(self, model: OnnxModel, capacity: int, head: str = OPEN_HEAD_ID) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; it must be at least 1")
        check_audio_model(model, head)
        self.capacity = capacity
        self._model = model
        self._dials: dict[int, Dials] = {}
        # The state of each row that runs is either in the batch of the last step or, taken out of it, by itself:
        # as long as the same rows go on together, nothing is copied.
        self._batch: list[int] = []
        self._state: State = model.initial_state(0)
        self._apart: dict[int, State] = {}

    @property
    def running(self) -> list[int]:
        """The rows that run."""
        return sorted(self._dials)

    def start(self, row: int, knobs: Knobs | None = None) -> None:
        """A new stream in `row`, that has heard nothing. No other row notices."""
        self._check(row, is_running=False)
        dials = Dials(self._model, Knobs() if knobs is None else knobs)
        self._dials[row] = dials
        self._apart[row] = self._fresh(dials)

    def restart(self, row: int) -> None:
        """The stream in `row` has heard nothing any more; its knobs stay."""
        self._check(row, is_running=True)
        self._take_apart()
        self._apart[row] = self._fresh(self._dials[row])

    def stop(self, row: int) -> None:
        """The stream in `row` is over."""
        self._check(row, is_running=True)
        self._take_apart()
        del self._dials[row], self._apart[row]

    def set_knobs(self, row: int, knobs: Knobs) -> None:
        """Turn the knobs of one stream, from any thread."""
        self._check(row, is_running=True)
        self._dials[row].turn(knobs)

    def step(self, samples: Floats, end_ns: int = 0) -> list[Motion | None]:
        """The motion of every row after one hop of all that run; None for those that do not run.

        samples   float32 [capacity, 320] in -1..1; what stands in rows that do not run is ignored
        end_ns    time of the end of the hop; a motion's `capture_ns` is that less its row's look-ahead
        """
        if samples.shape != (self.capacity, HOP_SAMPLES):
            raise ValueError(f"samples is {samples.shape}; it must be {(self.capacity, HOP_SAMPLES)}")
        motions: list[Motion | None] = [None] * self.capacity
        rows = list(self._dials)
        for row, motion in zip(rows, self.step_rows(rows, samples[rows], [end_ns] * len(rows)), strict=True):
            motions[row] = motion
        return motions

    def step_rows(self, rows: Sequence[int], samples: Floats, ends_ns: Sequence[int]) -> list[Motion]:
        """The motions of `rows` after one hop of each; no other row hears anything.

        samples   float32 [len(rows), 320] in -1..1
        ends_ns   time of the end of each row's hop
        """
        if samples.shape != (len(rows), HOP_SAMPLES) or len(ends_ns) != len(rows):
            raise ValueError(
                f"there are {len(rows)} rows, samples {samples.shape} and {len(ends_ns)} times; "
                f"each row needs {HOP_SAMPLES} samples and a time"
            )
        for row in rows:
            self._check(row, is_running=True)
        if not rows:
            return []
        self._bring_together(list(rows))
        self._turn()
        results, self._state = self._model.step(samples, self._state)
        has_upper_face = moves_upper_face(self._model)
        return [
            motion_of({name: array[at, -1] for name, array in results.items()}, end_ns, lookahead_ns, has_upper_face)
            for at, (end_ns, lookahead_ns) in enumerate(
                zip(ends_ns, (self._dials[row].lookahead_ns for row in rows), strict=True)
            )
        ]

    def _fresh(self, dials: Dials) -> State:
        return self._model.initial_state() | {name: value[np.newaxis] for name, value in dials.next_hop().items()}

    def _bring_together(self, rows: list[int]) -> None:
        if rows == self._batch:
            return
        if len(set(rows)) < len(rows):
            raise ValueError(f"rows is {rows}; each may hear one hop a step")
        self._take_apart()
        states = [self._apart.pop(row) for row in rows]
        self._state = {name: np.concatenate([state[name] for state in states]) for name in states[0]}
        self._batch = rows

    def _take_apart(self) -> None:
        for at, row in enumerate(self._batch):
            self._apart[row] = {name: array[at : at + 1].copy() for name, array in self._state.items()}
        self._batch = []

    def _turn(self) -> None:
        for at, row in enumerate(self._batch):
            dials = self._dials[row]
            if not dials.is_settled:
                for name, value in dials.next_hop().items():
                    self._state[name][at] = value

    def _check(self, row: int, *, is_running: bool) -> None:
        if not 0 <= row < self.capacity:
            raise ValueError(f"row is {row}; it must be 0..{self.capacity - 1}")
        if (row in self._dials) != is_running:
            raise ValueError(f"row {row} {'does not run' if is_running else 'runs already'}")
