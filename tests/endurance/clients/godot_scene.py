"""A real engine that wears the face."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from endurance.clients.client import ROUNDING, Client, Heard, Values
from support.godot import HEADLESS, Godot
from support.stream import free_port

from models.head.rotation import matrix_from_axis_angle
from protocol.frame import FaceFrame


class GodotScene(Client):
    """The engine wears the face; what it says is read back from its mesh."""

    name = "Godot, headless (OSC)"
    resolution = np.array([ROUNDING] * 52 + [1e-5] * 6)  # it prints six digits

    @staticmethod
    def missing() -> str | None:
        return None if shutil.which(HEADLESS) else f"needs {HEADLESS}"

    def start(self, folder: Path) -> None:
        port = free_port()
        self._godot = Godot(folder, port)
        self.urls = [f"osc://127.0.0.1:{port}"]

    def stop(self) -> None:
        self._godot.stop()

    def expected(self, frame: FaceFrame) -> Values:
        turn = matrix_from_axis_angle(frame.head_rotation)
        return np.concatenate([frame.arkit, turn[:, 2], turn[:, 0]])

    def heard(self) -> Iterator[Heard]:
        for line in self._godot.rest():
            values = np.array([*line["weights"][:52], *line["out"], *line["left"]])
            yield Heard(line["unix_ms"] / 1e3, values, line["seq"])
