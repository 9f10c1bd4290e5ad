"""How many voices a server drives, and what one too many does. By hand: `python tests/endurance/serve_load.py`

The server runs as a user runs it, in a process of its own. Clients on loopback speak in real time, 20 ms at a time, and
come one after the other until one is refused: that is 100 %. Then a fifth more are offered, then half of them stay, for
as long each. A line of JSON tells, for each, the time of a hop and the age of frames at the one who receives them.
Options that it does not know go to the server: `--most-voices 20`.

`--processor` measures something else, for machines that are busy with other things: the processor time that the
server's own thread takes for a hop, of as many voices as it has time for, without sockets.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgpack
import numpy as np
import zmq
from threadpoolctl import threadpool_limits

from driver.bench_voices import largest
from driver.config import Settings
from driver.knobs import VoiceSettings
from driver.runtime import OnnxModel
from driver.serve.admission import DEADLINE_MS, Admission
from driver.serve.counters import Counters
from driver.serve.greeting import Greeting
from driver.serve.voices import Voices
from driver.types import HOP_NS
from driver.weights import find_audio_model

_HOP_S, _HOP_SAMPLES = 0.02, 320
_PERCENTS = (50, 99)
_COMMAND = [sys.executable, "-m", "driver.cli", "serve"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


class Speakers(threading.Thread):
    """All clients, in one thread: each is sent its 20 ms when they are due. Noise in bursts, like syllables."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._sockets: dict[str, socket.socket] = {}
        self._changing = threading.Lock()
        self._ended = threading.Event()
        generator = np.random.default_rng(0)
        loudness = np.repeat(generator.uniform(0, 6_000, 100), 5 * _HOP_SAMPLES)
        noise = generator.normal(0, 1, len(loudness)) * loudness
        self._hops = noise.clip(-32_768, 32_767).astype("<i2").reshape(-1, _HOP_SAMPLES)

    def add(self, subject: str) -> str | None:
        """Another voice; the refusal, or None when it was let in."""
        client = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        client.sendall(f"subject={subject}\n".encode())
        said = json.loads(client.makefile().readline())
        if "accepted" not in said:
            client.close()
            return str(said)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._changing:
            self._sockets[subject] = client
        return None

    def keep(self, count: int) -> None:
        """Let all but the first `count` go."""
        with self._changing:
            for subject in list(self._sockets)[count:]:
                self._sockets.pop(subject).close()

    def __len__(self) -> int:
        return len(self._sockets)

    def run(self) -> None:
        due_s, number = time.monotonic(), 0
        while not self._ended.is_set():
            with self._changing:
                for index, client in enumerate(self._sockets.values()):
                    client.send(self._hops[(number + 7 * index) % len(self._hops)].tobytes())
            number += 1
            due_s += _HOP_S
            self._ended.wait(max(0.0, due_s - time.monotonic()))

    def close(self) -> None:
        self._ended.set()
        self.join(10)
        self.keep(0)


class Ages(threading.Thread):
    """Receives all frames: how long after the newest sound that they know of they were *received*."""

    def __init__(self, port: int, lookahead_ms: float) -> None:
        super().__init__(daemon=True)
        self._port, self._lookahead_ms = port, lookahead_ms
        self._ages_ms: list[float] = []
        self._is_over = False

    def run(self) -> None:
        socket = zmq.Context.instance().socket(zmq.SUB)
        socket.setsockopt(zmq.RCVHWM, 100_000)
        socket.setsockopt(zmq.RCVTIMEO, 200)
        socket.subscribe(b"")
        socket.connect(f"tcp://127.0.0.1:{self._port}")
        while not self._is_over:
            try:
                packet = msgpack.unpackb(socket.recv())
            except zmq.Again:
                continue
            if packet["type"] == "face":
                self._ages_ms.append((time.perf_counter_ns() - packet["capture_ns"]) / 1e6 - self._lookahead_ms)
        socket.close(linger=0)

    def taken(self) -> list[float]:
        """What came since the last call."""
        taken, self._ages_ms = self._ages_ms, []
        return taken

    def close(self) -> None:
        self._is_over = True
        self.join(10)


class Numbers:
    """The server's own numbers, as Prometheus sees them, between two looks."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        with urllib.request.urlopen(self._url, timeout=30) as page:
            lines = page.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    def since(self) -> dict[str, float]:
        """What each grew by since the last call."""
        now = self._now()
        grown = {name: value - self._before.get(name, 0.0) for name, value in now.items()}
        self._before = now
        return grown


def percentile_ms(grown: dict[str, float], name: str, percent: float) -> float:
    """From a histogram's buckets, linear within a bucket."""
    total, low_ms, below = grown[f"{name}_count"], 0.0, 0.0
    for key, count in grown.items():
        if not key.startswith(f'{name}_bucket{{le="') or "Inf" in key:
            continue
        edge_ms = float(key.split('"')[1])
        if count >= percent / 100 * total:
            share = (percent / 100 * total - below) / max(1.0, count - below)
            return low_ms + share * (edge_ms - low_ms)
        low_ms, below = edge_ms, count
    return float("inf")


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(model: str, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int, int, int]]:
    """A running server: its process and the ports of sound, frames and numbers."""
    sound, frames, numbers = free_port(), free_port(), free_port()
    command = [
        *_COMMAND,
        f"--listen=tcp://127.0.0.1:{sound}",
        f"--out=zmq://127.0.0.1:{frames}",
        f"--metrics={numbers}",
    ]
    process = subprocess.Popen([*command, f"--voice-model={model}", *options], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", numbers), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process, sound, frames, numbers
    finally:
        process.terminate()
        process.wait(30)


def watched(
    process: subprocess.Popen[bytes], ages: Ages, numbers: Numbers, voices: int, seconds: float
) -> dict[str, object]:
    """`seconds` of what goes on now, as numbers."""
    time.sleep(2)
    numbers.since(), ages.taken()
    cpu_before_s, began_s = cpu_s(process.pid), time.monotonic()
    time.sleep(seconds)
    took_s = time.monotonic() - began_s
    grown, found = numbers.since(), ages.taken()
    return {
        "voices": voices,
        "hop_ms": {
            f"p{one}": round(percentile_ms(grown, "avatar_serve_hop_milliseconds", one), 1) for one in _PERCENTS
        },
        "age_ms": {f"p{one}": round(float(np.percentile(found, one)), 1) for one in _PERCENTS} if found else None,
        "frames_of_each_per_s": round(len(found) / took_s / max(1, voices), 1),
        "late": round(grown["avatar_serve_late_hops_total"] / max(1.0, grown["avatar_serve_frames_total"]), 4),
        "lost_hops": int(grown["avatar_serve_lost_hops_total"]),
        "cores": round((cpu_s(process.pid) - cpu_before_s) / took_s, 3),
    }


def load(model: str, seconds: float, every_s: float, most: int, extra: list[str]) -> dict[str, object]:
    """The whole trial."""
    report: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the beginning",
        "model": model or "default",
        "options": extra,
    }
    lookahead_ms = 0.0 if model == "envelope" else 80.0
    with server(model, *extra) as (process, sound, frames, metrics):
        speakers, ages, numbers = Speakers(sound), Ages(frames, lookahead_ms), Numbers(metrics)
        speakers.start()
        ages.start()
        refusal = None
        while refusal is None and len(speakers) < most:
            refusal = speakers.add(f"npc-{len(speakers)}")
            time.sleep(every_s)
        capacity = len(speakers)
        report["refusal"], report["capacity"] = refusal, capacity
        report["at_100"] = watched(process, ages, numbers, capacity, seconds)
        offered = max(1, round(0.2 * capacity))
        refused = sum(speakers.add(f"more-{number}") is not None for number in range(offered))
        report["at_100_with_120_offered"] = {
            "offered_more": offered,
            "refused": refused,
            **watched(process, ages, numbers, len(speakers), seconds),
        }
        speakers.keep(max(1, capacity // 2))
        report["at_50"] = watched(process, ages, numbers, len(speakers), seconds)
        speakers.close()
        ages.close()
    return report


def processor(model: str, hops: int, every: int) -> dict[str, object]:
    """Processor time of a hop by number of voices, and the largest number whose p99 is below the deadline."""
    voice_model = OnnxModel(find_audio_model(model), "cpu")
    generator = np.random.default_rng(0)
    trials: dict[int, dict[str, float]] = {}

    def is_in_time(count: int) -> bool:
        settings = Settings(voice=VoiceSettings(model=model))
        voices = Voices(settings, voice_model, lambda frame, packet: None, Admission(), Counters(), every)
        streams = [voices.join(Greeting(f"npc-{number}")).stream for number in range(count)]
        start_ns = max(stream.ahead_ns(0) for stream in streams)
        hop_ms: list[float] = []
        push_ms: list[float] = []
        for number in range(hops + 25):
            sound = (3_000 * generator.normal(size=_HOP_SAMPLES)).astype("<i2").tobytes()
            began_ns = time.thread_time_ns()
            for stream in streams:
                stream.push(sound, start_ns + number * HOP_NS)
            pushed_ns = time.thread_time_ns()
            heard = voices.hop(start_ns + (number + 1) * HOP_NS)
            assert heard == count
            hop_ms.append((time.thread_time_ns() - pushed_ns) / 1e6)
            push_ms.append((pushed_ns - began_ns) / 1e6)
        p50, p99 = np.percentile(hop_ms[25:], _PERCENTS)
        push = float(np.median(push_ms[25:]))
        trials[count] = {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2), "push_p50_ms": round(push, 2)}
        return bool(p99 < DEADLINE_MS)

    with threadpool_limits(limits=1):
        most = largest(is_in_time)
    return {"machine": f"load {os.getloadavg()[0]:.1f}", "every": every, "voices": most, "trials": trials}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--between", type=float, default=0.5, help="seconds between two voices that come")
    parser.add_argument("--most", type=int, default=200, help="clients at most")
    parser.add_argument("--model", default="", help="as --voice-model")
    parser.add_argument("--processor", action="store_true", help="processor time of a hop instead")
    parser.add_argument("--hops", type=int, default=200, help="of each of its trials")
    parser.add_argument("--every", type=int, default=1, help="as the server's")
    arguments, extra = parser.parse_known_args()
    if arguments.processor:
        print(json.dumps(processor(arguments.model, arguments.hops, arguments.every)))
        return
    extra.append(f"--every={arguments.every}")
    print(json.dumps(load(arguments.model, arguments.seconds, arguments.between, arguments.most, extra)))


if __name__ == "__main__":
    main()
