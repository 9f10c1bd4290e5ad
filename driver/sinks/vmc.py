"""The VMC output: as an assistant or a performer, no faster than asked for, and with an ear for what receivers ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from driver.sinks.datagram import DatagramSink, Pack
from driver.sinks.listen import listen_for_datagrams, own_address
from driver.sinks.rate import limited
from driver.sinks.sink import HelloTimer, Notice, SaidOnce, Sink, SinkContext
from driver.sinks.url import SinkUrl
from protocol import osc, vmc, vmc_requests
from protocol.frame import FaceFrame, ProtocolError
from protocol.vmc_requests import Periods, Requests

_LONGEST_REQUEST = 65_535
_REQUESTS_A_FRAME = 32


class RequestReader:
    """Reads, without waiting, what receivers send to UDP port `port` of `host`."""

    def __init__(self, name: str, host: str, port: int, notice: Notice) -> None:
        self.host, self.port = host, port
        self._say = SaidOnce(notice)
        self._socket = listen_for_datagrams(f"{name} with listen={port}", host, port)

    def read(self) -> list[Requests]:
        """What has come since the last time; what makes no sense is said once."""
        found: list[Requests] = []
        for _ in range(_REQUESTS_A_FRAME):
            try:
                data = self._socket.recv(_LONGEST_REQUEST)
            except BlockingIOError:
                break
            except OSError:
                continue  # Windows tells here of a datagram that somebody refused
            try:
                found.append(vmc_requests.decode(osc.decode_packet(data)))
            except ProtocolError as error:
                self._say(f"a VMC request changes nothing: {error}")
        return found

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


class AnsweringPack:
    """Makes the datagrams of each frame as its `reader` is asked to."""

    def __init__(self, options: vmc.VmcOptions, reader: RequestReader, clock_ns: Callable[[], int]) -> None:
        self._options = options
        self._reader = reader
        self._news = HelloTimer(clock_ns)
        self._periods = Periods()
        self._number = 0

    def __call__(self, frame: FaceFrame, packet: bytes) -> list[bytes]:
        """The frame, what is to be passed on, and once a second or when asked, where requests are listened to."""
        wants_news = self._news.is_due()
        extra: list[bytes] = []
        for requests in self._reader.read():
            self._periods = requests.periods or self._periods
            wants_news |= requests.wants_news
            extra += requests.passed_on
        if wants_news:
            extra.append(vmc_requests.encode_listening(self._reader.port, self._reader.host))
        groups = self._periods.due(self._number)
        self._number += 1
        return osc.pack(extra) + vmc.encode(frame, self._options, groups)


class ListeningSink(DatagramSink):
    """A datagram sink that closes its `reader`, too."""

    def __init__(self, name: str, host: str, port: int, pack: Pack, reader: RequestReader) -> None:
        super().__init__(name, host, port, pack)
        self._reader = reader

    def close(self) -> None:
        super().close()
        self._reader.close()


def open_vmc(url: SinkUrl, context: SinkContext) -> Sink:
    """vmc://HOST:PORT?mode=assistant|performer&presets=vrm0|vrm1|none&shapes=pascal|camel&gaze=shapes|target&rate=HZ
    &listen=PORT"""
    options = vmc.VmcOptions(
        mode=url.options.choice("mode", get_args(vmc.Mode)),
        presets=url.options.choice("presets", get_args(vmc.Presets)),
        shapes=url.options.choice("shapes", get_args(vmc.ShapeNames)),
        gaze=url.options.choice("gaze", get_args(vmc.Gaze)),
    )
    is_performer = options.mode == "performer"
    listen = url.options.number("listen", 1, 65_535) if is_performer else None
    rate_hz = url.options.number("rate", 1, 1000)
    url.options.refuse_unknown()
    port = url.port or (vmc.PERFORMER_PORT if is_performer else vmc.ASSISTANT_PORT)
    name = url.name(port)
    if listen is None:
        pack = limited(lambda frame, packet: vmc.encode(frame, options), rate_hz, context.clock_ns)
        return DatagramSink(name, url.host, port, pack)
    reader = RequestReader(name, own_address(url.host), int(listen), context.notice)
    try:
        answering = AnsweringPack(options, reader, context.clock_ns)
        return ListeningSink(name, url.host, port, limited(answering, rate_hz, context.clock_ns), reader)
    except BaseException:
        reader.close()
        raise
