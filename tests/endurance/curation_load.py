"""The curation on many small files, good and bad: cost on each engine, memory over time, and with a worker killed.

    python tests/endurance/curation_load.py make DATA/video FILES          # 500 files from a few videos, by seed
    python tests/endurance/curation_load.py run FILES OUT                  # one process, two Ray workers, one killed

`run` prints, for each: time on the clock, processor time of all its processes, memory over time, and whether manifest
and shards are the first run's, byte for byte. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

# Short clips and a short lifting: what is measured is the engine, under the load of all real stages.
SETTINGS = ("curation.clip_s=1.0", "curation.lift_steps=10", "curation.speaker_r=0.05", "curation.face_px_minimum=40")
SHARES = {
    "cut": 0.1,  # a stretch of a video, made small
    "silent": 0.1,  # the same with silence for sound
    "mute": 0.1,  # without a track of sound
    "copy": 0.25,  # another file's bytes
    "cut off": 0.2,  # a file's beginning
    "damaged": 0.2,  # with bytes changed
    "noise": 0.05,  # no video at all
}
HEIGHT_PX = 160


def make(videos: Path, out: Path, count: int = 500, seed: int = 1) -> None:
    """`count` files in `out`. The same seed and videos give the same files."""
    rng = np.random.default_rng(seed)
    out.mkdir(parents=True, exist_ok=True)
    sources = sorted(videos.rglob("*.mp4"))
    kinds = [kind for kind, share in SHARES.items() for _ in range(round(share * count))]
    made: list[Path] = []
    for number, kind in enumerate(kinds):
        path = out / f"{number:04d} {kind}.mp4"
        if kind in ("cut", "silent", "mute"):
            cut(sources[int(rng.integers(len(sources)))], path, float(rng.uniform(1.2, 1.4)), kind)
            made.append(path)
            continue
        whole = made[int(rng.integers(len(made)))].read_bytes()
        if kind == "cut off":
            whole = whole[: int(rng.uniform(0.05, 0.95) * len(whole))]
        elif kind == "damaged":
            data = np.frombuffer(whole, np.uint8).copy()
            data[rng.integers(0, len(data), max(1, len(data) // 50))] = rng.integers(0, 256)
            whole = data.tobytes()
        elif kind == "noise":
            whole = rng.bytes(10_000)
        path.write_bytes(whole)


def cut(source: Path, path: Path, seconds: float, kind: str) -> None:
    """The first `seconds` of a video, `HEIGHT_PX` high."""
    with av.open(str(source)) as theirs, av.open(str(path), "w") as ours:
        pictures = theirs.streams.video[0]
        rate = pictures.average_rate or 25
        width = round(HEIGHT_PX * pictures.width / pictures.height / 2) * 2
        video = ours.add_stream("libx264", rate, options={"preset": "ultrafast", "crf": "26", "threads": "1"})
        video.width, video.height, video.pix_fmt = width, HEIGHT_PX, "yuv420p"
        audio = ours.add_stream("aac", 16000, layout="mono") if kind != "mute" else None
        for number, frame in enumerate(theirs.decode(pictures)):
            if number >= seconds * rate:
                break
            small = frame.reformat(width, HEIGHT_PX, "yuv420p")
            small.pts, small.time_base = number, 1 / Fraction(rate)
            ours.mux(video.encode(small))
        ours.mux(video.encode(None))
        if audio is None:
            return
        sound = np.zeros((1, round(16000 * seconds)), np.float32)
        if theirs.streams.audio and kind != "silent":
            theirs.seek(0)
            resampler = av.AudioResampler("fltp", "mono", 16000)
            parts = [part.to_ndarray() for frame in theirs.decode(audio=0) for part in resampler.resample(frame)]
            heard = np.concatenate(parts, axis=1)[:, : sound.shape[1]]
            sound[:, : heard.shape[1]] = heard
        for begin in range(0, sound.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, begin : begin + 1024]), "fltp", "mono")
            frame.sample_rate, frame.pts = 16000, begin
            ours.mux(audio.encode(frame))
        ours.mux(audio.encode(None))


def run(files: Path, out: Path, name: str, engine: list[str], kill: bool, resume: bool) -> None:
    """One curation, watched."""
    if not resume:
        shutil.rmtree(out, ignore_errors=True)
    sources = len(list(files.iterdir()))
    command = [sys.executable, "-m", "training.curation", str(files), "--out", str(out), *engine, *SETTINGS]
    began, killed = time.monotonic(), not kill
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    used_s: dict[int, float] = {}
    memory: list[tuple[float, float, int]] = []
    while process.poll() is None:
        tree = descendants(process.pid)
        used_s |= {pid: seconds for pid in tree if (seconds := processor_s(pid))}
        done = finished(out)
        memory.append((time.monotonic() - began, sum(map(memory_mb, tree)), done))
        if not killed and done >= sources * 3 // 8:  # half of them: a quarter are copies
            workers = [pid for pid in tree if words(pid).startswith("ray::Map")]
            if workers:
                os.kill(workers[0], signal.SIGKILL)
                killed = True
                print(f"{name}: killed {words(workers[0])} after {done} sources")
        time.sleep(5.0)
    told = (process.stdout.read() if process.stdout else "").strip()
    print(
        f"{name}: {time.monotonic() - began:.0f} s, processor {sum(used_s.values()):.0f} s, exit {process.returncode}"
    )
    print("  " + told.replace("\n", "\n  "))
    print("  MB after s (sources done): " + ", ".join(f"{mb:.0f} {s:.0f} ({done})" for s, mb, done in thinned(memory)))
    if process.returncode == 0:
        for path in (out / "manifest.jsonl", *sorted((out / "shards").iterdir())):
            print(f"  {hashlib.sha256(path.read_bytes()).hexdigest()[:16]} {path.relative_to(out)}")


def thinned(rows: list[tuple[float, float, int]]) -> list[tuple[float, float, int]]:
    return rows[:: max(1, len(rows) // 12)]


def finished(out: Path) -> int:
    journal = out / "journal.jsonl"
    return journal.read_bytes().count(b'{"outcome"') if journal.exists() else 0


def descendants(root: int) -> list[int]:
    """`root` and all that it started, and they."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def processor_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Its share of what it has in memory: what several processes share is counted once over all."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("make", "run"))
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", choices=("process", "ray", "killed"), default="")
    parser.add_argument("--resume", action="store_true", help="go on with what is in OUT")
    chosen = parser.parse_args()
    if chosen.what == "make":
        make(chosen.source, chosen.out)
        return
    two = ["--engine", "ray", "--workers", "2"]
    for name, engine in (("process", []), ("ray", two), ("killed", two)):
        if chosen.only in ("", name):
            run(chosen.source, chosen.out / name, name, engine, name == "killed", chosen.resume)


if __name__ == "__main__":
    main()
