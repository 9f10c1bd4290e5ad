"""What a person says of the clips, and which are left. DIR/review.jsonl has a line a decision; the last one counts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from driver.errors import RunError
from training.curation.item import Item
from training.curation.shards import read_items

REVIEW = "review.jsonl"
SHARDS = "shards"
ACCEPT, REJECT, UNDECIDED = "accept", "reject", "undecided"
DECISIONS = (ACCEPT, REJECT, UNDECIDED)


def decisions(folder: Path) -> dict[str, str]:
    """Key of a clip -> "accept" or "reject", of those that were decided about. RunError for a file that is none."""
    path, decided = folder / REVIEW, dict[str, str]()
    if not path.is_file():
        return decided
    # A last line without its end was cut off while it was written.
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    for number, line in enumerate(lines, 1):
        try:
            key, decision = json.loads(line)["key"], json.loads(line)["decision"]
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"line {number} of {path} is no decision; mend or delete it") from error
        decided[key] = decision
    return {key: decision for key, decision in decided.items() if decision in (ACCEPT, REJECT)}


def decide(folder: Path, key: str, decision: str) -> None:
    """Note a decision; "undecided" takes one back. ValueError for any other, OSError when it cannot be written."""
    if decision not in DECISIONS:
        raise ValueError(f"the decision is {decision!r}; it must be one of {', '.join(DECISIONS)}")
    path = folder / REVIEW
    path.touch()
    with path.open("r+b") as file:
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)  # a last line that was cut off is no decision
        file.seek(0, os.SEEK_END)
        file.write(json.dumps({"key": key, "decision": decision}).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def selected(folder: Path, only_accepted: bool = False) -> Iterator[Item]:
    """The clips of a curation that the stages kept and nobody rejected; `only_accepted`: that somebody accepted."""
    decided = decisions(folder)
    for item in read_items(folder / SHARDS):
        decision = decided.get(item.key, UNDECIDED)
        if decision == ACCEPT or (decision == UNDECIDED and not only_accepted):
            yield item
