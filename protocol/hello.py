"""The hello: what a client learns about the stream before its first frame."""

# The lists of a decoded packet hold anything until they are checked below.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol.frame import ARKIT_SHAPES, PARTS, REGIONS, ProtocolError

_MAX_TEXT_BYTES = 64
_MAX_PART_SIZE = 16_384


@dataclass(frozen=True)
class PartSchema:
    """One row of the hello's table: what a client needs to read a part that it did not know before."""

    name: str
    size: int
    unit: str
    minimum: float
    maximum: float


SCHEMA: tuple[PartSchema, ...] = tuple(
    PartSchema(part.name, part.size, part.unit, part.minimum, part.maximum) for part in PARTS
)


@dataclass(frozen=True)
class Hello:
    """What a client learns before the first frame, and once a second after it.

    rate_hz   frames a second that the sender aims at
    parts     the motion space of this sender, in the order of its packets
    arkit     names of the `arkit` weights, by position
    regions   names of the `confidence` values, by position
    detail    id of the network whose codes the frames' `detail` are; "" from senders that send none
    """

    sender: str
    sender_version: str
    head: str
    rate_hz: float
    parts: tuple[PartSchema, ...] = SCHEMA
    arkit: tuple[str, ...] = ARKIT_SHAPES
    regions: tuple[str, ...] = REGIONS
    detail: str = ""

    def __post_init__(self) -> None:
        for name in ("sender", "sender_version", "head"):
            _check_text(f"the hello's {name}", getattr(self, name))
        if self.detail != "":
            _check_text("the hello's detail", self.detail)
        rate: Any = self.rate_hz
        if type(rate) not in (int, float) or not 0 < rate <= 1000:
            raise ProtocolError(f"the hello's rate_hz is {rate!r}; it must be a number in 0..1000")
        object.__setattr__(self, "rate_hz", float(rate))
        for name in ("arkit", "regions"):
            for text in getattr(self, name):
                _check_text(f"a name in the hello's {name}", text)


def fields_of(hello: Hello) -> dict[str, Any]:
    """The fields of the hello's packet, without version and type."""
    return {
        "sender": hello.sender,
        "sender_version": hello.sender_version,
        "head": hello.head,
        "rate_hz": hello.rate_hz,
        "parts": [[part.name, part.size, part.unit, part.minimum, part.maximum] for part in hello.parts],
        "arkit": list(hello.arkit),
        "regions": list(hello.regions),
        **({"detail": hello.detail} if hello.detail else {}),
    }


def hello_of(fields: dict[Any, Any]) -> Hello:
    """The hello in the fields of a packet; keys and columns of later senders are passed over."""
    return Hello(
        sender=fields.get("sender", ""),
        sender_version=fields.get("sender_version", ""),
        head=fields.get("head", ""),
        rate_hz=fields.get("rate_hz", 0),
        parts=tuple(_part_schema(row) for row in _list(fields, "parts")),
        arkit=tuple(_list(fields, "arkit")),
        regions=tuple(_list(fields, "regions")),
        detail=fields.get("detail", ""),
    )


def _list(fields: dict[Any, Any], name: str) -> list[Any]:
    value = fields.get(name)
    if type(value) is not list:
        raise ProtocolError(f"the hello's {name} is {type(value).__name__}; it must be an array")
    return value


def _part_schema(row: Any) -> PartSchema:
    if type(row) is not list or len(row) < 5:
        raise ProtocolError(f"the hello's part {row!r} must be an array [name, size, unit, minimum, maximum]")
    name, size, unit, minimum, maximum = row[:5]
    _check_text("the hello's part name", name)
    _check_text("the hello's unit", unit)
    if type(size) is not int or not 1 <= size <= _MAX_PART_SIZE:
        raise ProtocolError(f"the hello's part {name} has size {size!r}; it must be a positive integer")
    if not all(type(bound) in (int, float) for bound in (minimum, maximum)) or not minimum < maximum:
        raise ProtocolError(f"the hello's part {name} spans {minimum!r}..{maximum!r}; it must be a range of numbers")
    return PartSchema(name, size, unit, float(minimum), float(maximum))


def _check_text(what: str, text: Any) -> None:
    if type(text) is not str or not 1 <= len(text.encode("utf-8", "replace")) <= _MAX_TEXT_BYTES:
        raise ProtocolError(f"{what} is {text!r}; it must be a text of 1..{_MAX_TEXT_BYTES} bytes")
