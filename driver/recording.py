"""Recordings on disk: what was published, packet by packet, in the format of `protocol.recording_format`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from driver.errors import MediaError, SinkError, UsageError
from driver.mailbox import Mailbox, WhenFull
from driver.sinks.sink import Notice, SinkContext
from driver.stage import Worker
from protocol.frame import FaceFrame, ProtocolError
from protocol.msgpack_codec import Hello, decode, encode_hello
from protocol.recording_format import (
    HEADER_BYTES,
    KIND_PACKET,
    RECORD_OVERHEAD_BYTES,
    RecordingReader,
    encode_header,
    encode_record,
)

_WAITING_FRAMES = 600  # ten seconds of a stalled disk at 60 Hz
_CLOSE_S = 5.0


class Recorder:
    """The sink that writes a file. Every record reaches the system in one write, so that a crash costs the last one.

    A thread of its own writes, so that a stalled disk delays nobody. What it cannot take in time is left out, counted
    (`dropped`) and said; with `when_full` "wait" (files read faster than real time) the sender waits instead.
    """

    def __init__(
        self,
        path: Path,
        context: SinkContext,
        *,
        overwrite: bool = False,
        when_full: WhenFull = "drop_oldest",
    ) -> None:
        self._path = path
        self._notice = context.notice
        self._failure: BaseException | None = None
        self._has_said_drops = self._has_said_failure = False
        self._waiting: Mailbox[bytes] = Mailbox(_WAITING_FRAMES, when_full)
        self._file = _created(path, overwrite)
        self._worker = Worker("recorder", self._write_all, self._fail)
        try:
            _write(self._file, encode_header(time.time_ns()) + encode_record(encode_hello(context.hello)))
        except OSError as error:
            self._file.close()
            raise self._said(error) from error
        self._worker.start()

    @property
    def name(self) -> str:
        """The file's name."""
        return str(self._path)

    @property
    def dropped(self) -> int:
        """Frames that the disk was too slow for."""
        return self._waiting.dropped

    def send(self, frame: FaceFrame, packet: bytes) -> None:
        """Hand the packet to the writer; SinkError once writing has failed."""
        if self._failure is not None:
            self._has_said_failure = True
            if isinstance(self._failure, OSError):
                raise self._said(self._failure) from self._failure
            raise self._failure
        self._waiting.put(encode_record(packet))
        if self.dropped and not self._has_said_drops:
            self._has_said_drops = True
            self._notice(f"the disk is too slow for {self._path}: frames are being left out")

    def clients(self) -> int | None:
        """None: a file has no clients."""
        return None

    def close(self) -> None:
        """Write what is waiting, then close the file; says what could not be written."""
        if self._file.closed:
            return
        self._waiting.close()
        if self._worker.join(_CLOSE_S):
            self._file.close()
        else:
            self._notice(f"{self._path} lacks the last {len(self._waiting)} frames: the disk does not answer")
        if isinstance(self._failure, OSError) and not self._has_said_failure:  # it failed after the last frame came
            self._notice(str(self._said(self._failure)))
        if self.dropped:
            self._notice(f"{self._path} lacks {self.dropped} of {self._waiting.received} frames: the disk is too slow")

    def _write_all(self) -> None:
        for record in self._waiting:
            _write(self._file, record)

    def _fail(self, worker: str, error: BaseException) -> None:
        self._failure = error
        self._waiting.close()

    def _said(self, error: OSError) -> SinkError:
        return SinkError(
            f"{self._path} is not written any more: {error.strerror}; free the disk and record to another file "
            "(what was written stays readable)"
        )


def read_recording(path: Path, notice: Notice) -> Iterator[tuple[bytes, FaceFrame | Hello]]:
    """The packets of a recording, each with what it holds. A record cut short by a crash is left out and said.

    Raises MediaError, with the place, where the file is missing or damaged.
    """
    position = HEADER_BYTES
    try:
        with path.open("rb") as stream:
            reader = RecordingReader(stream)
            for record in reader:
                if record.kind == KIND_PACKET:
                    yield record.payload, _decoded(record.payload, position)
                position += RECORD_OVERHEAD_BYTES + len(record.payload)
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}; check the file name") from error
    except ProtocolError as error:
        remedy = f"; cut the file to {position} bytes to keep what comes before" if position > HEADER_BYTES else ""
        raise MediaError(f"{path} cannot be read: {error}{remedy}") from error
    if reader.dropped_bytes:
        notice(f"{path} ends inside a record; its last {reader.dropped_bytes} bytes are left out")


def _decoded(packet: bytes, position: int) -> FaceFrame | Hello:
    try:
        return decode(packet)
    except ProtocolError as error:
        raise ProtocolError(f"the recording's record at byte {position} holds no packet: {error}") from error


def _created(path: Path, overwrite: bool) -> FileIO:
    try:
        return FileIO(path, "w" if overwrite else "x")
    except FileExistsError as error:
        raise UsageError(f"{path} exists; record to another file, or add --force to overwrite it") from error
    except OSError as error:
        raise SinkError(f"{path} cannot be written: {error.strerror}; record to another place") from error


def _write(file: FileIO, data: bytes) -> None:
    """All of `data`; a nearly full disk may take it in pieces."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
