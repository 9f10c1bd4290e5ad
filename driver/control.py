"""Turning a voice's knobs, and centring the head, from another program while it runs: OSC messages over UDP.

    /avatar/voice/lookahead     i   ms, a multiple of 20 within 0..240
    /avatar/voice/articulation  f   0..2
    /avatar/voice/laughter      f   0..2
    /avatar/voice/smoothing     f   ms, 0..1000
    /avatar/voice/style         s   a name, or as many f as a style has numbers
    /avatar/centre                  the head looks straight ahead now; an argument of 0 (a button let go) does nothing
    /avatar/centre/forget           poses as the camera sees them; likewise

All messages of a datagram are heeded together or not at all. What cannot be heeded is said once and changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import urlsplit

from driver.errors import AvatarDriverError, UsageError
from driver.knobs import Knobs
from driver.sinks.listen import is_loopback, listen_for_datagrams
from driver.sinks.sink import SaidOnce
from driver.stage import Worker
from protocol.frame import ProtocolError
from protocol.osc import Argument, Message, decode_packet

DEFAULT_PORT = 9011
# Each address with the field of `Knobs` that it turns.
ADDRESSES = {
    "/avatar/voice/lookahead": "lookahead_ms",
    "/avatar/voice/articulation": "articulation",
    "/avatar/voice/laughter": "laughter",
    "/avatar/voice/smoothing": "smoothing_ms",
    "/avatar/voice/style": "style",
}
_CENTRE, _FORGET_CENTRE = "/avatar/centre", "/avatar/centre/forget"
_WISHES = (_CENTRE, _FORGET_CENTRE)
_POLL_S = 0.1
_LONGEST_DATAGRAM = 65_535


class Turnable(Protocol):
    """What is controlled; see `driver.encode.AudioEncoder`."""

    @property
    def knobs(self) -> Knobs:
        """As they stand."""
        ...

    def set_knobs(self, knobs: Knobs) -> None:
        """Turn them, from any thread."""
        ...


class Centre(Protocol):
    """What is centred; see `driver.centre.HeadCentre`."""

    def ask(self) -> None:
        """From any thread."""
        ...

    def forget(self) -> None:
        """From any thread."""
        ...


class HasCentre(Protocol):
    """A face with a head; see `driver.personal_face.PersonalFace`."""

    @property
    def centre(self) -> Centre:
        """Of its head, as it is now."""
        ...


class ControlInput:
    """A context manager: the port is open from the start, and listened on by a thread of its own until the end.

    url     "osc://127.0.0.1:9011"; port 0 is any free one
    voice   whose knobs are turned; None: there is no sound
    face    whose head is centred; None: there is no camera
    Raises UsageError for a URL of another form and SinkError when the port is not to be had.
    """

    def __init__(
        self, url: str, voice: Turnable | None, notify: Callable[[str], None], face: HasCentre | None = None
    ) -> None:
        host, port = _address(url)
        self._voice, self._face = voice, face
        self._say = SaidOnce(notify)  # a slider out of range sends a hundred messages
        self._ended = threading.Event()
        self._socket = listen_for_datagrams(url, host, port)
        self._socket.settimeout(_POLL_S)
        self.port = int(self._socket.getsockname()[1])
        self._worker = Worker("control", self._listen, lambda name, error: notify(f"{url} is deaf: {error}"))
        if not is_loopback(host):
            notify(f"{url} obeys everybody on the network; give 127.0.0.1 unless you trust all of them")
        self._worker.start()

    def __enter__(self) -> ControlInput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._worker.join(10 * _POLL_S)
        self._socket.close()

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                datagram = self._socket.recv(_LONGEST_DATAGRAM)
            except TimeoutError:
                continue
            try:
                self._heed(decode_packet(datagram))
            except (AvatarDriverError, ProtocolError) as error:
                self._say(f"a control message changes nothing: {error}")

    def _heed(self, messages: Sequence[Message]) -> None:
        asks = [self._wish(one) for one in messages if one.address in _WISHES and _is_pressed(one)]
        changes: dict[str, Any] = dict(_change(one) for one in messages if one.address not in _WISHES)
        if changes:
            if self._voice is None:
                raise UsageError("there is no voice whose knobs could be turned; give --mic or --audio as well")
            self._voice.set_knobs(replace(self._voice.knobs, **changes))
        for ask in asks:
            ask()

    def _wish(self, message: Message) -> Callable[[], None]:
        if self._face is None:
            raise UsageError("there is no camera that sees a head to centre; give --webcam or --video as well")
        return self._face.centre.ask if message.address == _CENTRE else self._face.centre.forget


def _change(message: Message) -> tuple[str, int | float | str | tuple[float, ...]]:
    """The field of `Knobs` and its new value."""
    name = ADDRESSES.get(message.address)
    if name is None:
        raise UsageError(f"the address {message.address} is none of {', '.join((*ADDRESSES, *_WISHES))}")
    arguments = message.arguments
    if name == "style":
        if len(arguments) == 1 and isinstance(arguments[0], str):
            return "style", arguments[0]
        return "style", tuple(_number(message, argument) for argument in arguments)
    if len(arguments) != 1:
        raise UsageError(f"{message.address} has {len(arguments)} arguments; it takes one number")
    value = _number(message, arguments[0])
    if name == "lookahead_ms":
        return name, int(value) if value.is_integer() else -1  # which is out of range, and refused as such
    return name, value


def _is_pressed(message: Message) -> bool:
    """False for the message of a button that is let go."""
    if len(message.arguments) > 1:
        raise UsageError(f"{message.address} has {len(message.arguments)} arguments; it takes none, or one number")
    return not message.arguments or bool(message.arguments[0])


def _number(message: Message, argument: Argument) -> float:
    if isinstance(argument, bool) or not isinstance(argument, int | float):
        raise UsageError(f"{message.address} has the argument {argument!r}; it must be a number, i or f")
    return float(argument)


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:  # a bracket that is not closed, or a port that is no number, or too large
        parts, port = urlsplit(""), -1
    if parts.scheme != "osc" or not parts.hostname or port < 0 or parts.path not in ("", "/") or parts.query:
        raise UsageError(f"--control is {url}; it must be osc://HOST:PORT, osc://127.0.0.1:{DEFAULT_PORT} for example")
    return parts.hostname, port
