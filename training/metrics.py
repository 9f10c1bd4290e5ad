"""A run's metrics, in a file that TensorBoard reads."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from training.run_files import writing


class Metrics:
    """Scalars of a run, written at once.

    Not by tensorboardX's own thread: where the disk is full it ends without a word, and the run then waits for it.
    """

    def __init__(self, folder: Path, step: int) -> None:
        """A new file in `folder`; what an earlier one has from after `step` counts no more."""
        from tensorboardX.event_file_writer import EventsWriter  # pyright: ignore[reportMissingTypeStubs]
        from tensorboardX.proto.event_pb2 import Event, SessionLog  # pyright: ignore
        from tensorboardX.summary import scalar  # pyright: ignore[reportMissingTypeStubs]

        self._folder, self._event, self._scalar = folder, Event, scalar
        with writing(folder):
            self._file: Any = EventsWriter(str(folder / "events"))
            self._file.write_event(Event(step=step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, values: dict[str, float], step: int) -> None:
        """Values by their names, of this step. RunError where there is no room for them."""
        with writing(self._folder):
            for name, value in values.items():
                self._file.write_event(self._event(wall_time=time.time(), step=step, summary=self._scalar(name, value)))
            self._file.flush()

    def __enter__(self) -> Metrics:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what found no room before is told already
            self._file.close()
