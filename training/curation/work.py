"""One source on its way through the stages: what a worker does, whichever engine it belongs to.

A worker never raises for a file: what breaks a stage is turned down by it, in a sentence. What stops everything, a
full disk or a wrong setting, comes back as a `Failure`.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import msgpack

import models
from driver.errors import AvatarDriverError
from training.curation.item import Item
from training.curation.journal import JOURNAL, Outcome
from training.curation.settings import CurationSettings
from training.curation.shards import write_shard
from training.curation.stage import Stage
from training.recipe import RecipeError

PARTS = "parts"
UNDERWAY = "underway"
CRASHED = "crashed"
WEIGHTS = Path(models.__file__ or "").with_name("weights")


@dataclass(frozen=True)
class Failure:
    """Why nothing can go on, in a sentence."""

    sentence: str


@dataclass(frozen=True)
class Job:
    """What every worker is told: stages, settings, where things go, and how long a stage may take for a piece, seconds.

    On a cluster `out` is a folder that all machines share.
    """

    out: Path
    settings: CurationSettings
    stages: tuple[Stage, ...]
    limit_s: float = 1800.0

    @property
    def digest(self) -> str:
        """Changes with the settings and with the shipped networks: what others saw and heard does not mix."""
        sums = WEIGHTS.joinpath("SHA256SUMS").read_bytes()
        return hashlib.sha256(self.settings.digest.encode() + sums).hexdigest()[:16]

    def part_path(self, content: str) -> Path:
        """Where the clips of a source go. By the first digits, so that no folder has a million files."""
        return self.out / PARTS / content[:2] / f"{content}.tar"

    def trail_path(self, content: str) -> Path:
        """Where the name of the stage is written that a source is in, for the case that it is the last one."""
        return self.out / UNDERWAY / content


@dataclass(frozen=True)
class Work:
    """The pieces of one source between two stages, and the processor time that each stage took."""

    pieces: tuple[Item, ...]
    processor_s: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def content(self) -> str:
        return self.pieces[0].content

    def to_bytes(self) -> bytes:
        """The work as msgpack: numbers, strings and arrays, no code."""
        return cast(bytes, msgpack.packb([[piece.to_record() for piece in self.pieces], self.processor_s]))

    @classmethod
    def from_bytes(cls, data: bytes) -> Work:
        """The inverse of `to_bytes`."""
        records, processor_s = msgpack.unpackb(data)
        return cls(tuple(Item.from_record(record) for record in records), processor_s)


def through(stage: Stage, work: Work, job: Job) -> Work | Failure:
    """The work after `stage`. A piece on which the stage raises is turned down; the others go on."""
    began_s = time.process_time()
    made: list[Item] = []
    try:
        if not all(piece.is_rejected for piece in work.pieces):
            _leave_trail(job, work.content, stage.name)
        for piece in work.pieces:
            if piece.is_rejected:
                made.append(piece)
                continue
            with _time_limit(job.limit_s):
                made += _pieces_of(stage, piece, job.settings)
    except (RecipeError, AvatarDriverError) as error:
        return Failure(str(error))
    except _TrailError as error:
        return _cannot_write(job.out, error.reason)
    if not made:  # a source whose pieces all vanished has an end, too
        made = [work.pieces[0].reject(stage.name, "nothing of it was left")]
    spent_s = time.process_time() - began_s
    return Work(tuple(made), work.processor_s | {stage.name: work.processor_s.get(stage.name, 0.0) + spent_s})


def finish(work: Work, job: Job) -> Outcome | Failure:
    """The clips of a source as a shard of its own, and what is to be noted about it."""
    kept = sorted((piece for piece in work.pieces if not piece.is_rejected), key=lambda piece: piece.key)
    try:
        part = write_shard(job.part_path(work.content), kept) if kept else None
        job.trail_path(work.content).unlink(missing_ok=True)
    except OSError as error:
        return _cannot_write(job.out, error)
    lines = tuple(piece.to_line() for piece in work.pieces)
    video_s = max(piece.end_s for piece in work.pieces)
    return Outcome(work.content, work.pieces[0].source, lines, part, work.processor_s, video_s)


def curate_source(item: Item, job: Job) -> Outcome | Failure:
    """All stages, one after the other, in this process."""
    work: Work | Failure = Work((item,))
    for stage in job.stages:
        work = through(stage, work, job)
        if isinstance(work, Failure):
            return work
    return finish(work, job)


def crashed(item: Item, job: Job, attempts: int) -> Outcome:
    """What is noted about a source whose worker never came back."""
    trail = job.trail_path(item.content)
    stage = trail.read_text(encoding="utf-8") if trail.is_file() else ""
    where = f" in the stage {stage!r}" if stage else ""
    reason = f"its process died{where} in each of {attempts} attempts: a fault of a library, or too little memory"
    trail.unlink(missing_ok=True)
    return Outcome(item.content, item.source, (item.reject(CRASHED, reason).to_line(),))


class _TrailError(Exception):
    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _pieces_of(stage: Stage, piece: Item, settings: CurationSettings) -> list[Item]:
    try:
        return list(stage(piece, settings))
    except (RecipeError, AvatarDriverError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a file does to a library, the others go on
        return [piece.reject(stage.name, f"{type(error).__name__}: {error}")]


def _leave_trail(job: Job, content: str, stage: str) -> None:
    # The journal is there before any worker: where it is not, this is another machine's folder of the same name.
    if not (job.out / JOURNAL).exists():
        machine = os.uname().nodename if hasattr(os, "uname") else "this machine"
        raise AvatarDriverError(f"{job.out} is not seen from {machine}; --out must be a folder that all machines share")
    trail = job.trail_path(content)
    try:
        trail.parent.mkdir(parents=True, exist_ok=True)
        trail.write_text(stage, encoding="utf-8")
    except OSError as error:
        raise _TrailError(error) from error


def _cannot_write(out: Path, error: OSError) -> Failure:
    return Failure(
        f"{out} cannot be written: {error.strerror or error}; make room and run the same command again, "
        "it goes on from what is finished"
    )


@contextmanager
def _time_limit(limit_s: float) -> Iterator[None]:
    """End this process, as a crash would, when what is within takes longer: C code that hangs heeds no exception."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
