"""The last step: every frame to every output, encoded once, and no output able to disturb another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from driver.errors import SinkError
from driver.sinks.avatar import open_avatar
from driver.sinks.datagram import DatagramSink, Pack, udp_pack
from driver.sinks.ifacialmocap import open_ifacialmocap
from driver.sinks.listen import is_listened_to
from driver.sinks.livelink import open_livelink
from driver.sinks.rate import limited
from driver.sinks.sink import Notice, SaidOnce, Sink, SinkContext
from driver.sinks.url import SinkUrl, parse_sink_url
from driver.sinks.vmc import open_vmc
from driver.sinks.vrchat import check_vrchat, open_vrchat
from driver.sinks.vtube_studio import check_vts, open_vts
from driver.sinks.websocket import open_ws
from driver.sinks.zeromq import ZeroMqSink
from protocol import osc_face
from protocol.frame import FaceFrame
from protocol.msgpack_codec import encode


class Publisher:
    """Sends frames to `sinks`, which it owns from now on.

    A sink that fails is counted, said once for each cause through `notice`, and tried again with the next frame.
    """

    def __init__(self, sinks: Sequence[Sink], notice: Notice) -> None:
        self.sinks = tuple(sinks)
        self._say = SaidOnce(notice)
        self.sent = 0
        self.failures: dict[str, int] = {}

    def process(self, frame: FaceFrame) -> None:
        """Encode `frame` and send it."""
        self.send(frame, encode(frame))

    def send(self, frame: FaceFrame, packet: bytes) -> None:
        """Send `frame`, whose msgpack bytes are `packet` already (a recording's, for example)."""
        for sink in self.sinks:
            try:
                sink.send(frame, packet)
            except SinkError as error:
                self.failures[sink.name] = self.failures.get(sink.name, 0) + 1
                self._say(str(error))
        self.sent += 1

    def clients(self) -> int | None:
        """All clients of the sinks that can count them; None when none can."""
        counts = [count for count in (sink.clients() for sink in self.sinks) if count is not None]
        return sum(counts) if counts else None

    def close(self) -> None:
        """Close every sink."""
        with ExitStack() as closing:
            for sink in self.sinks:
                closing.callback(sink.close)


def open_sinks(urls: Sequence[str], context: SinkContext) -> list[Sink]:
    """Open all outputs, or none: what was opened is closed again when one fails."""
    with ExitStack() as opened:
        sinks: list[Sink] = []
        for url in urls:
            sinks.append(open_sink(url, context))
            opened.callback(sinks[-1].close)
        opened.pop_all()
        return sinks


def open_sink(url: str, context: SinkContext) -> Sink:
    """Open one output; UsageError when the URL is wrong, SinkError when this machine cannot open it.

    zmq://HOST:PORT       listens for ZeroMQ subscribers (5571); server_secret_file=FILE encrypts
    udp://HOST:PORT       the same packets as datagrams (5572)
    osc://HOST:PORT       OSC (9010); per_shape=1 adds one address for each ARKit shape; rate=HZ
    vmc://HOST:PORT       VMC (39540, performer 39539); mode=assistant|performer, presets=vrm0|vrm1|none,
                          shapes=pascal|camel, gaze=shapes|target, rate=HZ; a performer hears requests on listen=PORT
    livelink://HOST:PORT  Live Link Face (11111); subject=NAME, head_scale, eye_scale=radians|half_turns|degrees,
                          no_face=send|short, time=day|clock, rate=HZ
    vrchat://HOST:PORT    VRChat (9000, or what it names); eyes=auto|native|parameters, rate=HZ (60), discovery=1|0,
                          interface=ADDRESS, avatar_file=FILE
    ifacialmocap://HOST:PORT  the iPhone app iFacialMocap (49983); version=v1|v2; mode=listen waits there for programs
                          that ask, and answers at their reply_port=PORT (49983)
    vts://HOST:PORT       VTube Studio's plugin API (8001); parameters=all|own|tracking
    ws://HOST:PORT        listens for WebSockets, and serves the page that shows the face (5573); origin=URL,URL lets
                          pages from elsewhere listen, modules=FOLDER is a node_modules with three.js
    avatar://HOST:PORT    the avatar codec, for a remote peer (5574); kbps=KBPS (12), rate=HZ (30), key_every=N (4)
    """
    parsed = _parsed(url)
    return _OPENERS[parsed.scheme](parsed, context)


def check_sink(url: str, context: SinkContext) -> str:
    """What `doctor` says of an output; raises as `open_sink` does, and SinkError too when nobody is on the other side
    of an output that needs somebody there."""
    parsed = _parsed(url)
    if parsed.scheme in _CHECKS:
        return _CHECKS[parsed.scheme](parsed)
    sink = _OPENERS[parsed.scheme](parsed, context)
    counts_clients = sink.clients() is not None  # it listens itself
    sink.close()
    port = int(sink.name.rpartition(":")[2])
    if parsed.scheme in _RECEIVERS and not counts_clients and is_listened_to(parsed.host, port) is False:
        return f"can be opened, but nobody listens on port {port} yet: {_RECEIVERS[parsed.scheme]}"
    return "can be opened"


def _parsed(url: str) -> SinkUrl:
    return parse_sink_url(url, tuple(_OPENERS), may_choose_port=("zmq", "ws"))


def _open_zmq(url: SinkUrl, context: SinkContext) -> Sink:
    server_secret_file = url.options.path("server_secret_file")
    url.options.refuse_unknown()
    port = 5571 if url.port is None else url.port
    return ZeroMqSink(url.name(port), url.host, port, context, server_secret_file)


def _open_udp(url: SinkUrl, context: SinkContext) -> Sink:
    url.options.refuse_unknown()
    return _datagrams(url, 5572, udp_pack(context))


def _open_osc(url: SinkUrl, context: SinkContext) -> Sink:
    per_shape = url.options.flag("per_shape")
    rate_hz = url.options.number("rate", 1, 1000)
    url.options.refuse_unknown()
    pack = limited(lambda frame, packet: osc_face.encode(frame, per_shape=per_shape), rate_hz, context.clock_ns)
    return _datagrams(url, osc_face.DEFAULT_PORT, pack)


def _datagrams(url: SinkUrl, default_port: int, pack: Pack) -> Sink:
    port = default_port if url.port is None else url.port
    return DatagramSink(url.name(port), url.host, port, pack)


_OPENERS: dict[str, Callable[[SinkUrl, SinkContext], Sink]] = {
    "zmq": _open_zmq,
    "udp": _open_udp,
    "osc": _open_osc,
    "vmc": open_vmc,
    "livelink": open_livelink,
    "vrchat": open_vrchat,
    "ifacialmocap": open_ifacialmocap,
    "vts": open_vts,
    "ws": open_ws,
    "avatar": open_avatar,
}

# Outputs of which opening alone says nothing: they go on trying until the other side is there.
_CHECKS: dict[str, Callable[[SinkUrl], str]] = {"vts": check_vts, "vrchat": check_vrchat}

# What to do when nobody listens where datagrams go.
_RECEIVERS = {
    "udp": "start the game with our Unity package",
    "osc": "start the program that shall receive",
    "avatar": "start `avatar-driver receive` or another program that reads the avatar codec",
    "vmc": "start VSeeFace, Warudo, VNyan or another receiver, and switch on VMC in it",
    "ifacialmocap": "start the program that shall receive, and switch on iFacialMocap in it",
    "livelink": "open the Unreal project, with Live Link, Apple ARKit and Apple ARKit Face Support enabled",
}
