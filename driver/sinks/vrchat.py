"""The VRChat output: OSC avatar parameters, those that the avatar has, when they change."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from driver.errors import SinkError
from driver.sinks.datagram import DatagramSink
from driver.sinks.rate import RateLimit
from driver.sinks.sink import HelloTimer, Sink, SinkContext
from driver.sinks.url import SinkUrl
from driver.sinks.vrchat_avatar import AvatarWatch, local_avatar, not_found
from driver.sinks.vrchat_discovery import need_zeroconf
from protocol.frame import FaceFrame
from protocol.unified_expressions import Values
from protocol.vrchat import DEFAULT_PORT, Avatar, EyeLook, again, any_avatar, encode

# VRChat answers at once; its avatar's parameters may take some seconds more.
_CHECK_S = 10.0


@dataclass(frozen=True)
class VrChatSettings:
    """How to speak to VRChat.

    eyes          "native": VRChat's own eyes; "parameters": the avatar's; "auto": native where the avatar has none
    rate_hz       most frames a second, 1..100
    discovery     look for VRChat and its avatar with OSCQuery
    interfaces    addresses of the network interfaces to look on; none = all
    avatar_file   an avatar's configuration, for when VRChat is not found
    """

    eyes: EyeLook = "auto"
    rate_hz: float = 60.0
    discovery: bool = True
    interfaces: Sequence[str] = ()
    avatar_file: Path | None = None


DEFAULTS = VrChatSettings()


class VrChatSink:
    """Sends to `host`, port `port` or else the one that VRChat names or 9000; everything anew once a second.

    When it is closed, the avatar's face comes to rest and the avatar is told to do without us.
    """

    def __init__(
        self, name: str, host: str, port: int | None, context: SinkContext, settings: VrChatSettings = DEFAULTS
    ) -> None:
        self._base = name.rpartition(":")[0]
        self._host, self._own_port, self._settings = host, port, settings
        self._limit = RateLimit(settings.rate_hz, context.clock_ns)
        self._refresh = HelloTimer(context.clock_ns)
        self._sent_to: Avatar | None = None
        self._sent: Values | None = None
        self._last: FaceFrame | None = None
        self._is_active = True
        self._stand_in = any_avatar() if settings.discovery else local_avatar(settings.avatar_file)
        self._port = DEFAULT_PORT if port is None else port
        self._out = self._opened(self._port)
        self._watch: AvatarWatch | None = None
        if settings.discovery:
            try:
                self._watch = AvatarWatch(host, context.notice, settings.avatar_file, settings.interfaces)
            except BaseException:
                self._out.close()
                raise

    @property
    def name(self) -> str:
        """The URL without options, with the port that is sent to."""
        return f"{self._base}:{self._port}"

    def send(self, frame: FaceFrame, packet: bytes) -> None:
        """Send what has changed, unless the last frame is too short a while ago."""
        if not self._limit.allows():
            return
        self._follow_port()
        self._last = frame
        self._out.send(frame, packet)

    def _follow_port(self) -> None:
        named = self._watch.port if self._watch is not None else None
        port = self._own_port or named or DEFAULT_PORT
        if port != self._port:
            opened = self._opened(port)
            self._out.close()
            self._out, self._port = opened, port

    def _opened(self, port: int) -> DatagramSink:
        return DatagramSink(f"{self._base}:{port}", self._host, port, self._pack)

    def _pack(self, frame: FaceFrame, packet: bytes) -> list[bytes]:
        avatar = self._stand_in if self._watch is None else self._watch.avatar
        if avatar is not self._sent_to:
            self._sent_to, self._sent = avatar, None
        elif self._refresh.is_due() and self._sent is not None:
            self._sent = again(avatar, self._sent)
        datagrams, self._sent = encode(frame, avatar, self._sent, self._settings.eyes, self._is_active)
        return datagrams

    def clients(self) -> int | None:
        """None: UDP has no connections to count."""
        return None

    def close(self) -> None:
        """Let the face come to rest, then close."""
        if self._is_active and self._last is not None:
            self._is_active = False
            with contextlib.suppress(SinkError):  # nobody is there any more
                self._out.send(_at_rest(self._last), b"")
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self._out.close()


def _at_rest(frame: FaceFrame) -> FaceFrame:
    parts = {name: np.zeros_like(frame.part(name)) for name in ("arkit", "eyelids", "gaze", "head_rotation")}
    return replace(frame, **parts)


def open_vrchat(url: SinkUrl, context: SinkContext) -> Sink:
    """vrchat://HOST:PORT?eyes=auto|native|parameters&rate=HZ&discovery=1|0&interface=ADDRESS&avatar_file=FILE"""
    return VrChatSink(url.name(url.port or DEFAULT_PORT), url.host, url.port, context, _read(url))


def check_vrchat(url: SinkUrl) -> str:
    """What `doctor` says of vrchat://: SinkError when VRChat is not found."""
    settings = _read(url)
    if not settings.discovery:
        avatar = local_avatar(settings.avatar_file)
        return f"VRChat is not looked for; what is sent: {len(avatar.wires)} parameters of {avatar.id or 'any avatar'}"
    said: list[str] = []
    watch = AvatarWatch(url.host, said.append, settings.avatar_file, settings.interfaces)
    try:
        is_found = watch.wait(_CHECK_S)
    finally:
        watch.close()
    if not is_found:
        raise SinkError(f"{url.name(url.port or DEFAULT_PORT)}: {said[0] if said else not_found(watch.avatar)}")
    return said[-1]


def _read(url: SinkUrl) -> VrChatSettings:
    options = url.options
    interface = options.text("interface", "")
    settings = VrChatSettings(
        eyes=options.choice("eyes", get_args(EyeLook)),
        rate_hz=options.number("rate", 1, 100) or DEFAULTS.rate_hz,
        discovery=options.choice("discovery", ("1", "0")) == "1",
        interfaces=(interface,) if interface else (),
        avatar_file=options.path("avatar_file"),
    )
    options.refuse_unknown()
    if settings.discovery:
        need_zeroconf()
    return settings
