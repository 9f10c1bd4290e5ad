"""One run feeds every kind of client at once. By hand: `python tests/endurance/everywhere.py --seconds 300`

The embedded sample is recorded, repeated at an even 60 Hz, and played by `avatar-driver replay` to real clients and to
stand-ins for programs that cannot run here (see `clients/`). Beside them a ZeroMQ client and a WebSocket client
stall, and one output goes where nobody listens. Each client must get its frames, with the recorded values as exactly as
its protocol can say them, and hardly later than the first client that gets them. A table says what came; exit status 1
says that a line failed.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from endurance.clients import every_client
from endurance.clients.client import Client, Heard
from support.stream import Subscriber, free_port, sink_context

from driver.assemble import demo_sample
from driver.recording import Recorder, read_recording
from protocol.frame import FaceFrame
from protocol.msgpack_codec import encode

RATE_HZ = 60
FIRST_S = 1.0  # `publish_ns` of the first frame: small, so that VMC's float32 of it tells frames apart
# Before frames count: time to connect, for a browser on a busy machine too.
LEAD_IN_S, LEAD_OUT_S = 20.0, 2.0
# The share of its frames that a client must get: 59 of 60 a second, 29 of 30.
MISSING_HZ = 1.0
# A prompt client that gets its median frame two frames after the first client waits for somebody.
MOST_LATE_MS = 2e3 / RATE_HZ
# Where the protocol carries no number, a frame is looked for so far ahead; the sample begins again after 605.
_SEARCH = 600


@dataclasses.dataclass(frozen=True)
class Line:
    """What came to one client, of the frames that count. `delays_ms`: after the first client that had the frame."""

    client: Client
    frames: int
    rate_hz: float
    lost: int
    error: float
    allowed: float
    is_exact: bool
    delays_ms: NDArray[np.float64]

    @property
    def faults(self) -> list[str]:
        """Why the line fails; empty when it does not."""
        least_hz = self.client.rate_hz - MISSING_HZ
        found = [] if self.rate_hz >= least_hz else [f"fewer than {least_hz:g} frames/s"]
        found += [] if self.is_exact else ["values are wrong"]
        is_late = self.client.is_prompt and self.frames > 0 and np.median(self.delays_ms) > MOST_LATE_MS
        return found + ([f"more than {MOST_LATE_MS:.0f} ms after others"] if is_late else [])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    seconds = parser.parse_args().seconds
    wanted = every_client(1 / RATE_HZ, FIRST_S)
    clients = [client for client in wanted if client.missing() is None]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        frames = demo_frames(folder / "demo.adrec", round((LEAD_IN_S + seconds + LEAD_OUT_S) * RATE_HZ))
        path = written(folder / "long.adrec", frames)
        driver_s = run(clients, path, folder)
        first = round(LEAD_IN_S * RATE_HZ)
        lines, late_ms = judged(clients, frames, first, first + round(seconds * RATE_HZ))
    print(table(lines))
    late = ", ".join(f"{one:.1f}" for one in np.percentile(late_ms, (50, 95, 100)))
    print(f"\nThe driver's processor time: {1e3 * driver_s / len(frames):.2f} ms a frame.")
    print(f"A frame reaches its first client {late} ms (p50, p95, worst) after its time in the recording.")
    for client in wanted:
        if client not in clients:
            print(f"not run: {client.name}, {client.missing()}")
    return int(any(line.faults for line in lines))


def demo_frames(path: Path, count: int) -> list[FaceFrame]:
    """The sample's face, over and over, as `count` frames of an even 60 Hz."""
    command = [sys.executable, "-m", "driver.cli", "--video", str(demo_sample()), "--record", str(path), "--quiet"]
    subprocess.run([*command, "--out", f"udp://127.0.0.1:{free_port()}"], check=True, stderr=subprocess.DEVNULL)
    faces = [item for _, item in read_recording(path, print) if isinstance(item, FaceFrame)]
    frames: list[FaceFrame] = []
    for seq in range(count):
        face = faces[seq % len(faces)]
        at_ns = round((FIRST_S + seq / RATE_HZ) * 1e9)
        age_ns = face.publish_ns - face.capture_ns
        frames.append(dataclasses.replace(face, seq=seq, publish_ns=at_ns, capture_ns=at_ns - age_ns))
    return frames


def written(path: Path, frames: Sequence[FaceFrame]) -> Path:
    """`frames` as a recording."""
    recorder = Recorder(path, sink_context(), when_full="wait")
    for frame in frames:
        recorder.send(frame, encode(frame))
    recorder.close()
    return path


def run(clients: Sequence[Client], path: Path, folder: Path) -> float:
    """Play the recording at `path` to all of them, and to three that only disturb; the driver's processor time in s."""
    for number, client in enumerate(clients):
        (folder / str(number)).mkdir()
        client.start(folder / str(number))
    stalling = [f"zmq://127.0.0.1:{free_port()}", f"ws://127.0.0.1:{free_port()}"]
    urls = [url for client in clients for url in client.urls]
    urls += [*stalling, f"udp://127.0.0.1:{free_port()}"]  # nobody listens to the last
    home = folder / "home"  # VTube Studio's permission is kept there
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    command = [sys.executable, "-m", "driver.cli", "replay", str(path), *(f"--out={url}" for url in urls)]
    print(shlex.join(command[1:]), file=sys.stderr)
    with subprocess.Popen(command, env=environment) as driver:
        try:
            for url in stalling:
                wait_for_port(int(url.rpartition(":")[2]), driver)
            with Subscriber(stalling[0], buffer_bytes=4096), stalled_websocket(int(stalling[1].rpartition(":")[2])):
                for client in clients:
                    client.join()
                before = getrusage(RUSAGE_CHILDREN)
                driver.wait()
                after = getrusage(RUSAGE_CHILDREN)
        finally:
            driver.kill()
            for client in clients:
                client.stop()
    assert driver.returncode == 0, f"the driver ended with {driver.returncode}"
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wait_for_port(port: int, driver: subprocess.Popen[bytes]) -> None:
    """Until somebody listens there."""
    while driver.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)


def stalled_websocket(port: int) -> socket.socket:
    """A client that connects as a browser does and never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"
    head = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n\r\n"
    client.sendall(head.encode())
    return client


def judged(
    clients: Sequence[Client], frames: Sequence[FaceFrame], first: int, end: int
) -> tuple[list[Line], NDArray[np.float64]]:
    """A line for each client, of frames `first` to `end`; and how late, in ms, each of these was at its first client.

    The recording's clock is set by the frame that came earliest of all.
    """
    found = [[(index, one) for index, one in numbered(client, frames) if first <= index < end] for client in clients]
    earliest_s: dict[int, float] = {}
    for index, one in (row for rows in found for row in rows):
        earliest_s[index] = min(one.at_s, earliest_s.get(index, one.at_s))
    late_s = np.array([at_s - frames[index].publish_ns / 1e9 for index, at_s in earliest_s.items()])
    lines = [line(client, rows, frames, earliest_s, end - first) for client, rows in zip(clients, found, strict=True)]
    return lines, 1e3 * (late_s - late_s.min())


def numbered(client: Client, frames: Sequence[FaceFrame]) -> list[tuple[int, Heard]]:
    """All that a client heard, with the number of its frame.

    Without a number of the protocol's, it is the next frame with these values; the next of all when none has them.
    """
    rows: list[tuple[int, Heard]] = []
    index = -1
    wanted = np.array([client.expected(frame) for frame in frames])
    for one in client.heard():
        if one.seq is not None:
            index = one.seq
        else:
            ahead = wanted[index + 1 : index + 1 + _SEARCH]
            fits = (np.abs(ahead - one.values) <= client.resolution).all(axis=1) if len(ahead) else np.zeros(0, bool)
            index += 1 + (int(np.argmax(fits)) if fits.any() else 0)
        if 0 <= index < len(frames):
            rows.append((index, one))
    return rows


def line(
    client: Client,
    rows: Sequence[tuple[int, Heard]],
    frames: Sequence[FaceFrame],
    earliest_s: Mapping[int, float],
    count: int,
) -> Line:
    """What `rows` say, where `count` frames of 60 Hz count."""
    seconds = count / RATE_HZ
    got = len({index for index, _ in rows}) + sum(one.overtaken for _, one in rows)
    error, allowed, is_exact = 0.0, 0.0, True
    for index, one in rows:
        limits = np.broadcast_to(client.resolution if one.resolution is None else one.resolution, one.values.shape)
        errors = np.nan_to_num(np.abs(one.values - client.expected(frames[index])), nan=np.inf)
        is_exact &= bool((errors <= limits).all())
        # Of all values the one that takes most of what it may.
        worst = int(np.argmax(errors / np.maximum(limits, 1e-12)))
        if errors[worst] * max(allowed, 1e-12) >= error * max(limits[worst], 1e-12):
            error, allowed = float(errors[worst]), float(limits[worst])
    delays_ms = 1e3 * np.array([one.at_s - earliest_s[index] for index, one in rows])
    lost = max(0, round(client.rate_hz * seconds) - got)
    return Line(client, got, got / seconds, lost, error, allowed, is_exact, delays_ms)


def table(lines: Sequence[Line]) -> str:
    """Markdown."""
    head = ("client", "frames", "frames/s", "lost", "worst error", "allowed", "delay p50, p95, worst (ms)", "")
    rows = [head, ("---",) * len(head)]
    for one in lines:
        delays = ", ".join(f"{ms:.1f}" for ms in np.percentile(one.delays_ms, (50, 95, 100))) if one.frames else "-"
        remark = "; ".join(filter(None, (one.client.note, *(f"FAILS: {fault}" for fault in one.faults))))
        numbers = (str(one.frames), f"{one.rate_hz:.2f}", str(one.lost), f"{one.error:.2g}", f"{one.allowed:.2g}")
        rows.append((one.client.name, *numbers, delays, remark))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
