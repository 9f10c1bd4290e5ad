"""Where raw sound comes from and how its bytes are to be read, from what the user typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from driver.capture.resample import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from driver.errors import UsageError
from driver.types import AUDIO_RATE_HZ
from protocol.frame import Floats

_FORMATS = {"s16le": ("<i2", 32_768.0), "s32le": ("<i4", 2_147_483_648.0), "f32le": ("<f4", 1.0)}
FORMAT_OPTIONS = ("rate", "channels", "format")
_MOST_CHANNELS = 32


@dataclass(frozen=True)
class PcmFormat:
    """How the bytes are to be read: samples of all channels after each other, little-endian."""

    rate_hz: int = AUDIO_RATE_HZ
    channels: int = 1
    encoding: str = "s16le"

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return np.dtype(_FORMATS[self.encoding][0]).itemsize * self.channels

    def decode(self, data: bytes) -> Floats:
        """Whole frames to float32 [n, channels] in -1..1."""
        dtype, full_scale = _FORMATS[self.encoding]
        return (np.frombuffer(data, dtype) / full_scale).astype(np.float32).reshape(-1, self.channels)


@dataclass(frozen=True)
class PcmAddress:
    """Where the bytes come from: stdin when `host` is None."""

    host: str | None
    port: int
    format: PcmFormat


def parse_pcm(address: str) -> PcmAddress:
    """What `address` means; raises UsageError.

    pcm://HOST:PORT?rate=24000&channels=1&format=s16le   listen there; port 0 is any free one
    pcm://-?rate=24000                                   stdin; all options may be left out
    -                                                    stdin, 16 kHz mono s16le
    """
    try:
        parts = urlsplit("pcm://-" if address == "-" else address)
        port = parts.port
    except ValueError:  # a bracket that is not closed, or a port that is no number, or too large
        parts, port = urlsplit(""), None
    is_stdin = parts.netloc == "-"
    if parts.scheme != "pcm" or parts.path not in ("", "/") or not (is_stdin or (parts.hostname and port is not None)):
        raise UsageError(f"{address} is no source of raw sound; give - for stdin, or pcm://127.0.0.1:5580?rate=24000")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in given:
        if name not in FORMAT_OPTIONS:
            raise UsageError(f"{address}: unknown option {name!r}; there are: {', '.join(FORMAT_OPTIONS)}")
    return PcmAddress(None if is_stdin else parts.hostname, port or 0, parse_format(address, given))


def parse_format(address: str, given: Mapping[str, str]) -> PcmFormat:
    """What the FORMAT_OPTIONS among `given` tell; UsageError, which begins with `address`, when they tell nonsense."""
    encoding = given.get("format", PcmFormat.encoding)
    if encoding not in _FORMATS:
        raise UsageError(f"{address}: format is {encoding!r}; it must be one of {', '.join(_FORMATS)}")
    return PcmFormat(
        _whole_number(address, "rate", given, PcmFormat.rate_hz, LOWEST_RATE_HZ, HIGHEST_RATE_HZ),
        _whole_number(address, "channels", given, PcmFormat.channels, 1, _MOST_CHANNELS),
        encoding,
    )


def _whole_number(address: str, name: str, given: Mapping[str, str], default: int, lowest: int, highest: int) -> int:
    text = given.get(name, str(default))
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise UsageError(f"{address}: {name} is {text!r}; it must be a whole number within {lowest}..{highest}")
    return int(text)
