"""OSC 1.0: messages and bundles to bytes and back, and the packing of messages into datagrams.

Big-endian, everything a multiple of 4 bytes. Texts are UTF-8, as VMC wants them. Bundles are sent with the time tag
"immediately": receivers that honour a later one would hold the face back.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from protocol.frame import ProtocolError
from protocol.msgpack_codec import MAX_DATAGRAM_BYTES, MAX_PACKET_BYTES

IMMEDIATELY = 1
_BUNDLE = b"#bundle\0"
BUNDLE_HEAD = _BUNDLE + struct.pack(">Q", IMMEDIATELY)
_MAX_DEPTH = 8


@dataclass(frozen=True)
class TimeTag:
    """A point in time: `ntp` counts 2^-32 s since 1900-01-01 00:00 UTC; 1 means "immediately"."""

    ntp: int


@dataclass(frozen=True)
class Impulse:
    """The argument `I`, which has no value."""


Argument: TypeAlias = "int | float | str | bytes | bool | TimeTag | Impulse | list[Argument] | None"


class Message(NamedTuple):
    """One message: an address such as "/avatar/jaw" and its arguments."""

    address: str
    arguments: tuple[Argument, ...]


def message_head(address: str, tags: str) -> bytes:
    """The part of a message that does not depend on its values: the padded address and type tags (without comma)."""
    if not address.startswith("/") or "\0" in address:
        raise ProtocolError(f"the OSC address {address!r} must begin with / and hold no NUL")
    return string(address) + string("," + tags)


def encode_message(address: str, *arguments: int | float | str | bytes | bool) -> bytes:
    """One message; int as int32 `i` where it fits, else int64 `h`; float as float32 `f`; str `s`; bytes `b`; bool `T`
    or `F`."""
    encoded = [_encode_argument(argument) for argument in arguments]
    return message_head(address, "".join(tag for tag, _ in encoded)) + b"".join(data for _, data in encoded)


def _encode_argument(argument: int | float | str | bytes | bool) -> tuple[str, bytes]:
    try:
        match argument:
            case bool():
                return "T" if argument else "F", b""
            case int():
                return ("i", struct.pack(">i", argument)) if -(2**31) <= argument < 2**31 else ("h", int64(argument))
            case float():
                return "f", struct.pack(">f", argument)
            case str():
                return "s", string(argument)
            case bytes():
                return "b", struct.pack(">i", len(argument)) + argument + bytes(-len(argument) % 4)
    except (struct.error, OverflowError) as error:
        raise ProtocolError(f"the OSC argument {argument!r} does not fit its type: {error}") from error


def int64(value: int) -> bytes:
    """The data of an argument with the tag `h`."""
    return struct.pack(">q", value)


def string(text: str) -> bytes:
    """The data of an argument with the tag `s`: UTF-8, at least one NUL, padded to a multiple of 4."""
    data = text.encode("utf-8", "replace")
    if b"\0" in data:
        raise ProtocolError(f"the OSC string {text!r} holds a NUL")
    return data + bytes(4 - len(data) % 4)


def encode_bundle(elements: Iterable[bytes]) -> bytes:
    """A bundle of encoded messages or bundles, to be applied at once."""
    parts = [BUNDLE_HEAD]
    for element in elements:
        parts += (struct.pack(">i", len(element)), element)
    return b"".join(parts)


def pack(messages: Iterable[bytes]) -> list[bytes]:
    """Bundles of at most MAX_DATAGRAM_BYTES with the encoded messages in their order, as few as that order allows."""
    datagrams: list[bytes] = []
    waiting: list[bytes] = []
    size = len(BUNDLE_HEAD)
    for message in messages:
        if size + 4 + len(message) > MAX_DATAGRAM_BYTES and waiting:
            datagrams.append(encode_bundle(waiting))
            waiting, size = [], len(BUNDLE_HEAD)
        waiting.append(message)
        size += 4 + len(message)
    if waiting:
        datagrams.append(encode_bundle(waiting))
    return datagrams


def decode_packet(data: bytes | bytearray | memoryview) -> list[Message]:
    """All messages of a datagram in their order, bundles opened; ProtocolError for anything that is not OSC 1.0.

    Time tags of bundles are passed over: like most receivers, ours acts at once.
    """
    if len(data) > MAX_PACKET_BYTES:
        raise ProtocolError(f"the OSC packet has {len(data)} bytes; the most is {MAX_PACKET_BYTES}")
    messages: list[Message] = []
    _decode_element(bytes(data), messages, depth=0)
    return messages


def _decode_element(data: bytes, messages: list[Message], depth: int) -> None:
    if not data or len(data) % 4:
        raise ProtocolError(f"the OSC element has {len(data)} bytes; it must be a positive multiple of 4")
    if data.startswith(b"/"):
        messages.append(_decode_message(data))
        return
    if not data.startswith(_BUNDLE):
        raise ProtocolError(f"the OSC element begins with {data[:8]!r}; it must be an address or #bundle")
    if depth == _MAX_DEPTH:
        raise ProtocolError(f"the OSC bundle is nested more than {_MAX_DEPTH} deep")
    reader = _Reader(data, len(_BUNDLE))
    reader.take(8)
    while reader.left:
        _decode_element(reader.take(reader.length()), messages, depth + 1)


def _decode_message(data: bytes) -> Message:
    reader = _Reader(data, 0)
    address = reader.string()
    tags = reader.string() if reader.left else ""
    if not tags.startswith(","):
        raise ProtocolError(f"the OSC message {address} has no type tags")
    # The arguments, and around them the arrays that are still open.
    levels: list[list[Argument]] = [[]]
    for tag in tags[1:]:
        if tag == "[":
            if len(levels) > _MAX_DEPTH:
                raise ProtocolError(f"the OSC message {address} nests arrays more than {_MAX_DEPTH} deep")
            levels.append([])
        elif tag == "]":
            if len(levels) == 1:
                raise ProtocolError(f"the OSC message {address} closes an array that it did not open")
            array = levels.pop()
            levels[-1].append(array)
        elif tag in _DECODERS:
            levels[-1].append(_DECODERS[tag](reader))
        else:
            raise ProtocolError(f"the OSC message {address} has the unknown type tag {tag!r}")
    if len(levels) > 1:
        raise ProtocolError(f"the OSC message {address} leaves an array open")
    if reader.left:
        raise ProtocolError(f"the OSC message {address} has {reader.left} bytes after its arguments")
    return Message(address, tuple(levels[0]))


class _Reader:
    """Takes bytes from the front of an element, never past its end."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise ProtocolError(f"the OSC element ends {count - self.left} bytes early")
        self._position += count
        return self._data[self._position - count : self._position]

    def number(self, form: struct.Struct) -> int | float:
        return form.unpack(self.take(form.size))[0]

    def length(self) -> int:
        length = int.from_bytes(self.take(4), "big", signed=True)
        if length < 0:
            raise ProtocolError(f"the OSC element has a part of {length} bytes")
        return length

    def string(self) -> str:
        end = self._data.find(b"\0", self._position)
        if end < 0:
            raise ProtocolError("the OSC string has no end")
        text = self.take(end - self._position)
        self._skip_padding(4 - len(text) % 4)
        try:
            return text.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError(f"the OSC string {text[:64]!r} is not UTF-8") from error

    def blob(self) -> bytes:
        blob = self.take(self.length())
        self._skip_padding(-len(blob) % 4)
        return blob

    def _skip_padding(self, count: int) -> None:
        if any(self.take(count)):
            raise ProtocolError("the OSC string or blob is padded with something other than NUL")


_INT32 = struct.Struct(">i")
_INT64 = struct.Struct(">q")
_FLOAT32 = struct.Struct(">f")
_FLOAT64 = struct.Struct(">d")

_DECODERS: dict[str, Callable[[_Reader], Argument]] = {
    "i": lambda reader: reader.number(_INT32),
    "h": lambda reader: reader.number(_INT64),
    "f": lambda reader: reader.number(_FLOAT32),
    "d": lambda reader: reader.number(_FLOAT64),
    "s": _Reader.string,
    "b": _Reader.blob,
    "t": lambda reader: TimeTag(int.from_bytes(reader.take(8), "big")),
    "T": lambda reader: True,
    "F": lambda reader: False,
    "N": lambda reader: None,
    "I": lambda reader: Impulse(),
}
