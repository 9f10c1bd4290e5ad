"""The whole life for minutes, and everything around it dying. By hand: `python tests/endurance/soak.py --minutes 10`

A network camera plays the embedded sample's pictures, a sound server without a sound card its voice; the driver runs as
a user runs it, with a recording and three outputs. Every half minute one of these is killed with signal 9 and started
again: a ZeroMQ client, the camera, the sound server. At the end a line of JSON says what came through.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import av
import msgpack
import numpy as np
import soundfile
import zmq

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.mjpeg import MjpegServer
from support.pulse import RATE_HZ, PulseServer

from driver.assemble import demo_sample

_CLIENT = """
import sys, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.subscribe(b""); socket.connect(sys.argv[1])
while True: socket.recv()
"""


def resident_mb(pid: int) -> float:
    """Resident memory of a process, from /proc."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def voice_file(folder: Path) -> Path:
    """The sample's voice as a wav file."""
    with av.open(str(demo_sample())) as container:
        resampler = av.AudioResampler("s16", "mono", RATE_HZ)
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    path = folder / "voice.wav"
    soundfile.write(path, np.concatenate([frame.to_ndarray()[0] for frame in frames]), RATE_HZ)
    return path


class Listener(threading.Thread):
    """A healthy ZeroMQ client: remembers of each frame when it came, its number, age and confidence."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.rows: list[tuple[float, int, float, float, float]] = []

    def run(self) -> None:
        socket = zmq.Context.instance().socket(zmq.SUB)
        socket.subscribe(b"")
        socket.connect(self.address)
        while True:
            packet = msgpack.unpackb(socket.recv())
            if packet["type"] == "face":
                confidence = np.frombuffer(packet["confidence"], "<f4")
                age_ms = (packet["publish_ns"] - packet["capture_ns"]) / 1e6
                self.rows.append((time.monotonic(), packet["seq"], age_ms, float(confidence[3]), packet["speech"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(soak(Path(temporary), arguments.minutes * 60)))


def soak(folder: Path, seconds: float) -> dict[str, object]:
    """Run, kill, restart and count."""
    pulse_folder = folder / "pulse"
    pulse_folder.mkdir()
    pulse, camera = PulseServer(pulse_folder), MjpegServer(clip=demo_sample())
    os.environ.update(pulse.environment)
    pulse.start()
    camera.start()
    voice = voice_file(folder)
    is_over = threading.Event()

    def speak() -> None:
        while not is_over.is_set():
            try:
                pulse.play(voice)
            except subprocess.SubprocessError:
                is_over.wait(0.5)  # killed; it comes back

    threading.Thread(target=speak, daemon=True).start()
    command = [sys.executable, "-m", "driver.cli", "--webcam", camera.url, "--mic", "--record", str(folder / "a.adrec")]
    outputs = ["zmq://127.0.0.1:5671", "osc://127.0.0.1:9", "udp://127.0.0.1:9"]
    log = (folder / "log").open("w+")
    driver = subprocess.Popen([*command, *(f"--out={url}" for url in outputs)], stderr=log, stdout=log)
    listener = Listener("tcp://127.0.0.1:5671")
    listener.start()
    victim = subprocess.Popen([sys.executable, "-c", _CLIENT, listener.address])
    began_s, memory_mb, kills = time.monotonic(), [], {"client": 0, "camera": 0, "sound": 0}
    next_kill_s, turn = 30.0, 0
    try:
        while (now_s := time.monotonic() - began_s) < seconds and driver.poll() is None:
            time.sleep(1)
            memory_mb.append(resident_mb(driver.pid))
            if now_s < next_kill_s or now_s > seconds - 20:
                continue
            next_kill_s += 30.0
            name = ("client", "camera", "sound")[turn % 3]
            turn += 1
            kills[name] += 1
            if name == "client":
                victim.kill()
                victim.wait()
                victim = subprocess.Popen([sys.executable, "-c", _CLIENT, listener.address])
            else:
                server = camera if name == "camera" else pulse
                server.kill()
                time.sleep(3)
                server.start()
        ended_by_itself = driver.poll()
        driver.send_signal(signal.SIGTERM)
        code = driver.wait(20)
    finally:
        is_over.set()
        driver.kill()
        victim.kill()
        camera.kill()
        pulse.kill()
    log.seek(0)
    print(log.read(), file=sys.stderr)
    return report(listener, memory_mb, kills, ended_by_itself, code)


def report(
    listener: Listener, memory_mb: list[float], kills: dict[str, int], ended_by_itself: int | None, code: int
) -> dict[str, object]:
    """What came through, as numbers."""
    at_s, seq, age_ms, head, speech = np.array(listener.rows).T
    settled = memory_mb[60:] or memory_mb
    return {
        "seconds": round(float(np.ptp(at_s)), 1),
        "frames": len(seq),
        "frames_per_s": round(len(seq) / float(np.ptp(at_s)), 2),
        "seq_gaps": int((np.diff(seq) != 1).sum()),
        "longest_silence_ms": round(float(np.diff(at_s).max()) * 1e3, 1),
        "age_ms": {f"p{percent}": round(float(np.percentile(age_ms, percent)), 1) for percent in (50, 95, 99)},
        "face_seen": round(float((head > 0.3).mean()), 3),
        "face_seen_last_10_s": round(float((head[at_s > at_s[-1] - 10] > 0.3).mean()), 3),
        "speech_heard_last_10_s": round(float((speech[at_s > at_s[-1] - 10] > 0.5).mean()), 3),
        "memory_mb": {
            "after_1_min": round(settled[0], 1),
            "end": round(settled[-1], 1),
            "peak": round(max(memory_mb), 1),
        },
        "kills": kills,
        "ended_by_itself": ended_by_itself,
        "exit_code": code,
    }


if __name__ == "__main__":
    main()
