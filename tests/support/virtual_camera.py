"""A pyvirtualcam without a device: pictures go to a folder, from whatever process it is used in."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

_MODULE = '''
"""Has what the driver uses of pyvirtualcam: a Camera that keeps its pictures, or refuses while a file says so."""
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


class Camera:
    def __init__(self, width, height, fps, *, device=None):
        refusal = FOLDER / "refuse"
        if refusal.exists():
            raise RuntimeError(refusal.read_text())
        self.shape, self.device, self.count = (height, width, 3), device or "/dev/video9", 0
        (FOLDER / "opened").write_text(f"{width} {height} {fps} {self.device}")

    def send(self, frame):
        broken = FOLDER / "break"
        if broken.exists():
            broken.unlink()
            raise RuntimeError("the device is gone")
        if frame.shape != self.shape or frame.dtype != np.uint8:
            raise ValueError(f"unexpected frame {frame.shape} {frame.dtype}")
        np.save(FOLDER / "writing.npy", frame)
        self.count += 1
        (FOLDER / "writing.npy").rename(FOLDER / f"{self.count:04d}.npy")

    def close(self):
        (FOLDER / "closed").touch()
'''


class FakeCamera:
    """Stands in for pyvirtualcam from now on, in this process and those that it spawns."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        (folder / "pyvirtualcam.py").write_text(_MODULE)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(__import__("sys").modules, "pyvirtualcam", raising=False)

    def refuse(self, reason: str) -> None:
        """There is no device."""
        (self.folder / "refuse").write_text(reason)

    def accept(self) -> None:
        """There is one after all."""
        (self.folder / "refuse").unlink()

    def break_once(self) -> None:
        """The next picture fails."""
        (self.folder / "break").touch()

    @property
    def opened(self) -> str:
        """Width, height, rate and device; "" when nobody opened it."""
        file = self.folder / "opened"
        return file.read_text() if file.exists() else ""

    @property
    def is_closed(self) -> bool:
        return (self.folder / "closed").exists()

    def pictures(self) -> list[NDArray[np.uint8]]:
        """All that were shown so far, oldest first."""
        return [np.load(file) for file in sorted(self.folder.glob("0*.npy"))]

    def wait_for(self, count: int, within_s: float = 60.0) -> list[NDArray[np.uint8]]:
        """The pictures, as soon as there are `count`."""
        deadline_s = time.monotonic() + within_s
        while len(pictures := self.pictures()) < count:
            assert time.monotonic() < deadline_s, f"{len(pictures)} of {count} pictures within {within_s:g} s"
            time.sleep(0.05)
        return pictures
