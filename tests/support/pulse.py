"""A sound server without a sound card: PulseAudio with one null sink whose monitor is the default microphone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

SINK = "mic16"
RATE_HZ = 16_000


class PulseServer:
    """Runs in `folder`, apart from any other. Set `environment` in `os.environ` before a client connects."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid: int | None = None
        for name in ("run", "state"):
            (folder / name).mkdir(mode=0o700)
        self.environment = {
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "PULSE_RUNTIME_PATH": str(folder / "run" / "pulse"),
            "PULSE_STATE_PATH": str(folder / "state"),
            "PULSE_COOKIE": str(folder / "cookie"),
        }

    @staticmethod
    def missing() -> str | None:
        """What is not installed, as a reason to skip."""
        programs = [name for name in ("pulseaudio", "pactl", "paplay") if shutil.which(name) is None]
        return f"{' and '.join(programs)} not installed (pulseaudio, pulseaudio-utils)" if programs else None

    def start(self) -> None:
        """Returns when it serves. norewinds: else the sink runs 2 s late and loses the beginning of what is played."""
        sink = f"sink_name={SINK} rate={RATE_HZ} channels=1 format=float32le norewinds=1"
        source = f"source_name=v{SINK} master={SINK}.monitor channels=1 rate={RATE_HZ} format=float32le"
        modules = ["module-native-protocol-unix", f"module-null-sink {sink}", f"module-remap-source {source}"]
        load = [argument for module in modules for argument in ("-L", module)]
        self._run("pulseaudio", "-n", "--daemonize=yes", "--exit-idle-time=-1", "--log-target=null", *load)
        self._pid = int((self._folder / "run" / "pulse" / "pid").read_text())
        self._run("pactl", "set-default-source", f"v{SINK}")
        self._run("pactl", "set-default-sink", SINK)

    def play(self, wav: Path) -> None:
        """Play a sound file and wait for its end. A loaded machine needs the latency: else silence is inserted."""
        self._run("paplay", f"--device={SINK}", "--latency-msec=300", str(wav))

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP makes it hang, SIGCONT go on."""
        assert self._pid is not None
        os.kill(self._pid, number)

    def kill(self) -> None:
        """As `kill -9`. Returns when the process is gone, so that the next one does not think it still runs."""
        if self._pid is None:
            return
        os.kill(self._pid, signal.SIGKILL)
        (self._folder / "run" / "pulse" / "pid").unlink(missing_ok=True)
        self._pid = None

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, env={**os.environ, **self.environment}, capture_output=True, timeout=30)
