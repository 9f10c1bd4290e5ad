"""One connection to VTube Studio: authenticate, create our parameters, feed in frames until something ends it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Literal

from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection

from driver.mailbox import Closed, Mailbox
from driver.sinks.vtube_studio_token import TokenFile
from protocol import vtube_studio as api
from protocol.frame import FaceFrame
from protocol.vtube_studio import ErrorId, Message
from protocol.vtube_studio_face import OWN_PARAMETERS, own_values, tracking_values

Parameters = Literal["all", "own", "tracking"]

_CONNECT_S = 2.0
_CLOSE_S = 0.5
_ANSWER_S = 5.0
_POLL_S = 0.1
# The API names no limit, but nobody draws more pictures than this.
_MOST_HZ = 60.0
# VTube Studio lets go of a value after one second.
_REFRESH_S = 0.5
# A sender that is silent for longer has stopped, and its face shall not stay.
_LET_GO_S = 2.5
# It answers once a picture: so many requests may wait before we do, and then the newest frame goes next.
_MOST_UNANSWERED = 4
_DENIED_WAIT_S = 60.0
_TAKEN_WAIT_S = 1.0


class Refused(Exception):
    """VTube Studio has said no. `wait_s`: how long not to ask again."""

    def __init__(self, sentence: str, wait_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s


def open_connection(host: str, port: int) -> ClientConnection:
    """A WebSocket to VTube Studio; OSError or a WebSocketException when there is none."""
    # Connected by ourselves: no proxy of the system's may stand between this machine and itself.
    stream = socket.create_connection((host, port), timeout=_CONNECT_S)
    host_in_uri = f"[{host}]" if ":" in host else host
    return connect(
        f"ws://{host_in_uri}:{port}",
        sock=stream,
        compression=None,
        open_timeout=_CONNECT_S,
        close_timeout=_CLOSE_S,
        max_size=api.MAX_MESSAGE_BYTES,
    )


class Session:
    """Speaks over an open connection. All methods raise Refused, TimeoutError, ProtocolError or WebSocketException.

    ended    the sink is being closed: every wait ends
    notice   takes sentences for the user
    """

    def __init__(self, connection: Connection, ended: threading.Event, notice: Callable[[str], None]) -> None:
        self._connection = connection
        self._ended = ended
        self._notice = notice
        self._count = 0
        self._unanswered = 0

    def check(self) -> None:
        """Refused when the API is switched off."""
        if not api.is_active(self._ask(api.state_request)):
            raise Refused("its API is off; turn on `Allow Plugin API access` in its settings")

    def authenticate(self, token_file: TokenFile) -> None:
        """With the stored token, or with a new one, for which the user is asked."""
        token = token_file.load()
        if token is not None and self._is_accepted(token):
            return
        if token is not None:
            token_file.forget()
        self._notice("click Allow in VTube Studio, which asks whether Avatar Driver may control it; it is asked once")
        token = api.token_of(self._ask(api.token_request, timeout_s=None))
        try:
            token_file.save(token)
        except OSError as error:
            self._notice(
                f"the permission cannot be kept in {token_file.path} ({error.strerror}); it is asked for again"
            )
        if not self._is_accepted(token):
            token_file.forget()
            raise Refused("it does not accept the permission that it has just given; restart it")

    def _is_accepted(self, token: str) -> bool:
        return api.is_authenticated(self._ask(lambda request_id: api.authentication_request(request_id, token)))

    def prepare(self, wanted: Parameters) -> frozenset[str]:
        """Create what is missing of ours; the names of all parameters that may be injected."""
        known = api.known_parameters(self._ask(api.parameter_list_request))
        names = {name for name in known.tracking if wanted != "own"}
        if wanted == "tracking":
            return frozenset(names)
        for parameter in OWN_PARAMETERS:
            owner = known.custom.get(parameter.name)
            if owner is None:
                self._ask(lambda request_id, new=parameter: api.creation_request(request_id, new))
            elif owner != api.PLUGIN_NAME:
                self._notice(f"the parameter {parameter.name} belongs to the plug-in {owner}, and stays with it")
                continue
            names.add(parameter.name)
        return frozenset(names)

    def feed(self, frames: Mailbox[FaceFrame], names: frozenset[str]) -> None:
        """Inject the newest frame, at most 60 a second and again every half second, until `frames` is closed."""
        newest: FaceFrame | None = None
        arrived_s = due_s = time.monotonic()
        while True:
            try:
                frame = frames.get(_REFRESH_S)
            except Closed:
                return
            now_s = time.monotonic()
            if frame is not None:
                newest, arrived_s = frame, now_s
            if newest is not None and now_s - arrived_s <= _LET_GO_S:
                self._inject(newest, names)
                due_s = max(due_s, now_s - 1 / _MOST_HZ) + 1 / _MOST_HZ
            is_taken = self._hear()
            self._ended.wait(_TAKEN_WAIT_S if is_taken else max(0.0, due_s - time.monotonic()))

    def _inject(self, frame: FaceFrame, names: frozenset[str]) -> None:
        values = {**tracking_values(frame), **own_values(frame)}
        values = {name: value for name, value in values.items() if name in names}
        request_id = self._next_id()
        self._connection.send(api.injection_request(request_id, values, is_found=frame.is_found))
        self._unanswered += 1

    def _hear(self) -> bool:
        """Take the answers that are there; wait for one when too many are owed. True: another plug-in is in the way."""
        is_taken = False
        while self._unanswered:
            try:
                text = self._connection.recv(_ANSWER_S if self._unanswered >= _MOST_UNANSWERED else 0)
            except TimeoutError:
                if self._unanswered >= _MOST_UNANSWERED:
                    raise
                break
            message = api.decode(text)
            if message.type.endswith("Event"):
                continue
            self._unanswered -= 1
            error = api.error_of(message)
            if error is None:
                continue
            if error[0] == ErrorId.DENIED:  # what every request gets after the user has taken the permission back
                raise _refused(ErrorId.NOT_AUTHENTICATED, error[1])
            if error[0] != ErrorId.DRIVEN_BY_OTHER_PLUGIN:
                raise _refused(*error)
            is_taken = True
            self._notice(
                f"another plug-in drives the same parameters ({error[1]}); stop it, or add ?parameters=own to feed "
                "only the parameters that are ours"
            )
        return is_taken

    def _ask(self, request: Callable[[str], str], timeout_s: float | None = _ANSWER_S) -> Message:
        """Send a request and wait for its answer; None waits for a person."""
        request_id = self._next_id()
        self._connection.send(request(request_id))
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while deadline_s is None or time.monotonic() < deadline_s:
            if self._ended.is_set():
                raise Closed
            try:
                message = api.decode(self._connection.recv(_POLL_S))
            except TimeoutError:
                continue
            if message.request_id != request_id:
                continue
            if error := api.error_of(message):
                raise _refused(*error)
            return message
        raise TimeoutError(f"no answer within {timeout_s:g} s")

    def _next_id(self) -> str:
        self._count += 1
        return f"avatar-driver-{self._count}"


def _refused(number: int, text: str) -> Refused:
    match number:
        case ErrorId.API_IS_OFF:
            return Refused("its API is off; turn on `Allow Plugin API access` in its settings")
        case ErrorId.NOT_AUTHENTICATED:
            return Refused("it has withdrawn the permission; it is asked for again")
        case ErrorId.DENIED:
            return Refused("it was told not to allow Avatar Driver; it asks again in a minute", _DENIED_WAIT_S)
        case ErrorId.BEING_ASKED:
            return Refused("it still shows an earlier question; answer that one first", _ANSWER_S)
        case ErrorId.TOO_MANY_FOR_PLUGIN | ErrorId.TOO_MANY_IN_ALL:
            return Refused(
                "it has no room for more custom parameters; delete those of other plug-ins in its settings, or add "
                "?parameters=tracking to do without",
                _DENIED_WAIT_S,
            )
        case _:
            return Refused(f"it refuses a request with error {number}: {text}")
