"""PortAudio: loaded when a microphone is wanted, its input devices, and its streams as blocks of float32.

Importing this file loads nothing: a machine without the library can still drive an avatar from files and pictures.
"""

from __future__ import annotations

import atexit
import importlib
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driver.capture.clock import SECOND_NS, samples_to_ns
from driver.errors import DeviceError

_BLOCK_S = 0.01
# Two channels are enough to find a voice on either side; the rest of an interface's or a server's 32 are other things.
_MOST_CHANNELS = 2
_LONGEST_DELAY_NS = SECOND_NS

# A stream's block: float32 [n, channels] (valid during the call only), sensor time of its end, whether sound was lost
# before it.
TakeBlock = Callable[[NDArray[np.float32], int, bool], None]

# PortAudio's list of devices is made when it is initialised, and must not be renewed while another thread uses it.
_lock = threading.RLock()


@dataclass(frozen=True)
class MicrophoneInfo:
    """An input device. `rate_hz` is the device's own; `channels` how many it has."""

    index: int
    name: str
    channels: int
    rate_hz: int
    is_default: bool

    @property
    def used_channels(self) -> int:
        """How many channels a stream delivers."""
        return min(self.channels, _MOST_CHANNELS)

    @property
    def block_samples(self) -> int:
        """How many samples a stream delivers at a time."""
        return round(self.rate_hz * _BLOCK_S)


def load_sounddevice() -> Any:
    """The module `sounddevice`; DeviceError when PortAudio is not installed, or does not start."""
    try:
        return importlib.import_module("sounddevice")
    except OSError as error:
        remedy = {"linux": "apt-get install libportaudio2", "darwin": "brew install portaudio"}.get(
            sys.platform, "pip install --force-reinstall sounddevice"
        )
        raise DeviceError(f"microphones need the PortAudio library, which is not installed: {remedy}") from error
    except Exception as error:
        # Its class is in the very module that does not load. Anything else is no fault of the sound system.
        if type(error).__name__ != "PortAudioError":
            raise
        raise _silent(error) from error


def _silent(error: Exception) -> DeviceError:
    reason = error.args[0] if error.args else type(error).__name__
    return DeviceError(f"the sound system gives no list of microphones ({reason}); restart it, or log in anew")


def renew_devices() -> None:
    """Look for devices again, for ones that came or went. No stream may be open. DeviceError when the sound system does
    not answer; it may be called again later.
    """
    sounddevice = load_sounddevice()
    with _lock:
        try:
            if sounddevice._initialized:  # not so after the sound system has failed to answer
                sounddevice._terminate()
            sounddevice._initialize()
        except sounddevice.PortAudioError as error:
            raise _silent(error) from error


def list_microphones() -> list[MicrophoneInfo]:
    """All input devices, in PortAudio's order. Raises DeviceError without PortAudio, or when it does not answer."""
    sounddevice = load_sounddevice()
    with _lock:
        try:
            devices: list[dict[str, Any]] = list(sounddevice.query_devices())
            default_index = int(sounddevice.default.device[0])
        except sounddevice.PortAudioError as error:
            raise _silent(error) from error
    return [
        MicrophoneInfo(
            index=index,
            name=str(device["name"]),
            channels=int(device["max_input_channels"]),
            rate_hz=round(device["default_samplerate"]),
            is_default=index == default_index,
        )
        for index, device in enumerate(devices)
        if device["max_input_channels"] > 0
    ]


def find_microphone(wanted: str | int | None) -> MicrophoneInfo:
    """The device with this index, this name or this part of a name (the first); None or "" is the system's default."""
    microphones = list_microphones()
    if not microphones:
        raise DeviceError("no microphone was found; plug one in, and check that the system's sound settings show it")
    if wanted is None or wanted == "":
        chosen = [microphone for microphone in microphones if microphone.is_default] or microphones
    elif isinstance(wanted, int) or wanted.isdecimal():
        chosen = [microphone for microphone in microphones if microphone.index == int(wanted)]
    else:
        name = wanted.casefold()
        chosen = [microphone for microphone in microphones if microphone.name.casefold() == name]
        chosen += [microphone for microphone in microphones if name in microphone.name.casefold()]
    if not chosen:
        known = ", ".join(f"{microphone.index} {microphone.name}" for microphone in microphones)
        raise DeviceError(f"there is no microphone {wanted!r}; there are: {known}")
    return chosen[0]


def leave_to_the_system() -> None:
    """A hung sound server holds a stream that cannot be closed: do not try again when the program ends."""
    exit_handler: Any = getattr(load_sounddevice(), "_exit_handler", None)
    atexit.unregister(exit_handler)


class InputStream:
    """A running PortAudio stream that calls `take_block` from PortAudio's own thread every 10 ms.

    `take_block` must only copy: no locks held long, no I/O. Raises DeviceError when the device cannot be opened.
    """

    def __init__(self, microphone: MicrophoneInfo, take_block: TakeBlock) -> None:
        sounddevice = load_sounddevice()
        self._rate_hz = microphone.rate_hz
        self._take_block = take_block
        with _lock:
            try:
                self._stream: Any = sounddevice.InputStream(
                    device=microphone.index,
                    samplerate=microphone.rate_hz,
                    channels=microphone.used_channels,
                    blocksize=microphone.block_samples,
                    dtype="float32",
                    latency="low",
                    callback=self._called,
                )
                self._stream.start()
            except sounddevice.PortAudioError as error:
                raise DeviceError(
                    f"the microphone {microphone.name!r} could not be opened ({error.args[0]}); another program may "
                    "be using it, or this one may not: check the system's privacy settings"
                ) from error

    @property
    def is_active(self) -> bool:
        """False once the device has gone."""
        return bool(self._stream.active)

    def close(self) -> None:
        """Stop at once and let go of the device; what it says about a device that has gone is of no interest."""
        sounddevice = load_sounddevice()
        for step in (self._stream.abort, self._stream.close):
            try:
                step()
            except sounddevice.PortAudioError:
                continue

    def _called(self, block: NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        now_ns = time.perf_counter_ns()
        length_ns = samples_to_ns(frames, self._rate_hz)
        # PortAudio has a clock of its own; only differences of its times are of use.
        delay_ns = round((times.currentTime - times.inputBufferAdcTime) * SECOND_NS)
        if not 0 <= delay_ns <= _LONGEST_DELAY_NS:
            delay_ns = length_ns  # some drivers leave it zero or at nonsense
        self._take_block(block, now_ns - delay_ns + length_ns, bool(status.input_overflow))
