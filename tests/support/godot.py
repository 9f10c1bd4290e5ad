"""Godot with examples/godot in it, and a probe that says, frame by frame, what its head wears."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from driver.gltf_head import head_glb
from models.head.flame import open_head

HEADLESS, WITH_PICTURES = "godot3-server", "godot3"
EXAMPLE = Path(__file__).parents[2] / "examples" / "godot"
PROBE = Path(__file__).parents[1] / "examples" / "godot" / "probe.gd"


class Godot:
    """The engine with the example's scene in `folder`, and the lines that the probe prints; `ready` is the first.

    program       HEADLESS, or WITH_PICTURES before a screen
    port          where it listens to OSC
    environment   for example PROBE_PICTURE, a file for what it draws of its 30th frame
    """

    def __init__(self, folder: Path, port: int, *program: str, **environment: str) -> None:
        project = folder / "project"
        ignored = shutil.ignore_patterns("head.glb", ".import", "*.import")
        shutil.copytree(EXAMPLE, project, ignore=ignored)
        (project / "head.glb").write_bytes(head_glb(open_head()))
        home = folder / "home"
        home.mkdir()
        places = {
            "HOME": str(home),
            "XDG_DATA_HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "XDG_CACHE_HOME": str(home),
        }
        self._process = subprocess.Popen(
            [*(program or (HEADLESS,)), "--path", str(project), "--script", str(PROBE)],
            env={**os.environ, **places, "LANG": "en_US.UTF-8", "PROBE_PORT": str(port), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.complaints: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            self.ready = self.next()
        except BaseException:
            self.stop()
            raise

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._lines.put(json.loads(line))
            elif "ERROR" in line or "WARNING" in line:
                self.complaints.append(line.strip())
        self._lines.put(None)

    def next(self, timeout_s: float = 30.0) -> dict[str, Any]:
        line = self._lines.get(timeout=timeout_s)
        assert line is not None, f"Godot has stopped: {self.complaints}"
        return line

    def rest(self) -> Iterator[dict[str, Any]]:
        """The lines that nobody has taken; after `stop`."""
        while (line := self._lines.get()) is not None:
            yield line

    def stop(self) -> None:
        self._process.terminate()
        self._reader.join(timeout=10)
        self._process.wait(timeout=10)
        assert self._process.stdout is not None
        self._process.stdout.close()
