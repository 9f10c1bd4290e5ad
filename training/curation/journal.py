"""What is finished, in a file that only grows: a run that was cut off goes on from it.

A line a source, each with its own checksum, written after the shard that it speaks of. A last line that was cut short
counts for nothing, and neither does a line that was damaged: their sources are done again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from driver.errors import RunError
from training.curation.shards import Shard
from training.recipe import RecipeError

JOURNAL = "journal.jsonl"
_VERSION = 1
_CHECK_DIGITS = 12


@dataclass(frozen=True)
class Outcome:
    """What became of one source.

    content, source  see Item           lines    of the manifest, one for each piece, kept or turned down
    part             shard of its own with the clips that were kept, in the folder `parts`; None when none was
    processor_s      processor time by stage     video_s  length of what the file holds, 0 where it could not be read
    """

    content: str
    source: str
    lines: tuple[dict[str, Any], ...]
    part: Shard | None = None
    processor_s: dict[str, float] = field(default_factory=dict[str, float])
    video_s: float = 0.0

    def to_json(self) -> str:
        """The outcome as one line of text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> Outcome:
        """The inverse, of the parsed text."""
        part = Shard(**table["part"]) if table["part"] else None
        return cls(**{**table, "lines": tuple(table["lines"]), "part": part})


class Journal:
    """The journal of the folder `out`, as a context manager; one run at a time holds it.

    outcomes  by content           contents  (size in bytes, time of change in ns, content) of each path that was read
    damaged   lines that were not what had been written

    RecipeError when the folder was begun with other settings or networks (another digest), RunError when it cannot be
    written or another run has it.
    """

    def __init__(self, out: Path, digest: str) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.contents: dict[str, tuple[int, int, str]] = {}
        self.damaged = 0
        self._path = out / JOURNAL
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+b", buffering=0)
        except OSError as error:
            raise RunError(f"{out} cannot be written: {error.strerror}; choose another --out") from error
        try:
            _hold(self._file.fileno(), out)
            self._read(digest)
        except BaseException:
            self._file.close()
            raise

    def add(self, outcome: Outcome) -> None:
        """Note a source as finished. RunError when it cannot be written."""
        self._write({"outcome": asdict(outcome)})
        self.outcomes[outcome.content] = outcome

    def add_contents(self, found: Mapping[str, tuple[int, int, str]]) -> None:
        """Note what files hold, as in `contents`, so that they need not be read again to know it. RunError likewise."""
        if found:
            self._write(*({"file": [path, *known]} for path, known in found.items()))
            self.contents |= found

    def forget(self, content: str) -> None:
        """Take a source for unfinished, in this run."""
        self.outcomes.pop(content, None)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _write(self, *entries: dict[str, Any]) -> None:
        texts = [json.dumps(entry, sort_keys=True) for entry in entries]
        rest = "".join(f"{_check(text)} {text}\n" for text in texts).encode()
        try:
            while rest:  # a disk that is nearly full takes a part of it
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise RunError(
                f"{self._path} cannot be written: {error.strerror}; make room and run the same command again, "
                "it goes on from here"
            ) from error

    def _read(self, digest: str) -> None:
        self._file.seek(0)
        data = self._file.readall()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._file.truncate(whole)
        begun = False
        for entry in self._entries(data[:whole]):
            if "settings" in entry:
                begun = True
                if (entry["version"], entry["settings"]) != (_VERSION, digest):
                    raise RecipeError(
                        f"{self._path.parent} was begun with other settings or networks ({entry['settings']}, now "
                        f"{digest}); take those again, or another --out"
                    )
            elif "file" in entry:
                path, size_bytes, changed_ns, content = entry["file"]
                self.contents[path] = (size_bytes, changed_ns, content)
            else:
                outcome = Outcome.from_table(entry["outcome"])
                self.outcomes[outcome.content] = outcome
        if not begun:
            if whole:
                raise RecipeError(f"{self._path} is no journal of a curation, or damaged; choose another --out")
            self._write({"settings": digest, "version": _VERSION})

    def _entries(self, data: bytes) -> Iterator[dict[str, Any]]:
        for line in data.split(b"\n")[:-1]:
            check, _, text = line.partition(b" ")
            if _check(text.decode(errors="replace")) == check.decode(errors="replace"):
                yield json.loads(text)
            else:
                self.damaged += 1


def _check(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_CHECK_DIGITS]


def _hold(number: int, out: Path) -> None:
    """Keep other runs out of the folder for as long as this process lives, where the system can lock files."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RunError(f"another run is at work in {out}; wait for it, or choose another --out") from error
    except OSError:  # some network file systems know no locks
        return
