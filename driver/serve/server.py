"""The server: from what a user asks for to listeners, voices, outputs and numbers, and back in good order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field

from driver import __version__
from driver.config import Settings
from driver.errors import RunError, SinkError, UsageError
from driver.publish import Publisher, open_sinks
from driver.runtime import OnnxModel
from driver.serve.admission import DEADLINE_MS, Admission
from driver.serve.counters import Counters
from driver.serve.handler import Limits
from driver.serve.metrics_page import MetricsPage
from driver.serve.tcp import TcpVoices
from driver.serve.voices import MOST_VOICES, Voices
from driver.serve.websocket import WebSocketVoices
from driver.sinks.listen import is_loopback, why_not
from driver.sinks.sink import Notice, SinkContext
from driver.sinks.url import SinkUrl, parse_sink_url
from driver.stage import Worker
from driver.types import HOP_NS
from driver.weights import find_audio_model
from protocol.frame import OPEN_HEAD_ID
from protocol.msgpack_codec import Hello

DEFAULT_LISTEN = ("tcp://127.0.0.1:5600", "ws://127.0.0.1:5601")
DEFAULT_OUTPUTS = ("zmq://127.0.0.1:5571",)
DEFAULT_METRICS_PORT = 9464
# Their packets say whose face it is; those of the others know one face only.
SHARED_OUTPUTS = ("zmq", "ws", "udp", "osc", "livelink")
_EXPECTED_VOICES = 64  # how much room outputs have where nobody said how many come
_SLOWEST_EVERY = 50
_LONGEST_DEADLINE_MS = 10_000
_LAST_HOP_S = 3.0
# A hop must not wait 5 ms, Python's default, for the thread that reads the connections.
_SWITCH_INTERVAL_S = 0.001


@dataclass(frozen=True)
class ServeSettings:
    """What a server is asked for; `Settings` has the rest (model, knobs of those who turn none, smoothing, idle life).

    listen        tcp://HOST:PORT and ws://HOST:PORT?origin=URL[,URL...]; port 0 = any free one
    out           outputs that carry many faces: SHARED_OUTPUTS
    metrics       port of the page of numbers on this machine; 0 = any free one
    most_voices   more are refused; None = as many as the machine has time for
    deadline_ms   p99 of the work on a hop beyond which no further voice is let in
    every         publish each n-th hop of 20 ms
    """

    listen: tuple[str, ...] = DEFAULT_LISTEN
    out: tuple[str, ...] = DEFAULT_OUTPUTS
    metrics: int = DEFAULT_METRICS_PORT
    most_voices: int | None = None
    deadline_ms: float = DEADLINE_MS
    every: int = 1
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.most_voices is not None and not 1 <= self.most_voices <= MOST_VOICES:
            raise UsageError(f"most_voices is {self.most_voices}; it must be 1..{MOST_VOICES}")
        if not 0 < self.deadline_ms <= _LONGEST_DEADLINE_MS:
            raise UsageError(
                f"deadline_ms is {self.deadline_ms:g}; it must be within 0..{_LONGEST_DEADLINE_MS}, a hop lasts 20 ms"
            )
        if not 1 <= self.every <= _SLOWEST_EVERY:
            raise UsageError(f"every is {self.every}; it must be 1..{_SLOWEST_EVERY}, 1 is 50 frames a second")
        if not 0 <= self.metrics <= 65_535:
            raise UsageError(f"the metrics port is {self.metrics}; it must be in 0..65535")
        if not self.limits.idle_s > 0:
            raise UsageError(f"idle is {self.limits.idle_s:g} s; it must be more than 0")
        for url in self.out:
            check_shared(url)


def check_shared(url: str) -> None:
    """UsageError for an output that knows one face only."""
    scheme = url.partition("://")[0]
    if "://" in url and scheme not in SHARED_OUTPUTS:
        raise UsageError(
            f"{url} shows one face, and a server has many; the outputs that carry many are {', '.join(SHARED_OUTPUTS)}"
        )


class Server:
    """Everything is opened when it is made; `run` blocks until `stop`, which any thread may call.

    Raises UsageError, SinkError or ModelError for the first thing that is not to be had.
    """

    def __init__(self, settings: Settings, serve: ServeSettings, notice: Notice) -> None:
        self.counters = Counters()
        self._notice = notice
        self._error: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        model = OnnxModel(find_audio_model(settings.voice.model), settings.device)
        with ExitStack() as opened:
            opened.callback(self._loop.close)
            listening = [(url, self._listen(url, opened)) for url in map(_parsed, serve.listen)]
            metrics = _listener(f"http://127.0.0.1:{serve.metrics}/metrics", "127.0.0.1", serve.metrics)
            opened.callback(metrics.close)
            hello = Hello("avatar-driver", __version__, OPEN_HEAD_ID, 1e9 / HOP_NS / serve.every)
            context = SinkContext(hello, notice, subjects=serve.most_voices or _EXPECTED_VOICES)
            self._publisher = Publisher(open_sinks(serve.out, context), notice)
            opened.callback(self._publisher.close)
            admission = Admission(serve.most_voices, serve.deadline_ms)
            self.voices = Voices(settings, model, self._publisher.send, admission, self.counters, serve.every)
            self.voices.rehearse()
            opened.pop_all()
        self.metrics_port: int = metrics.getsockname()[1]
        self.addresses = [url.name(listener.getsockname()[1]) for url, listener in listening]
        self._parts: list[TcpVoices | WebSocketVoices | MetricsPage] = [MetricsPage(metrics, self.counters)]
        for url, listener in listening:
            if url.scheme == "tcp":
                self._parts.append(TcpVoices(listener, self.voices, serve.limits, settings.voice))
            else:
                origins = tuple(filter(None, url.options.text("origin", "").split(",")))
                self._parts.append(WebSocketVoices(listener, self.voices, serve.limits, settings.voice, origins))
        self._worker = Worker("voices", self.voices.run, self._fail)

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs, with their real ports."""
        return [sink.name for sink in self._publisher.sinks]

    def run(self) -> None:
        """Serve until `stop`, then let all voices go. Raises what ended it otherwise."""
        switch_interval_s = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        try:
            self._worker.start()
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            self.voices.stop()
            is_done = self._worker.join(_LAST_HOP_S)
            self._publisher.close()
            sys.setswitchinterval(switch_interval_s)
        if self._error is not None:
            raise self._error
        if not is_done:
            raise RunError(f"the voices did not stop within {_LAST_HOP_S:g} s")

    def stop(self) -> None:
        """End `run`, in good order. May be called again."""
        with contextlib.suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def _serve(self) -> None:
        for part in self._parts:
            await part.start()
        await self._stopped.wait()
        self.voices.stop()  # nothing is played to its end, so nothing is waited for
        for part in self._parts:
            await part.stop()

    def _listen(self, url: SinkUrl, opened: ExitStack) -> socket.socket:
        if url.port is None:
            raise UsageError(f"{url.text} names no port; write {url.scheme}://127.0.0.1:5600")
        if url.scheme == "ws":
            url.options.text("origin", "")
        url.options.refuse_unknown()
        listener = _listener(url.name(url.port), url.host, url.port)
        opened.callback(listener.close)
        if not is_loopback(url.host):
            self._notice(
                f"anyone who reaches {url.name(url.port)} can make faces speak; listen on 127.0.0.1 to keep it"
            )
        return listener

    def _fail(self, name: str, error: BaseException) -> None:
        self._error = error
        self.stop()


def _parsed(text: str) -> SinkUrl:
    if text.partition("://")[0] not in ("tcp", "ws"):
        raise UsageError(f"{text} is nothing to listen on; write tcp://127.0.0.1:5600 or ws://127.0.0.1:5601")
    return parse_sink_url(text, ("tcp", "ws"), may_choose_port=("tcp", "ws"))


def _listener(name: str, host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(("" if host == "*" else host, port), family=family, backlog=_EXPECTED_VOICES)
    except OSError as error:
        raise SinkError(
            f"{name} cannot be opened: {why_not(error.errno, error.strerror or str(error), port)}"
        ) from error
