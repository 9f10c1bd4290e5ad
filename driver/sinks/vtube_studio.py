"""The VTube Studio output: one of its plug-ins, which connects whenever it is there and keeps nobody waiting."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import get_args

from websockets.exceptions import InvalidHandshake, WebSocketException

from driver.errors import SinkError
from driver.mailbox import Closed, Mailbox
from driver.sinks.sink import SaidOnce, Sink, SinkContext
from driver.sinks.url import SinkUrl
from driver.sinks.vtube_studio_session import Parameters, Refused, Session, open_connection
from driver.sinks.vtube_studio_token import TokenFile, tokens_folder
from driver.stage import Worker
from protocol.frame import FaceFrame, ProtocolError
from protocol.vtube_studio import DEFAULT_PORT

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 5.0
# A connection that has lasted so long had worked: what goes wrong then is new.
_WORKED_S = 2.0
_JOIN_S = 3.0
_NOT_THERE = (
    "VTube Studio is not there; start it and turn on `Allow Plugin API access` in its settings, with the same port"
)


def open_vts(url: SinkUrl, context: SinkContext) -> Sink:
    """vts://HOST:PORT; parameters=all|own|tracking says which parameters are fed."""
    port, parameters = _read(url)
    return VTubeStudioSink(url.name(port), url.host, port, context, parameters, tokens_folder())


def check_vts(url: SinkUrl) -> str:
    """What `doctor` says of vts://: SinkError when VTube Studio does not answer. Asks its user nothing."""
    port, _ = _read(url)
    name = url.name(port)
    try:
        with open_connection(url.host, port) as connection:
            Session(connection, threading.Event(), lambda sentence: None).check()
    except Refused as error:
        raise SinkError(f"{name}: VTube Studio is there, but {error}") from error
    except (ProtocolError, InvalidHandshake) as error:
        raise SinkError(f"{name}: {_not_it(error)}") from error
    except TimeoutError as error:
        raise SinkError(f"{name}: VTube Studio does not answer; check the address, and restart it") from error
    except (OSError, WebSocketException) as error:
        raise SinkError(f"{name}: {_NOT_THERE}") from error
    has_token = TokenFile(tokens_folder(), url.host, port).load() is not None
    return "VTube Studio is there" + ("" if has_token else "; the first run asks you to click Allow in it")


def _read(url: SinkUrl) -> tuple[int, Parameters]:
    parameters: Parameters = url.options.choice("parameters", get_args(Parameters))
    url.options.refuse_unknown()
    return DEFAULT_PORT if url.port is None else url.port, parameters


class VTubeStudioSink:
    """Feeds the newest frame to VTube Studio from a thread of its own.

    A connection that fails or ends is tried again after 0.5 s, then after twice as long each time, up to 5 s. A cause
    is said once, and again only after it had worked for 2 s in between.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        context: SinkContext,
        parameters: Parameters = "all",
        tokens: Path | None = None,
    ) -> None:
        self._name, self._host, self._port = name, host, port
        self._parameters: Parameters = parameters
        self._token_file = TokenFile(tokens or tokens_folder(), host, port)
        self._frames: Mailbox[FaceFrame] = Mailbox(1)
        self._ended = threading.Event()
        self._is_fed = False
        self._fed_since_s = 0.0
        self._wait_s = _FIRST_WAIT_S
        self._say = SaidOnce(lambda sentence: context.notice(f"{name}: {sentence}"))
        self._worker = Worker(
            "vtube studio", self._run, lambda name, error: self._say(f"the output has ended: {error!r}")
        )
        self._worker.start()

    @property
    def name(self) -> str:
        """The URL without options."""
        return self._name

    def send(self, frame: FaceFrame, packet: bytes) -> None:
        """Leave the frame for the thread; one that nobody has taken yet is replaced."""
        self._frames.put(frame)

    def clients(self) -> int | None:
        """1 while VTube Studio takes frames, else 0."""
        return int(self._is_fed)

    def close(self) -> None:
        """End the connection; VTube Studio lets go of the face within a second."""
        self._ended.set()
        self._frames.close()
        self._worker.join(_JOIN_S)

    def _run(self) -> None:
        while not self._ended.is_set():
            wait_s = 0.0
            try:
                self._converse()
            except Closed:
                return
            except Refused as error:
                wait_s = error.wait_s
                self._say(f"VTube Studio takes no frames: {error}")
            except (ProtocolError, InvalidHandshake) as error:
                self._say(_not_it(error))
            except TimeoutError:
                self._say("VTube Studio does not answer; it is tried again")
            except (OSError, WebSocketException):
                self._say(
                    "VTube Studio has gone; it is waited for" if self._is_fed else f"{_NOT_THERE}; it is waited for"
                )
            if self._is_fed and time.monotonic() - self._fed_since_s >= _WORKED_S:
                self._say.forget()
                self._wait_s = _FIRST_WAIT_S
            self._is_fed = False
            self._ended.wait(max(wait_s, self._wait_s))
            self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)

    def _converse(self) -> None:
        """One connection, from its opening to its end."""
        with open_connection(self._host, self._port) as connection:
            session = Session(connection, self._ended, self._say)
            session.authenticate(self._token_file)
            names = session.prepare(self._parameters)
            self._is_fed, self._fed_since_s = True, time.monotonic()
            self._say("VTube Studio takes the face")
            session.feed(self._frames, names)


def _not_it(error: Exception) -> str:
    return f"what listens there is not VTube Studio ({error}); correct the port"
