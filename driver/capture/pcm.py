"""Raw sound from another program: a speech engine that writes PCM to our stdin or to a TCP port.

Such engines speak faster than real time and stop between sentences. What arrives is played like a tape: evenly, from
the moment it came. What is not yet due waits in the pipe or the socket, which slows the engine down; nothing piles up.
"""

from __future__ import annotations

import ipaddress
import os
import select
import socket
import sys
import time
from collections.abc import Callable

from driver.capture.chunks import Chunker
from driver.capture.clock import SECOND_NS, samples_to_ns, wait_until
from driver.capture.pcm_address import PcmAddress, PcmFormat, parse_pcm
from driver.capture.retry import Notify, say_nothing
from driver.capture.source_thread import SourceThread
from driver.errors import DeviceError
from driver.mailbox import Mailbox
from driver.stage import Fail
from driver.types import AUDIO_RATE_HZ, AudioChunk
from protocol.frame import Floats

_PAUSE_S = 0.1  # no bytes for so long: the utterance is over, and what is left of it is played
_READ_S = 0.02
_POLL_S = 0.2
_RECEIVE_BUFFER_BYTES = 65_536
_STDIN = 0
_LONGEST_STOP_S = 2.0

# Up to so many bytes within _PAUSE_S: None when none came, empty at the end of the stream.
Read = Callable[[int], bytes | None]


class Tape:
    """The timing: utterances follow each other, each even, none before it came. The pause between them is a gap."""

    def __init__(self, pcm_format: PcmFormat) -> None:
        self._rate_hz, self._channels = pcm_format.rate_hz, pcm_format.channels
        self._chunker: Chunker | None = None
        self._begin_ns = 0  # of the utterance
        self._received = 0  # samples of it
        self._position, self._position_ns = 0, 0  # where the stream stands, as in `AudioChunk`

    def push(self, samples: Floats, arrived_ns: int) -> list[AudioChunk]:
        """The hops that `samples` complete, each due at its `capture_ns`."""
        if self._chunker is None:
            self._begin_ns = max(arrived_ns, self._position_ns)
            absent_ns = self._begin_ns - self._position_ns if self._position_ns else 0
            self._chunker = Chunker(
                self._rate_hz, self._channels, self._position + absent_ns * AUDIO_RATE_HZ // SECOND_NS
            )
            self._received = 0
        self._received += len(samples)
        late_ns = arrived_ns - self._end_ns
        if late_ns > _PAUSE_S * SECOND_NS:  # the sender is slower than it says: do not fall behind for ever
            self._begin_ns += late_ns
        return self._advance(self._chunker.push(samples, self._end_ns))

    def end(self) -> list[AudioChunk]:
        """The rest of the utterance."""
        if self._chunker is None:
            return []
        rest = self._chunker.finish(self._end_ns)
        self._chunker = None
        return self._advance(rest)

    @property
    def _end_ns(self) -> int:
        return self._begin_ns + samples_to_ns(self._received, self._rate_hz)

    def _advance(self, chunks: list[AudioChunk]) -> list[AudioChunk]:
        if chunks:
            self._position = chunks[-1].first_sample + len(chunks[-1].samples)
            self._position_ns = chunks[-1].capture_ns
        return chunks


class PcmSource:
    """Live sound from raw PCM; one stream at a time, the listener stays for the next.

    address   "pcm://HOST:PORT?rate=24000&channels=1&format=s16le", or with - for HOST:PORT, stdin; see `parse_pcm`
    stdin     file descriptor that stdin means
    """

    def __init__(self, address: str, notify: Notify = say_nothing, stdin: int = _STDIN) -> None:
        self._address: PcmAddress = parse_pcm(address)
        self._notify, self._stdin = notify, stdin
        self._tape = Tape(self._address.format)
        self._listener: socket.socket | None = None
        self._thread = SourceThread("pcm", self._run, _LONGEST_STOP_S)

    @property
    def port(self) -> int:
        """The port that is listened on once started; what was asked for may have been 0, any free one."""
        return self._address.port if self._listener is None else int(self._listener.getsockname()[1])

    def start(self, outbox: Mailbox[AudioChunk], fail: Fail) -> None:
        """Begin to listen, in a thread of its own."""
        host = self._address.host
        if host is not None:
            try:
                self._listener = self._listen(host)
            except OSError as error:
                outbox.close()
                reason = (
                    f"cannot listen for sound on {host}:{self._address.port} ({error.strerror}); choose another port"
                )
                fail("pcm", DeviceError(reason))
                return
        self._thread.start(outbox, fail)

    def stop(self) -> None:
        """Stop, within two seconds. May be called again."""
        self._thread.stop()

    def _listen(self, host: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, self._address.port), family=family, backlog=1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        listener.settimeout(_POLL_S)
        if not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
            self._notify(f"anyone who reaches {host} can make the face speak; bind to 127.0.0.1 to keep it to yourself")
        return listener

    def _run(self, outbox: Mailbox[AudioChunk]) -> None:
        try:
            if self._listener is None:
                self._play(self._read_stdin, outbox)
                return
            while not self._thread.stopping.is_set() and not outbox.closed:
                try:
                    connection, _ = self._listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(_PAUSE_S)
                    self._play(lambda size, connection=connection: _receive(connection, size), outbox)
        finally:
            if self._listener is not None:
                self._listener.close()

    def _play(self, read: Read, outbox: Mailbox[AudioChunk]) -> None:
        """One stream to its end."""
        pcm_format = self._address.format
        size = max(1, round(pcm_format.rate_hz * _READ_S)) * pcm_format.frame_bytes
        pending, is_open = b"", True
        while is_open and not self._thread.stopping.is_set():
            data = read(size)
            is_open = data != b""
            if data:
                whole = (len(pending) + len(data)) // pcm_format.frame_bytes * pcm_format.frame_bytes
                pending += data
                chunks = self._tape.push(pcm_format.decode(pending[:whole]), time.perf_counter_ns())
                pending = pending[whole:]
            else:
                chunks = self._tape.end()
            for chunk in chunks:
                if not wait_until(chunk.capture_ns, self._thread.stopping) or not outbox.put(chunk):
                    return

    def _read_stdin(self, size: int) -> bytes | None:
        # Windows cannot wait for a pipe with a time limit: there a pause holds back the end of the utterance.
        if sys.platform != "win32" and not select.select([self._stdin], [], [], _PAUSE_S)[0]:
            return None
        return os.read(self._stdin, size)


def _receive(connection: socket.socket, size: int) -> bytes | None:
    try:
        return connection.recv(size)
    except TimeoutError:
        return None
    except OSError:  # the engine was interrupted, or its machine is out of reach: the next one is welcome
        return b""
