"""A microphone: hops of 16 kHz sound at sensor time, through unplugging and restarts of the sound server."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

from driver.capture.live_chunks import LiveChunker
from driver.capture.portaudio import (
    InputStream,
    MicrophoneInfo,
    TakeBlock,
    find_microphone,
    leave_to_the_system,
    renew_devices,
)
from driver.capture.retry import Notify, Reconnection, say_nothing
from driver.capture.ring import BlockRing
from driver.capture.source_thread import SourceThread
from driver.errors import DeviceError
from driver.mailbox import Mailbox
from driver.stage import Fail
from driver.types import AudioChunk

_RING_BLOCKS = 64
_DEAD_S = 1.0  # no block for so long: the device is gone, whatever it says
_POLL_S = 0.1
# A stream whose sound server was killed may give silence as fast as it is taken. What piled up while the machine slept
# comes fast too, but not for so long.
_PACE_S, _FASTEST_PACE = 3.0, 2.0
_LONGEST_STOP_S = 2.0


class SoundStream(Protocol):
    """What `portaudio.InputStream` is; a fake in tests."""

    @property
    def is_active(self) -> bool: ...
    def close(self) -> None: ...


OpenStream = Callable[[MicrophoneInfo, TakeBlock], SoundStream]


class Microphone:
    """Live sound.

    device   index, name or part of a name; None or "" is the system's default
    notify   is told in one sentence when the microphone is missing, busy, lost and back
    retry    True: a missing or lost microphone is tried again, for ever; False: it is an error

    `gaps` counts how often sound was lost; each shows as a jump in `first_sample`.
    """

    def __init__(
        self,
        device: str | int | None = None,
        notify: Notify = say_nothing,
        retry: bool = True,
        find: Callable[[str | int | None], MicrophoneInfo] = find_microphone,
        renew: Callable[[], None] = renew_devices,
        open_stream: OpenStream = InputStream,
    ) -> None:
        self.device = device
        self.gaps = 0
        self._notify = notify
        self._reconnection = Reconnection(notify, retry)
        self._find, self._renew, self._open_stream = find, renew, open_stream
        self._thread = SourceThread("microphone", self._run, _LONGEST_STOP_S)

    def start(self, outbox: Mailbox[AudioChunk], fail: Fail) -> None:
        """Begin to listen in a thread of its own."""
        self._thread.start(outbox, fail)

    def stop(self) -> None:
        """Let go of the device, within two seconds even when the sound system hangs. May be called again."""
        if not self._thread.stop():
            leave_to_the_system()
            self._notify("the sound server hangs and does not let go of the microphone; restart it if sound stays away")

    def _run(self, outbox: Mailbox[AudioChunk]) -> None:
        chunker = LiveChunker()
        attempts = count()

        def connect() -> None:
            if next(attempts) > 0:
                self._renew()
            self._listen(chunker, outbox)

        self._reconnection.run(connect, self._thread.stopping)

    def _listen(self, chunker: LiveChunker, outbox: Mailbox[AudioChunk]) -> None:
        """One connection to the device, until `stop`. Raises DeviceError when it cannot be opened, or is lost."""
        microphone = self._find(self.device)
        ring = BlockRing(_RING_BLOCKS, microphone.block_samples, microphone.used_channels)
        stream = self._open_stream(microphone, ring.put)
        try:
            chunker.connect(microphone.rate_hz, microphone.used_channels)
            alive_s = time.monotonic()
            counted_from_s, counted = alive_s, 0
            while not self._thread.stopping.is_set():
                block = ring.get(_POLL_S)
                if block is None:
                    if not stream.is_active or time.monotonic() - alive_s > _DEAD_S:
                        raise DeviceError(
                            f"the microphone {microphone.name!r} gives no sound any more; plug it in again"
                        )
                    continue
                alive_s = time.monotonic()
                counted += len(block.samples)
                if (passed_s := alive_s - counted_from_s) >= _PACE_S:
                    if counted > _FASTEST_PACE * passed_s * microphone.rate_hz:
                        raise DeviceError(
                            f"the microphone {microphone.name!r} gives {counted / microphone.rate_hz / passed_s:.0f} "
                            f"seconds of sound a second: its sound server is gone"
                        )
                    counted_from_s, counted = alive_s, 0
                self._reconnection.works(f"the microphone {microphone.name!r} is heard again")
                for chunk in chunker.push(block):
                    if not outbox.put(chunk):
                        return
                self.gaps = chunker.gaps
        finally:
            stream.close()
