"""The Live Link output: one face as one subject, its frames numbered by the time of day."""

from __future__ import annotations

import time
from typing import get_args

from driver.errors import UsageError
from driver.sinks.datagram import DatagramSink
from driver.sinks.rate import limited
from driver.sinks.sink import Sink, SinkContext
from driver.sinks.url import SinkUrl
from protocol import livelink
from protocol.frame import ProtocolError


def open_livelink(url: SinkUrl, context: SinkContext) -> Sink:
    """livelink://HOST:PORT?subject=NAME&head_scale=UNIT&eye_scale=UNIT&no_face=send|short&time=day|clock&rate=HZ"""
    rate_hz = url.options.number("rate", 1, 1000)
    is_time_of_day = url.options.choice("time", ("day", "clock")) == "day"
    try:
        options = livelink.LiveLinkOptions(
            subject=url.options.text("subject", livelink.DEFAULTS.subject),
            head_scale=url.options.choice("head_scale", get_args(livelink.Scale)),
            eye_scale=url.options.choice("eye_scale", get_args(livelink.Scale)),
            no_face=url.options.choice("no_face", get_args(livelink.NoFace)),
            rate_hz=max(1, round(min(rate_hz or context.hello.rate_hz, context.hello.rate_hz))),
            zero_ns=_since_midnight_ns() - context.clock_ns() if is_time_of_day else 0,
        )
    except ProtocolError as error:
        raise UsageError(f"{url.text} cannot be opened: {error}") from error
    url.options.refuse_unknown()
    port = url.port or livelink.DEFAULT_PORT
    pack = limited(lambda frame, packet: [livelink.encode(frame, options)], rate_hz, context.clock_ns)
    return DatagramSink(url.name(port), url.host, port, pack)


def _since_midnight_ns() -> int:
    now_ns = time.time_ns()
    today = time.localtime(now_ns // 10**9)
    seconds = (today.tm_hour * 60 + today.tm_min) * 60 + today.tm_sec
    return seconds * 10**9 + now_ns % 10**9
