"""A microphone: hops of 16 kHz sound at sensor time, through unplugging and restarts of the sound server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
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
from driver.capture.retry import Backoff, Notify, Trouble, say_nothing
from driver.capture.ring import BlockRing
from driver.errors import DeviceError
from driver.mailbox import Mailbox
from driver.stage import Fail, Worker
from driver.types import AudioChunk

_RING_BLOCKS = 64
_DEAD_S = 1.0  # no block for so long: the device is gone, whatever it says
_POLL_S = 0.1
_JOIN_S = 2.0


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
        self._notify, self._retry = notify, retry
        self._find, self._renew, self._open_stream = find, renew, open_stream
        self._stopping = threading.Event()
        self._outbox: Mailbox[AudioChunk] | None = None
        self._worker: Worker | None = None

    def start(self, outbox: Mailbox[AudioChunk], fail: Fail) -> None:
        """Begin to listen in a thread of its own."""
        self._outbox = outbox
        self._worker = Worker("microphone", lambda: self._run(outbox), fail)
        self._worker.start()

    def stop(self) -> None:
        """Let go of the device, within two seconds even when the sound system hangs. May be called again."""
        self._stopping.set()
        if self._outbox is not None:
            self._outbox.close()
        if self._worker is not None and not self._worker.join(_JOIN_S):
            leave_to_the_system()
            self._notify("the sound server hangs and does not let go of the microphone; restart it if sound stays away")

    def _run(self, outbox: Mailbox[AudioChunk]) -> None:
        chunker, trouble, backoff = LiveChunker(), Trouble(self._notify), Backoff()
        is_first = True
        try:
            while not self._stopping.is_set():
                try:
                    if not is_first:
                        self._renew()
                    is_first = False
                    self._listen(chunker, trouble, backoff, outbox)
                    return
                except DeviceError as error:
                    if not self._retry:
                        raise
                    if self._stopping.is_set():
                        return
                    trouble.say(f"{error}; it is tried again every few seconds")
                    self._stopping.wait(backoff.next_s())
        finally:
            outbox.close()

    def _listen(self, chunker: LiveChunker, trouble: Trouble, backoff: Backoff, outbox: Mailbox[AudioChunk]) -> None:
        """One connection to the device, until `stop`. Raises DeviceError when it cannot be opened, or is lost."""
        microphone = self._find(self.device)
        ring = BlockRing(_RING_BLOCKS, microphone.block_samples, microphone.used_channels)
        stream = self._open_stream(microphone, ring.put)
        try:
            chunker.connect(microphone.rate_hz, microphone.used_channels)
            alive_s = time.monotonic()
            while not self._stopping.is_set():
                block = ring.get(_POLL_S)
                if block is None:
                    if not stream.is_active or time.monotonic() - alive_s > _DEAD_S:
                        raise DeviceError(
                            f"the microphone {microphone.name!r} gives no sound any more; plug it in again"
                        )
                    continue
                alive_s = time.monotonic()
                backoff.reset()
                trouble.over(f"the microphone {microphone.name!r} is heard again")
                for chunk in chunker.push(block):
                    if not outbox.put(chunk):
                        return
                self.gaps = chunker.gaps
        finally:
            stream.close()
