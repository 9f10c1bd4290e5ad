"""The main wire: a frame or a hello as one msgpack map, the same bytes over ZeroMQ, UDP and in recordings.

Rotations, vectors and weights travel as `bin` of little-endian float32, so that a client copies them without parsing.
A client refuses another `v`, and ignores keys it does not know: they may be added without a new version.
"""

# msgpack ships no types; what it returns is checked below.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import msgpack
import numpy as np

from protocol.frame import ARKIT_SHAPES, PART_BY_NAME, PARTS, REGIONS, SCHEMA_VERSION, FaceFrame, Part, ProtocolError

# Payload of one Ethernet frame without IP and UDP headers: larger datagrams are split, and lost whole with any piece.
MAX_DATAGRAM_BYTES = 1472
# The largest UDP payload. Senders stay under MAX_DATAGRAM_BYTES; receivers leave room for keys of later senders.
MAX_PACKET_BYTES = 65_507

_MAX_KEYS = 256
_MAX_ITEMS = 1024
_MAX_TEXT_BYTES = 64

_SCALARS = tuple(part.name for part in PARTS if part.is_scalar)
_REQUIRED = tuple(part for part in PARTS if not part.is_scalar and not part.is_optional)
_OPTIONAL = tuple(part for part in PARTS if not part.is_scalar and part.is_optional)
_ARRAYS = _REQUIRED + _OPTIONAL


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
    """

    sender: str
    sender_version: str
    head: str
    rate_hz: float
    parts: tuple[PartSchema, ...] = SCHEMA
    arkit: tuple[str, ...] = ARKIT_SHAPES
    regions: tuple[str, ...] = REGIONS

    def __post_init__(self) -> None:
        for name in ("sender", "sender_version", "head"):
            _check_text(f"the hello's {name}", getattr(self, name))
        rate: Any = self.rate_hz
        if type(rate) not in (int, float) or not 0 < rate <= 1000:
            raise ProtocolError(f"the hello's rate_hz is {rate!r}; it must be a number in 0..1000")
        object.__setattr__(self, "rate_hz", float(rate))
        for name in ("arkit", "regions"):
            for text in getattr(self, name):
                _check_text(f"a name in the hello's {name}", text)


def encode(frame: FaceFrame) -> bytes:
    """The packet of `frame`: a msgpack map with float32 numbers, at most MAX_DATAGRAM_BYTES long."""
    fields: dict[str, Any] = {
        "v": SCHEMA_VERSION,
        "type": "face",
        "seq": frame.seq,
        "capture_ns": frame.capture_ns,
        "publish_ns": frame.publish_ns,
        "head": frame.head,
    }
    for part in PARTS:
        value = getattr(frame, part.name)
        if part.is_scalar:
            fields[part.name] = value
        elif value is not None:
            fields[part.name] = value.astype("<f4", copy=False).tobytes()
    return _limited(msgpack.packb(fields, use_single_float=True))


def encode_hello(hello: Hello) -> bytes:
    """The packet of `hello`: a msgpack map whose `parts` are arrays [name, size, unit, minimum, maximum]."""
    fields = {
        "v": SCHEMA_VERSION,
        "type": "hello",
        "sender": hello.sender,
        "sender_version": hello.sender_version,
        "head": hello.head,
        "rate_hz": hello.rate_hz,
        "parts": [[part.name, part.size, part.unit, part.minimum, part.maximum] for part in hello.parts],
        "arkit": hello.arkit,
        "regions": hello.regions,
    }
    return _limited(msgpack.packb(fields))


def decode(data: bytes | bytearray | memoryview) -> FaceFrame | Hello:
    """The frame or the hello in one packet; ProtocolError for anything that breaks the rules of PROTOCOL.md."""
    fields = _unpack(data)
    version = fields.get("v")
    if type(version) is not int or version != SCHEMA_VERSION:
        raise ProtocolError(
            f"the packet has schema version {version!r} and this program reads {SCHEMA_VERSION}; "
            "use the same release on both sides"
        )
    kind = fields.get("type")
    if kind == "face":
        return _face(fields)
    if kind == "hello":
        return _hello(fields)
    raise ProtocolError(f"the packet has type {kind!r}; it must be 'face' or 'hello'")


def _limited(packet: Any) -> bytes:
    if len(packet) > MAX_DATAGRAM_BYTES:
        raise ProtocolError(f"the packet has {len(packet)} bytes; it must fit {MAX_DATAGRAM_BYTES}, one datagram")
    return packet


def _refuse_extension(code: int, data: bytes) -> NoReturn:
    raise ProtocolError(f"the packet holds a msgpack extension (type {code}); only plain values are allowed")


def _unpack(data: bytes | bytearray | memoryview) -> dict[Any, Any]:
    if len(data) > MAX_PACKET_BYTES:
        raise ProtocolError(f"the packet has {len(data)} bytes; the most is {MAX_PACKET_BYTES}")
    try:
        fields: Any = msgpack.unpackb(
            data,
            strict_map_key=True,
            ext_hook=_refuse_extension,
            max_ext_len=0,
            max_map_len=_MAX_KEYS,
            max_array_len=_MAX_ITEMS,
            max_str_len=_MAX_ITEMS,
            max_bin_len=MAX_PACKET_BYTES,
        )
    except ProtocolError:
        raise
    # msgpack reports every fault of the bytes as some ValueError (UnicodeDecodeError and its own classes among them).
    except ValueError as error:
        reason = str(error) or type(error).__name__
        raise ProtocolError(f"the packet is not one msgpack map: {reason}") from error
    if type(fields) is not dict:
        raise ProtocolError(f"the packet is a {type(fields).__name__}; it must be a msgpack map")
    if len(fields) != _announced_keys(data):
        raise ProtocolError("the packet has a key twice; every key must be unique")
    return fields


def _announced_keys(data: bytes | bytearray | memoryview) -> int:
    """The number of pairs in the header of the outermost map; a dict with fewer has lost a duplicate."""
    first = data[0]
    if first <= 0x8F:
        return first & 0x0F
    return int.from_bytes(data[1 : 3 if first == 0xDE else 5], "big")


def _face(fields: dict[Any, Any]) -> FaceFrame:
    """Checks all values at once: most of a frame's cost is the checks, and a client decodes 60 frames a second."""
    arrays = _ARRAYS if all(part.name in fields for part in _OPTIONAL) else _REQUIRED
    values = np.frombuffer(b"".join([_bin(fields, part) for part in arrays]), "<f4").astype(np.float32, copy=False)
    values.setflags(write=False)
    parts: dict[str, Any] = {part.name: None for part in _OPTIONAL}
    first = 0
    for part in arrays:
        parts[part.name] = values[first : first + part.size]
        first += part.size
    for name in _SCALARS:
        parts[name] = _number(fields, name)
    for name in ("seq", "capture_ns", "publish_ns", "head"):
        if name not in fields:
            raise ProtocolError(f"the frame has no {name}")
        parts[name] = fields[name]
    if _is_plain(parts, values, arrays):
        frame = object.__new__(FaceFrame)
        frame.__dict__.update(parts)
        return frame
    # Something is unusual: let the frame's own checks find it, or find it harmless.
    return FaceFrame(**parts)


def _bounds(parts: tuple[Part, ...]) -> tuple[np.ndarray, np.ndarray]:
    low = np.concatenate([np.full(part.size, part.minimum, np.float32) for part in parts])
    high = np.concatenate([np.full(part.size, part.maximum, np.float32) for part in parts])
    return low, high


_BOUNDS = {parts: _bounds(parts) for parts in (_REQUIRED, _ARRAYS)}


def _is_plain(parts: dict[str, Any], values: np.ndarray, arrays: tuple[Part, ...]) -> bool:
    """True when `FaceFrame` would accept the values as they are. Comparisons with NaN are false."""
    low, high = _BOUNDS[arrays]
    head = parts["head"]
    return (
        bool(((values >= low) & (values <= high)).all())
        and all(PART_BY_NAME[name].minimum <= parts[name] <= PART_BY_NAME[name].maximum for name in _SCALARS)
        and all(type(parts[name]) is int and 0 <= parts[name] < 2**63 for name in ("seq", "capture_ns", "publish_ns"))
        and type(head) is str
        and head.isascii()
        and head.isprintable()
        and 1 <= len(head) <= _MAX_TEXT_BYTES
    )


def _bin(fields: dict[Any, Any], part: Part) -> bytes:
    data = fields.get(part.name)
    if type(data) is not bytes or len(data) != 4 * part.size:
        found = f"{len(data)} bytes" if type(data) is bytes else "missing" if data is None else type(data).__name__
        raise ProtocolError(f"{part.name} is {found}; it must be a bin of {4 * part.size} bytes (float32)")
    return data


def _number(fields: dict[Any, Any], name: str) -> float:
    value = fields.get(name)
    if type(value) not in (int, float):
        raise ProtocolError(f"{name} is {value!r}; it must be a number")
    return float(np.float32(value))


def _hello(fields: dict[Any, Any]) -> Hello:
    return Hello(
        sender=fields.get("sender", ""),
        sender_version=fields.get("sender_version", ""),
        head=fields.get("head", ""),
        rate_hz=fields.get("rate_hz", 0),
        parts=tuple(_part_schema(row) for row in _list(fields, "parts")),
        arkit=tuple(_list(fields, "arkit")),
        regions=tuple(_list(fields, "regions")),
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
    if type(size) is not int or not 1 <= size <= MAX_PACKET_BYTES // 4:
        raise ProtocolError(f"the hello's part {name} has size {size!r}; it must be a positive integer")
    if not all(type(bound) in (int, float) for bound in (minimum, maximum)) or not minimum < maximum:
        raise ProtocolError(f"the hello's part {name} spans {minimum!r}..{maximum!r}; it must be a range of numbers")
    return PartSchema(name, size, unit, float(minimum), float(maximum))


def _check_text(what: str, text: Any) -> None:
    if type(text) is not str or not 1 <= len(text.encode("utf-8", "replace")) <= _MAX_TEXT_BYTES:
        raise ProtocolError(f"{what} is {text!r}; it must be a text of 1..{_MAX_TEXT_BYTES} bytes")
