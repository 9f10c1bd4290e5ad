"""Recordings: round trips, what a crash leaves, and damage that must not pass."""

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.frame import ProtocolError
from protocol.golden.frames import frames
from protocol.msgpack_codec import MAX_PACKET_BYTES, decode, encode
from protocol.recording_format import (
    HEADER_BYTES,
    KIND_PACKET,
    MAGIC,
    RECORD_OVERHEAD_BYTES,
    Record,
    RecordingReader,
    encode_header,
    encode_record,
)

CREATED_NS = 1_700_000_000_123_456_789
PAYLOADS = [encode(frame) for frame in frames().values()]
RECORDING = encode_header(CREATED_NS) + b"".join(encode_record(payload) for payload in PAYLOADS)


def read(data):
    reader = RecordingReader(io.BytesIO(data))
    return list(reader), reader


def test_packets_come_back_byte_for_byte():
    records, reader = read(RECORDING)
    assert records == [Record(KIND_PACKET, payload) for payload in PAYLOADS]
    assert [decode(record.payload) for record in records] == list(frames().values())
    assert (reader.created_ns, reader.dropped_bytes) == (CREATED_NS, 0)


def test_the_bytes_are_what_the_document_says():
    assert encode_header(5) == MAGIC + struct.pack("<IQ", 1, 5) + struct.pack(
        "<I", zlib.crc32(MAGIC + struct.pack("<IQ", 1, 5))
    )
    assert encode_record(b"abc", kind=7) == struct.pack("<IIB", 3, zlib.crc32(b"\x07abc"), 7) + b"abc"
    assert (HEADER_BYTES, RECORD_OVERHEAD_BYTES) == (24, 9)


@given(st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 255)), max_size=5), st.data())
def test_a_cut_anywhere_costs_only_the_last_record(items, data):
    encoded = [encode_record(payload, kind) for payload, kind in items]
    recording = encode_header(CREATED_NS) + b"".join(encoded)
    cut = data.draw(st.integers(HEADER_BYTES, len(recording)))
    records, reader = read(recording[:cut])
    whole, end = 0, HEADER_BYTES
    while whole < len(encoded) and end + len(encoded[whole]) <= cut:
        end += len(encoded[whole])
        whole += 1
    assert records == [Record(kind, payload) for payload, kind in items[:whole]]
    assert reader.dropped_bytes == cut - end


@pytest.mark.parametrize("cut", range(HEADER_BYTES))
def test_a_recording_without_a_whole_header_is_refused(cut):
    with pytest.raises(ProtocolError, match="recording"):
        read(RECORDING[:cut])


@pytest.mark.parametrize("data", [b"", b"RIFF" + b"\0" * 40, RECORDING.replace(b"\r\n", b"\n", 1)])
def test_other_files_are_refused(data):
    with pytest.raises(ProtocolError, match="not a recording"):
        read(data)


@pytest.mark.parametrize("at", range(len(MAGIC), HEADER_BYTES))
def test_a_flipped_bit_in_the_header_is_found(at):
    damaged = bytearray(RECORDING)
    damaged[at] ^= 0x10
    with pytest.raises(ProtocolError, match="header is damaged"):
        read(bytes(damaged))


def test_another_version_is_refused():
    header = MAGIC + struct.pack("<IQ", 2, 5)
    with pytest.raises(ProtocolError, match="version 2 and this program reads 1"):
        read(header + struct.pack("<I", zlib.crc32(header)))


@pytest.mark.parametrize("at", [4, 7, 8, 9, 40, len(PAYLOADS[0]) + RECORD_OVERHEAD_BYTES - 1])
def test_a_flipped_bit_in_a_record_is_found(at):
    damaged = bytearray(RECORDING)
    damaged[HEADER_BYTES + at] ^= 0x10
    with pytest.raises(ProtocolError, match=r"record at byte 24 is damaged"):
        read(bytes(damaged))


def test_an_impossible_length_is_refused():
    with pytest.raises(ProtocolError, match="claims 65508 bytes; the most is 65507"):
        read(encode_header(0) + struct.pack("<IIB", MAX_PACKET_BYTES + 1, 0, 1) + b"x" * 70_000)


def test_what_cannot_be_written_is_refused():
    with pytest.raises(ProtocolError, match="kind is 256"):
        encode_record(b"", 256)
    with pytest.raises(ProtocolError, match="65508 bytes"):
        encode_record(b"x" * (MAX_PACKET_BYTES + 1))
    with pytest.raises(ProtocolError, match="created_ns is -1"):
        encode_header(-1)
