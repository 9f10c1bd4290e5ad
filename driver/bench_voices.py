"""How many voices one core drives in real time: a table for people, and one line of JSON last for programs."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from driver import __version__
from driver.errors import ModelError, UsageError
from driver.runtime import OnnxModel
from driver.types import HOP_NS, HOP_SAMPLES
from driver.voices import VoiceBatch
from driver.weights import find_audio_model

# A hop must be done within its own length, and a machine has other things to do.
DEADLINE_MS = 0.8 * HOP_NS / 1e6
_PERCENTS = (50.0, 95.0, 99.0)
_WARM_UP_HOPS = 10
_MOST_VOICES = 4096


@dataclass(frozen=True)
class Trial:
    """What `voices` streams took: ms a hop of all of them, at p50, p95 and p99."""

    voices: int
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def is_real_time(self) -> bool:
        """True when 99 of 100 hops were done in time."""
        return self.p99_ms < DEADLINE_MS


def bench_voices(voices: str, model: str, hops: int) -> None:
    """Measure and print.

    voices   how many streams, or "max" to search the largest number that is real time on one core
    model    as `--voice-model`
    hops     a trial's length; noise is heard meanwhile
    """
    if hops < 1:
        raise UsageError(f"--hops is {hops}; it must be at least 1, 500 gives a steady p99")
    path = find_audio_model(model)
    on_cpu = OnnxModel(path, "cpu")
    trials: dict[str, list[Trial]] = {"cpu": _measured(on_cpu, voices, hops)}
    try:
        trials["cuda"] = _measured(OnnxModel(path, "cuda"), voices, hops)
        no_gpu = None
    except ModelError as error:
        no_gpu = str(error)

    table = Table(title=f"{path.name}, one thread; real time is p99 < {DEADLINE_MS:g} ms")
    for column in ("on", "voices", *(f"p{percent:g} ms" for percent in _PERCENTS), "ms a voice", "real time"):
        table.add_column(column, justify="right")
    for device, tried in trials.items():
        for trial in sorted(tried, key=lambda one: one.voices):
            values = (trial.p50_ms, trial.p95_ms, trial.p99_ms, trial.p50_ms / trial.voices)
            mark = "yes" if trial.is_real_time else "no"
            table.add_row(device, str(trial.voices), *(f"{value:.2f}" for value in values), mark)
    Console().print(table)
    print(json.dumps(_report(path.name, trials, no_gpu)))


def measure(model: OnnxModel, voices: int, hops: int) -> Trial:
    """Time `hops` hops of `voices` streams that hear noise, from samples to motions."""
    batch = VoiceBatch(model, voices)
    for row in range(voices):
        batch.start(row)
    sound = np.random.default_rng(0).normal(0, 0.1, (voices, HOP_SAMPLES)).astype(np.float32)
    taken_ns: list[int] = []
    for number in range(_WARM_UP_HOPS + hops):
        began_ns = time.perf_counter_ns()
        batch.step(sound, number * HOP_NS)
        taken_ns.append(time.perf_counter_ns() - began_ns)
    p50, p95, p99 = (float(value) / 1e6 for value in np.percentile(taken_ns[_WARM_UP_HOPS:], _PERCENTS))
    return Trial(voices, p50, p95, p99)


def largest(is_real_time: Callable[[int], bool], most: int = _MOST_VOICES) -> int:
    """The largest number that is real time, by doubling and then halving the interval; 0 when not even one is."""
    good, bad = 0, 1
    while bad <= most and is_real_time(bad):
        good, bad = bad, 2 * bad
    while bad - good > 1:
        middle = (good + bad) // 2
        if middle <= most and is_real_time(middle):
            good = middle
        else:
            bad = middle
    return good


def _measured(model: OnnxModel, voices: str, hops: int) -> list[Trial]:
    trials: list[Trial] = []

    def is_real_time(count: int) -> bool:
        trials.append(measure(model, count, hops))
        return trials[-1].is_real_time

    if voices == "max":
        largest(is_real_time)
    elif voices.isdecimal() and 1 <= int(voices) <= _MOST_VOICES:
        is_real_time(int(voices))
    else:
        raise UsageError(f"--voices is {voices}; it must be a number within 1..{_MOST_VOICES}, or max")
    return trials


def _report(name: str, trials: dict[str, list[Trial]], no_gpu: str | None) -> dict[str, object]:
    report: dict[str, object] = {
        "version": __version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "model": name,
        "deadline_ms": DEADLINE_MS,
        "no_gpu": no_gpu,
    }
    for device, tried in trials.items():
        report[device] = {
            "real_time_voices": max((trial.voices for trial in tried if trial.is_real_time), default=0),
            "trials": [
                {
                    "voices": trial.voices,
                    "p50_ms": round(trial.p50_ms, 3),
                    "p95_ms": round(trial.p95_ms, 3),
                    "p99_ms": round(trial.p99_ms, 3),
                }
                for trial in tried
            ],
        }
    return report
