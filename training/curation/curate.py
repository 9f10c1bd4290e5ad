"""The curation from videos to shards: lists, hands to an engine, notes what ends, tries again, writes the manifest.

The output folder:
    journal.jsonl    what is finished (`training.curation.journal`)
    parts/           the clips of each source, a shard each; needed to add videos later
    manifest.jsonl   a line a piece, kept or turned down, sorted by key
    shards/          the clips that are kept, in key order, with their index (`training.curation.shards`)

All but the order of the journal depends on the videos and the settings alone, whatever the engine, how often it was
cut off, and which of its workers died.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from driver.errors import RunError
from training.curation.item import Item
from training.curation.journal import Journal, Outcome
from training.curation.shards import INDEX, ShardError, check_shard, pack, read_index, read_shard
from training.curation.sources import files_of, without_copies
from training.curation.work import CRASHED, Job, crashed

MANIFEST = "manifest.jsonl"
SHARDS = "shards"
# A worker may die of what it reads, or of what happens to its machine: only what kills it every time is to blame.
ATTEMPTS = 3


class Engine(Protocol):
    """Who runs the stages."""

    def run(self, items: Sequence[Item], job: Job) -> Iterator[Outcome]:
        """What becomes of the sources, in any order; those whose worker died are left out."""
        ...


@dataclass(frozen=True)
class Curated:
    """What came of a run: sources in all and done just now, clips kept, pieces turned down, seconds of video seen."""

    sources: int
    done_now: int
    kept: int
    rejected: int
    video_s: float
    processor_s: dict[str, float]


def curate(
    places: Sequence[Path], job: Job, engine: Engine, size_mb: float = 256.0, retry_crashed: bool = False
) -> Curated:
    """Curate the videos of `places` into `job.out` (see above), doing only what is not done yet.

    Raises RecipeError for settings or places that cannot be, RunError where the folder cannot be written; what is
    finished stays, and the same call goes on from there.
    """
    with Journal(job.out, job.digest) as journal:
        if journal.damaged:
            print(f"{journal.damaged} lines of {job.out}'s journal are damaged; their sources are done again")
        items = _listed(places, journal)
        wanted = {item.content: item for item in items if not item.is_rejected}
        if retry_crashed:
            for content in wanted.keys() & journal.outcomes.keys():
                if _has_crashed(journal.outcomes[content]):
                    journal.forget(content)
        done_now = 0
        if not _is_whole(wanted, items, journal, job):
            _forget_damaged(wanted, journal, job)
            done_now = len(wanted.keys() - journal.outcomes.keys())
            _run(wanted, journal, job, engine)
            _write(wanted, items, journal, job, size_mb)
        return _summary(items, wanted, journal, done_now)


def _listed(places: Sequence[Path], journal: Journal) -> list[Item]:
    """Every file as an item. Only files that are new or changed are read to know their content."""
    files = list(files_of(places))

    def item_of(path: Path) -> Item:
        known, now = journal.contents.get(str(path)), _size_and_change(path)
        if known and known[:2] == now:
            return Item(str(path), known[2])
        return Item.of_file(path)

    with ThreadPoolExecutor() as pool:  # hashing lets other threads run
        found = dict(zip(files, pool.map(item_of, files), strict=True))
    changed: dict[str, tuple[int, int, str]] = {}
    for path, item in found.items():
        now = _size_and_change(path)
        # One that cannot be read is known by its name only, and looked at again the next time.
        if now and os.access(path, os.R_OK) and journal.contents.get(str(path)) != (*now, item.content):
            changed[str(path)] = (*now, item.content)
    journal.add_contents(changed)
    return list(without_copies(found.values()))


def _size_and_change(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _run(wanted: dict[str, Item], journal: Journal, job: Job, engine: Engine) -> None:
    """Have every source finished and noted."""
    with _progress() as progress:
        done = sum(content in journal.outcomes for content in wanted)
        bar = progress.add_task("sources", total=len(wanted), completed=done, kept=0)
        kept = 0
        for _ in range(ATTEMPTS):
            missing = [item for content, item in wanted.items() if content not in journal.outcomes]
            if not missing:
                return
            for outcome in engine.run(missing, job):
                journal.add(outcome)
                kept += outcome.part.samples if outcome.part else 0
                progress.update(bar, advance=1, kept=kept)
        for content, item in wanted.items():
            if content not in journal.outcomes:
                journal.add(crashed(item, job, ATTEMPTS))
                progress.update(bar, advance=1)


def _is_whole(wanted: dict[str, Item], items: Sequence[Item], journal: Journal, job: Job) -> bool:
    """Whether all is done and packed, and nothing was damaged since."""
    if wanted.keys() - journal.outcomes.keys():
        return False
    manifest = _manifest(wanted, items, journal)
    path, shards = job.out / MANIFEST, job.out / SHARDS
    if not path.is_file() or path.read_bytes() != manifest or not (shards / INDEX).is_file():
        return False
    try:
        index = read_index(shards)
        for shard in index.shards:
            check_shard(shards, shard)
    except ShardError as error:
        print(error)
        return False
    return index.manifest_sha256 == hashlib.sha256(manifest).hexdigest()


def _forget_damaged(wanted: dict[str, Item], journal: Journal, job: Job) -> None:
    """Have those sources done again whose clips are not what was written."""
    for content in wanted.keys() & journal.outcomes.keys():
        part = journal.outcomes[content].part
        try:
            if part:
                check_shard(job.part_path(content).parent, part)
        except ShardError as error:
            print(error)
            journal.forget(content)


def _write(wanted: dict[str, Item], items: Sequence[Item], journal: Journal, job: Job, size_mb: float) -> None:
    """The manifest and the shards."""
    manifest = _manifest(wanted, items, journal)
    try:
        half = job.out / f"{MANIFEST}.part"
        half.write_bytes(manifest)
        os.replace(half, job.out / MANIFEST)
        pack(job.out / SHARDS, _clips(wanted, journal, job), size_mb, hashlib.sha256(manifest).hexdigest())
    except OSError as error:
        raise RunError(
            f"{job.out} cannot be written: {error.strerror or error}; make room and run the same command again, "
            "all sources are finished and only the packing is left"
        ) from error


def _manifest(wanted: dict[str, Item], items: Iterable[Item], journal: Journal) -> bytes:
    """A line of JSON for each piece and for each copy, by key and then by name of the file."""
    lines = [item.to_line() for item in items if item.is_rejected]
    for content, item in wanted.items():
        # By the name that the file has today.
        lines += [line | {"source": item.source} for line in journal.outcomes[content].lines]
    lines.sort(key=lambda line: (line["key"], line["source"], line.get("subset", "")))
    return "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines).encode()


def _clips(wanted: dict[str, Item], journal: Journal, job: Job) -> Iterator[Item]:
    for content in sorted(wanted):
        if journal.outcomes[content].part:
            for clip in read_shard(job.part_path(content)):
                yield replace(clip, source=wanted[content].source)


def _summary(items: Sequence[Item], wanted: dict[str, Item], journal: Journal, done_now: int) -> Curated:
    processor_s: dict[str, float] = {}
    lines: list[dict[str, Any]] = []
    for content in wanted:
        outcome = journal.outcomes[content]
        lines += outcome.lines
        for stage, seconds in outcome.processor_s.items():
            processor_s[stage] = processor_s.get(stage, 0.0) + seconds
    kept = sum(not line.get("rejected_by") for line in lines)
    return Curated(
        sources=len(items),
        done_now=done_now,
        kept=kept,
        rejected=len(lines) - kept + len(items) - len(wanted),
        video_s=sum(journal.outcomes[content].video_s for content in wanted),
        processor_s=processor_s,
    )


def _has_crashed(outcome: Outcome) -> bool:
    return any(line.get("rejected_by") == CRASHED for line in outcome.lines)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("{task.fields[kept]} clips kept"), disable=not os.isatty(2))
