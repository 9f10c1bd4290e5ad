"""Reading tables of TOML strictly: every value is what it must be, or a UsageError says the value and the rule."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, cast

from driver.errors import UsageError

Triple = tuple[float, float, float]
Read = Callable[[str, Any], Any]


def section(table: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The table `name` of `table`; None when there is none."""
    value = table.get(name)
    if value is not None and not isinstance(value, dict):
        raise UsageError(f"{name} is {value!r}; it must be a table, [{name}]")
    return cast("dict[str, Any] | None", value)


def complete(name: str, table: dict[str, Any], kind: type, read: Read | dict[str, Read]) -> dict[str, Any]:
    """Every field of the dataclass `kind`, each once; `read` reads all of them, or each field its own way."""
    names = [one.name for one in fields(kind)]
    for key in table:
        refuse_unknown(key, names, f"{name}.")
    missing = [key for key in names if key not in table]
    if missing:
        raise UsageError(f"{name}.{missing[0]} is missing")
    return {
        key: (read[key] if isinstance(read, dict) else read)(f"{name}.{key}", value) for key, value in table.items()
    }


def numbers(name: str, table: dict[str, Any]) -> dict[str, float]:
    """A table of numbers."""
    return {key: number(f"{name}.{key}", value) for key, value in table.items()}


def number(name: str, value: Any) -> float:
    """One number, whole or not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{name} is {value!r}; it must be a number")
    return float(value)


def triple(name: str, value: Any) -> Triple:
    """Three numbers."""
    if not isinstance(value, list) or len(cast("list[Any]", value)) != 3:
        raise UsageError(f"{name} is {value!r}; it must be three numbers")
    x, y, z = (number(name, one) for one in cast("list[Any]", value))
    return x, y, z


def text(name: str, value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise UsageError(f"{name} is {value!r}; it must be a string")
    return value


def row(size: int, largest: float) -> Callable[[str, Any], tuple[float, ...]]:
    """Reads `size` numbers from -largest to largest."""

    def read(name: str, value: Any) -> tuple[float, ...]:
        if not isinstance(value, list) or len(cast("list[Any]", value)) != size:
            raise UsageError(f"{name} is no list of {size} numbers; it must be one")
        made = tuple(number(name, one) for one in cast("list[Any]", value))
        for one in made:
            require(name, one, -largest, largest)
        return made

    return read


def require(name: str, value: float, low: float, high: float) -> None:
    """UsageError unless low <= value <= high."""
    if not low <= value <= high:
        raise UsageError(f"{name} is {value:g}; it must be {low:g}..{high:g}")


def refuse_unknown(name: str, known: Sequence[str], prefix: str = "") -> None:
    """UsageError unless `name` is one of `known`."""
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        remedy = f"did you mean {prefix}{close[0]}?" if close else f"known are {', '.join(known)}"
        raise UsageError(f"unknown key {prefix}{name}; {remedy}")
