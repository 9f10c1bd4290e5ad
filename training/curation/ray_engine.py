"""The same stages as one graph of Ray Data: on this machine, or on a cluster that is already there.

A row is a source, and the row that a stage makes is that source again, with its pieces: what a worker's death costs is
known by name, and is done again. Ray Data keeps as many rows under way as there are processors, GPUs and memory for;
stages that ask for the same are run as one task, without a copy between them.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from driver.errors import RunError
from training.curation.item import Item
from training.curation.journal import Outcome
from training.curation.stage import Stage
from training.curation.work import Failure, Job, Work, finish, through
from training.recipe import RecipeError

_REMEDY = "install it with `pip install 'avatar-driver[scale]'`, or take --engine process"
# More blocks than this are a burden to the process that plans them. A second attempt has a block for each source.
_MOST_BLOCKS = 10_000
_STORE_BYTES = 512 * 2**20
# Ray gives itself 30 s to start, which is too short on a busy machine; the next time its files are in memory.
_STARTS = 3


class RayEngine:
    """Ray with `workers` processors on this machine, or the cluster at `address`. RecipeError without Ray.

    store_bytes   of memory for what lies between stages, on this machine; a cluster has its own
    """

    def __init__(self, workers: int = 2, address: str = "", store_bytes: int = _STORE_BYTES) -> None:
        # Ray would tell its makers how it is used.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            self._ray: Any = importlib.import_module("ray")
            self._data: Any = importlib.import_module("ray.data")
        except ImportError as error:
            raise RecipeError(f"Ray Data is not installed ({error}); {_REMEDY}") from error
        self.workers, self.address, self.store_bytes = workers, address, store_bytes
        self._attempts = 0

    def run(self, items: Sequence[Item], job: Job) -> Iterator[Outcome]:
        """What becomes of the sources, as they end; one whose worker dies is left out. RunError for a failure."""
        self._start(job)
        self._attempts += 1
        blocks = len(items) if self._attempts > 1 else min(len(items), _MOST_BLOCKS)
        rows = [{"work": Work((item,)).to_bytes(), "failure": ""} for item in items]
        graph = self._data.from_items(rows, override_num_blocks=blocks)
        with warnings.catch_warnings():  # of an option that Ray 2.64 will not have; pyproject.toml says what we need
            warnings.simplefilter("ignore")
            for stage in job.stages:
                graph = graph.map(_Through(stage, job), **_needs(stage))
            graph = graph.map(_Finish(job), **_needs(job.stages[-1]))
        for row in graph.iter_rows():
            if row["failure"]:
                raise RunError(row["failure"])
            yield Outcome.from_table(json.loads(row["outcome"]))

    def close(self) -> None:
        """Leave Ray; what was started on this machine ends."""
        if self._ray.is_initialized():
            self._ray.shutdown()

    def _start(self, job: Job) -> None:
        if self._ray.is_initialized():
            return
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address:
            try:
                self._ray.init(address=self.address, **quiet)
            except Exception as error:
                raise RunError(f"there is no Ray cluster at {self.address} ({_first_line(error)})") from error
        else:
            here = {"num_cpus": self.workers, "object_store_memory": self.store_bytes, "include_dashboard": False}
            self._start_here(here | quiet)
        context = self._data.DataContext.get_current()
        context.max_errored_blocks = -1  # a dead worker's source is missing at the end, and done again
        context.enable_progress_bars = False  # ours counts sources
        for name in ("ray.data", "ray"):  # a worker's death is told in the manifest, not as a traceback
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._ray.get(self._ray.remote(max_retries=0)(_is_ready).remote(job))
        except self._ray.exceptions.RayError as error:
            self.close()
            raise RunError(
                f"Ray's workers cannot run the curation ({str(error).strip().splitlines()[-1]}); "
                "install the same version of this package on every machine of the cluster"
            ) from error

    def _start_here(self, options: dict[str, Any]) -> None:
        for attempt in range(_STARTS):
            try:
                self._ray.init(address="local", **options)
                return
            except Exception as error:
                self.close()
                if attempt + 1 == _STARTS:
                    raise RunError(f"Ray does not start on this machine ({_first_line(error)}); try again") from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]


def _is_ready(job: Job) -> bool:
    """What a worker must be able to do before a file may be blamed for anything."""
    return bool(job.stages)


def _needs(stage: Stage) -> dict[str, Any]:
    """What a task of the stage occupies. Never tried again by Ray, which would do so without an end."""
    gpus = {"num_gpus": stage.gpus} if stage.gpus else {}
    return {"num_cpus": stage.cpus, "max_retries": 0, **gpus}


class _Through:
    """A stage as Ray Data maps it over rows. A failure passes all that come after it."""

    def __init__(self, stage: Stage, job: Job) -> None:
        self.stage, self.job = stage, job

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["failure"]:
            return row
        work = through(self.stage, Work.from_bytes(row["work"]), self.job)
        if isinstance(work, Failure):
            return {"work": b"", "failure": work.sentence}
        return {"work": work.to_bytes(), "failure": ""}


class _Finish:
    """The end of the graph: rows that tell what became of each source, small enough for the process that asked."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["failure"]:
            return {"outcome": "", "failure": row["failure"]}
        outcome = finish(Work.from_bytes(row["work"]), self.job)
        if isinstance(outcome, Failure):
            return {"outcome": "", "failure": outcome.sentence}
        return {"outcome": json.dumps(asdict(outcome)), "failure": ""}
