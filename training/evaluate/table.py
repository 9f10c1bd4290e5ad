"""What the tables of `training.evaluate` share: a line of Markdown, the table on the screen, the page in its file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

NOT_KNOWN = "n/a"


def number(value: float | None, digits: int) -> str:
    """A measure as text; n/a for None and NaN."""
    return NOT_KNOWN if value is None or math.isnan(value) else f"{value:.{digits}f}"


def line(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def table(names: Sequence[str], titles: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table: measures, by their titles, down, subjects across."""
    return [
        line(["measure", *names]),
        line(["---", *["---:"] * len(names)]),
        *(line([title, *values]) for title, values in zip(titles, cells, strict=True)),
    ]


def deliver(
    names: Sequence[str],
    titles: Sequence[str],
    cells: Sequence[Sequence[str]],
    notes: Sequence[str],
    page: str,
    out: Path,
) -> None:
    """Print the same table and the notes, and write the page."""
    shown = Table("measure", *names)
    for title, values in zip(titles, cells, strict=True):
        shown.add_row(title, *values)
    Console().print(shown)
    for note in notes:
        print(note)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    print(f"written to {out}")
