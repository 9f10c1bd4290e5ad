"""`avatar-driver serve`, from its options to the end of the server."""

from __future__ import annotations

import argparse
import signal
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import get_args

from driver.config import Device, Settings, load_config
from driver.serve.handler import Limits
from driver.serve.server import (
    DEFAULT_LISTEN,
    DEFAULT_METRICS_PORT,
    DEFAULT_OUTPUTS,
    SHARED_OUTPUTS,
    Server,
    ServeSettings,
)
from driver.sinks.sink import Notice


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command understands."""
    add, defaults = parser.add_argument, ServeSettings()
    add("--listen", action="append", metavar="URL", help=f"for voices (default: {' '.join(DEFAULT_LISTEN)})")
    add(
        "--out",
        action="append",
        metavar="URL",
        help=f"for faces: {', '.join(SHARED_OUTPUTS)} (default: {' '.join(DEFAULT_OUTPUTS)})",
    )
    add(
        "--metrics",
        type=int,
        default=DEFAULT_METRICS_PORT,
        metavar="PORT",
        help="numbers, on this machine (%(default)s)",
    )
    add("--most-voices", type=int, metavar="N", help="refuse more (default: as many as there is time for)")
    add(
        "--deadline",
        type=float,
        default=defaults.deadline_ms,
        metavar="MS",
        help="let none in that makes the p99 of a hop longer (%(default)g of 20)",
    )
    add("--every", type=int, default=defaults.every, metavar="N", help="a frame each N hops of 20 ms (%(default)s)")
    add("--idle", type=float, default=defaults.limits.idle_s, metavar="S", help="end silent connections (%(default)g)")
    add("--voice-model", default="", metavar="FILE", help="an .onnx file, or envelope")
    add("--config", metavar="FILE.toml", help="[voice], [smooth], [idle], [channels] ... of all voices")
    add("--device", choices=get_args(Device), help="where the network runs (default: auto)")


def serve(options: argparse.Namespace, notice: Notice) -> str:
    """Run until Ctrl-C or SIGTERM; returns what was done, in words."""
    settings = Settings()
    if options.config is not None:
        settings = load_config(Path(options.config), settings)
    if options.voice_model:
        settings = replace(settings, voice=replace(settings.voice, model=options.voice_model))
    if options.device is not None:
        settings = replace(settings, device=options.device)
    asked = ServeSettings(
        listen=tuple(options.listen or DEFAULT_LISTEN),
        out=tuple(options.out or DEFAULT_OUTPUTS),
        metrics=options.metrics,
        most_voices=options.most_voices,
        deadline_ms=options.deadline,
        every=options.every,
        limits=Limits(idle_s=options.idle),
    )
    server = Server(settings, asked, notice)

    def end(number: int, frame: FrameType | None) -> None:
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    notice(f"voices are heard on {' and '.join(server.addresses)}; faces go to {' and '.join(server.outputs)}")
    notice(f"numbers are at http://127.0.0.1:{server.metrics_port}/metrics; Ctrl-C ends it")
    server.run()
    counters = server.counters
    return (
        f"published {counters.frames.value} frames of {counters.admitted.value} voices; "
        f"{counters.refused.value} refused, {counters.late_hops.value} frames late"
    )
