"""The bytes of a recording: a header, then records that are only ever appended, so that a crash costs the last one.

    header   magic 8 bytes | version u32 | created_ns u64, Unix time | crc32 u32 of the 20 bytes before
    record   length u32 | crc32 u32 of kind and payload | kind u8 | payload, `length` bytes

All numbers are little-endian. The payload of kind PACKET is a packet of `protocol.msgpack_codec`, byte for byte as it
was sent. Readers pass over kinds that they do not know. Opening files is the caller's business.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from protocol.frame import ProtocolError
from protocol.msgpack_codec import MAX_PACKET_BYTES

# As in PNG, the high bit and the line ends show whether something treated the file as text.
MAGIC = b"\x89AVD\r\n\x1a\n"
VERSION = 1
KIND_PACKET = 1

_HEADER = struct.Struct("<8sIQ")
_CRC = struct.Struct("<I")
_RECORD = struct.Struct("<IIB")
HEADER_BYTES = _HEADER.size + _CRC.size
RECORD_OVERHEAD_BYTES = _RECORD.size


@dataclass(frozen=True)
class Record:
    """One record: `kind` 0..255 and its `payload`, at most MAX_PACKET_BYTES long."""

    kind: int
    payload: bytes


def encode_header(created_ns: int) -> bytes:
    """The first HEADER_BYTES of a recording; `created_ns` is Unix time, for people: frames carry their own clock."""
    if not 0 <= created_ns < 2**64:
        raise ProtocolError(f"created_ns is {created_ns}; it must be in 0..2^64-1")
    header = _HEADER.pack(MAGIC, VERSION, created_ns)
    return header + _CRC.pack(zlib.crc32(header))


def encode_record(payload: bytes, kind: int = KIND_PACKET) -> bytes:
    """One record. Write it with a single call, so that a crash leaves a whole record or a truncated last one."""
    if not 0 <= kind <= 255:
        raise ProtocolError(f"the record's kind is {kind}; it must be in 0..255")
    if len(payload) > MAX_PACKET_BYTES:
        raise ProtocolError(f"the record's payload has {len(payload)} bytes; the most is {MAX_PACKET_BYTES}")
    return _RECORD.pack(len(payload), _checksum(kind, payload), kind) + payload


class RecordingReader:
    """Reads a recording from a buffered binary stream, forwards only.

    created_ns      Unix time at which the recording began
    dropped_bytes   after the last record: bytes of a record that was cut short by a crash and is left out
    Iterating yields `Record`s and raises ProtocolError where the bytes are damaged rather than cut short.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = HEADER_BYTES
        self.dropped_bytes = 0
        header = stream.read(HEADER_BYTES)
        if header[: len(MAGIC)] != MAGIC[: len(header)] or not header:
            raise ProtocolError("this is not a recording: it does not begin with the magic bytes of one")
        if len(header) < HEADER_BYTES:
            raise ProtocolError(f"the recording ends inside its header, after {len(header)} of {HEADER_BYTES} bytes")
        _, version, self.created_ns = _HEADER.unpack_from(header)
        if _CRC.unpack_from(header, _HEADER.size)[0] != zlib.crc32(header[: _HEADER.size]):
            raise ProtocolError("the recording's header is damaged: its checksum does not match")
        if version != VERSION:
            raise ProtocolError(f"the recording has version {version} and this program reads {VERSION}")

    def __iter__(self) -> Iterator[Record]:
        while True:
            head = self._stream.read(_RECORD.size)
            if len(head) < _RECORD.size:
                self.dropped_bytes = len(head)
                return
            length, checksum, kind = _RECORD.unpack(head)
            if length > MAX_PACKET_BYTES:
                raise ProtocolError(f"{self._place()} claims {length} bytes; the most is {MAX_PACKET_BYTES}")
            payload = self._stream.read(length)
            if len(payload) < length:
                self.dropped_bytes = _RECORD.size + len(payload)
                return
            if _checksum(kind, payload) != checksum:
                raise ProtocolError(f"{self._place()} is damaged: its checksum does not match")
            self._position += _RECORD.size + length
            yield Record(kind, payload)

    def _place(self) -> str:
        return f"the recording's record at byte {self._position}"


def _checksum(kind: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(bytes((kind,))))
