"""The main wire: a frame or a hello as one msgpack map, the same bytes over ZeroMQ, UDP and in recordings.

Rotations, vectors and weights travel as `bin` of little-endian float32, so that a client copies them without parsing.
A client refuses another `v`, and ignores keys it does not know: they may be added without a new version.
"""

# msgpack ships no types; what it returns is checked below.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from itertools import combinations
from typing import Any, NoReturn

import msgpack
import numpy as np

from protocol.frame import PART_BY_NAME, PARTS, SCHEMA_VERSION, FaceFrame, Part, ProtocolError, check_subject
from protocol.hello import Hello, fields_of, hello_of

# Payload of one Ethernet frame without IP and UDP headers: larger datagrams are split, and lost whole with any piece.
MAX_DATAGRAM_BYTES = 1472
# The largest UDP payload. Senders stay under MAX_DATAGRAM_BYTES; receivers leave room for keys of later senders.
MAX_PACKET_BYTES = 65_507

_MAX_KEYS = 256
_MAX_ITEMS = 1024
_MAX_HEAD_BYTES = 64

_SCALARS = tuple(part.name for part in PARTS if part.is_scalar)
_REQUIRED = tuple(part for part in PARTS if not part.is_scalar and not part.is_optional)
_OPTIONAL = tuple(part for part in PARTS if not part.is_scalar and part.is_optional)


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
    if frame.subject:
        fields["subject"] = frame.subject
    for part in PARTS:
        value = getattr(frame, part.name)
        if part.is_scalar:
            fields[part.name] = value
        elif value is not None:
            fields[part.name] = value.astype("<f4", copy=False).tobytes()
    return _limited(msgpack.packb(fields, use_single_float=True))


def encode_hello(hello: Hello) -> bytes:
    """The packet of `hello`: a msgpack map whose `parts` are arrays [name, size, unit, minimum, maximum]."""
    fields = {"v": SCHEMA_VERSION, "type": "hello", **fields_of(hello)}
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
        return hello_of(fields)
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
    arrays = _REQUIRED + tuple(part for part in _OPTIONAL if part.name in fields)
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
    parts["subject"] = fields.get("subject", "")
    check_subject(parts["subject"])
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


_BOUNDS = {
    _REQUIRED + some: _bounds(_REQUIRED + some)
    for count in range(len(_OPTIONAL) + 1)
    for some in combinations(_OPTIONAL, count)
}


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
        and 1 <= len(head) <= _MAX_HEAD_BYTES
    )


def _bin(fields: dict[Any, Any], part: Part) -> bytes:
    data = fields.get(part.name)
    if type(data) is not bytes or len(data) != 4 * part.size:
        found = f"{len(data)} bytes" if type(data) is bytes else "missing" if data is None else type(data).__name__
        raise ProtocolError(f"{part.name} is {found}; it must be a bin of {4 * part.size} bytes (float32)")
    return data


def _number(fields: dict[Any, Any], name: str) -> float:
    value: Any = fields.get(name)
    if type(value) not in (int, float):
        raise ProtocolError(f"{name} is {value!r}; it must be a number")
    part = PART_BY_NAME[name]
    # What lies far outside might not even fit a float32; what lies near is judged with its rounding, later.
    if not part.minimum - 1 <= value <= part.maximum + 1:
        raise ProtocolError(f"{name} is {value!r}; it must be finite and within {part.minimum:g}..{part.maximum:g}")
    return float(np.float32(value))
