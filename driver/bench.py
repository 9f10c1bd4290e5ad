"""What this machine does with one clip on the live path: a table for people, and one line of JSON last for programs."""

from __future__ import annotations

import json
import os
import platform
import sys
import time

from rich.console import Console
from rich.table import Table

from driver import __version__
from driver.assemble import assemble
from driver.config import Settings
from driver.metrics import Meter

_PERCENTS = (50.0, 95.0, 99.0)


def bench(video: str | None, duration_s: float) -> None:
    """Replay `video` (None: the embedded sample) in real time and print what each stage took, in milliseconds."""
    settings = Settings(
        video=video,
        demo=video is None,
        realtime=True,
        loop=True,
        duration_s=duration_s,
        out=("zmq://127.0.0.1:0", "osc://127.0.0.1:9"),  # the discard port: sent, and heard by nobody
    )
    run = assemble(settings, notify=lambda sentence: print(sentence, file=sys.stderr))
    pipeline = run.pipeline
    cpu_s, began_s = time.process_time(), time.monotonic()
    pipeline.run()
    wall_s = time.monotonic() - began_s
    cores = (time.process_time() - cpu_s) / wall_s

    meters = {f"{branch.name}: {name}": meter for branch in pipeline.branches for name, meter in branch.meters.items()}
    meters |= {"fuse, smooth, ARKit": pipeline.meters["fuse"], "publish": pipeline.meters["publish"]}
    meters["capture to publish"] = pipeline.meters["age"]

    table = Table(title=f"{pipeline.meters['age'].count} frames in {wall_s:.1f} s, {cores:.2f} cores")
    table.add_column("stage")
    for percent in _PERCENTS:
        table.add_column(f"p{percent:g} ms", justify="right")
    for name, meter in meters.items():
        table.add_row(name, *(f"{value:.2f}" for value in meter.percentiles_ms(*_PERCENTS)))
    Console().print(table)
    print(
        json.dumps(_report(meters, wall_s, cores, {branch.name: branch.inbox.dropped for branch in pipeline.branches}))
    )


def _report(meters: dict[str, Meter], wall_s: float, cores: float, dropped: dict[str, int]) -> dict[str, object]:
    return {
        "version": __version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(wall_s, 2),
        "frames": meters["capture to publish"].count,
        "cpu_cores": round(cores, 3),
        "dropped": dropped,
        "ms": {
            name: {
                f"p{percent:g}": round(value, 3)
                for percent, value in zip(_PERCENTS, meter.percentiles_ms(*_PERCENTS), strict=True)
            }
            for name, meter in meters.items()
        },
    }
