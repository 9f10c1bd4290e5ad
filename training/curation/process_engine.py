"""Sources in processes of this machine: what one of them does to its process costs that file only."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait

from driver.errors import RunError
from training.curation.item import Item
from training.curation.journal import Outcome
from training.curation.work import Failure, Job, Work, curate_source


class ProcessEngine:
    """`workers` processes, each with one source at a time; one that dies is replaced."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers

    def run(self, items: Sequence[Item], job: Job) -> Iterator[Outcome]:
        """What becomes of the sources, as they end; one whose process dies is left out. RunError for a failure."""
        waiting, idle = deque(items), [_Child(job) for _ in range(min(self.workers, len(items)))]
        busy: dict[Connection, _Child] = {}
        try:
            while waiting or busy:
                while waiting and idle:
                    child = idle.pop()
                    child.begin(waiting.popleft())
                    busy[child.connection] = child
                for connection in wait(list(busy)):
                    assert isinstance(connection, Connection)
                    child = busy.pop(connection)
                    try:
                        answer = child.answer()
                    except (EOFError, ConnectionError):
                        child.end()
                        if waiting:
                            idle.append(_Child(job))
                        continue
                    idle.append(child)
                    if isinstance(answer, Failure):
                        raise RunError(answer.sentence)
                    yield answer
        finally:
            for child in [*idle, *busy.values()]:
                child.end()


class _Child:
    """One process and our end of the pipe to it."""

    def __init__(self, job: Job) -> None:
        # Processes that each take all cores hinder one another, and sums in another order are other numbers.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        context = multiprocessing.get_context("spawn")  # a fork would take along threads and open models
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, job), daemon=True)
        self._process.start()
        theirs.close()
        self._is_ready = False

    def begin(self, item: Item) -> None:
        """Give it a source. RunError when it did not even start: that is no file's fault."""
        if not self._is_ready:
            try:
                self._is_ready = self.connection.recv()
            except (EOFError, ConnectionError) as error:
                self._process.join()
                raise RunError(f"a worker process does not start (exit code {self._process.exitcode})") from error
        # A child that is already dead is found so when it does not answer.
        with contextlib.suppress(ConnectionError):
            self.connection.send_bytes(Work((item,)).to_bytes())

    def answer(self) -> Outcome | Failure:
        return self.connection.recv()

    def end(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.join()


def _serve(connection: Connection, job: Job) -> None:
    """A child's life: sources in, outcomes out, until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    with contextlib.suppress(EOFError, ConnectionError):
        connection.send(True)
        while True:
            work = Work.from_bytes(connection.recv_bytes())
            connection.send(curate_source(work.pieces[0], job))
