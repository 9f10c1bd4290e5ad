"""The avatar output: the face for a remote peer, one small datagram a frame, within a bit rate."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from driver.errors import UsageError
from driver.sinks.datagram import DatagramSink
from driver.sinks.rate import limited
from driver.sinks.sink import Sink, SinkContext
from driver.sinks.url import SinkUrl
from protocol import avatar_codec
from protocol.frame import FaceFrame

DEFAULT_RATE_HZ = 30.0


def open_avatar(url: SinkUrl, context: SinkContext) -> Sink:
    """avatar://HOST:PORT?kbps=KBPS&key_every=FRAMES&rate=HZ"""
    kbps = url.options.number("kbps", 1, 1000) or avatar_codec.DEFAULTS.kbps
    key_every = url.options.number("key_every", 1, 120) or avatar_codec.DEFAULTS.key_every
    rate_hz = url.options.number("rate", 1, 1000) or DEFAULT_RATE_HZ
    url.options.refuse_unknown()
    if key_every != int(key_every):
        raise UsageError(f"{url.text} asks for key_every={key_every:g}; it must be a whole number of frames")
    options = avatar_codec.AvatarOptions(kbps=kbps, key_every=int(key_every))
    port = url.port or avatar_codec.DEFAULT_PORT
    pack = limited(_Encoder(options), rate_hz, context.clock_ns)
    return DatagramSink(url.name(port), url.host, port, pack)


class _Encoder:
    """Keeps the encoder's state between frames; a new session each time it is made."""

    def __init__(self, options: avatar_codec.AvatarOptions) -> None:
        self._options = options
        self._state = avatar_codec.EncoderState(session=secrets.randbelow(256))

    def __call__(self, frame: FaceFrame, packet: bytes) -> Sequence[bytes]:
        datagram, self._state = avatar_codec.encode(frame, self._state, self._options)
        return () if datagram is None else (datagram,)
