"""Which videos there are: folders, files and lists of them, as items; the same bytes are taken once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from training.curation.item import Item
from training.recipe import RecipeError

VIDEO_SUFFIXES = frozenset({".mp4", ".mkv", ".mov", ".avi", ".webm", ".mpg", ".mpeg", ".m4v", ".ts", ".flv", ".wmv"})
_LIST_SUFFIX = ".txt"


def files_of(places: Iterable[Path]) -> Iterator[Path]:
    """The videos in folders (by suffix, at any depth, sorted), in lists (.txt, a path a line), and files themselves.

    RecipeError for a place that does not exist.
    """
    for place in places:
        if place.is_dir():
            yield from sorted(path for path in place.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
        elif place.suffix.lower() == _LIST_SUFFIX and place.is_file():
            lines = (line.strip() for line in place.read_text(encoding="utf-8").splitlines())
            # A path is meant from where its list lies.
            yield from (place.parent / line for line in lines if line and not line.startswith("#"))
        elif place.is_file():
            yield place
        else:
            raise RecipeError(f"{place} is no folder, video or list (.txt) of videos; check the path")


def sources(places: Iterable[Path]) -> Iterator[Item]:
    """Each file as an item; one whose bytes came before is turned down as a copy."""
    return without_copies(map(Item.of_file, files_of(places)))


def without_copies(files: Iterable[Item]) -> Iterator[Item]:
    """Whole files, each once: a path that came before is left out, other bytes' copy is turned down."""
    first: dict[str, str] = {}
    seen: set[Path] = set()
    for item in files:
        path = Path(item.source).resolve()
        if path in seen:
            continue
        seen.add(path)
        if item.content in first:
            yield item.reject("sources", f"the same file as {first[item.content]}")
        else:
            first[item.content] = item.source
            yield item
