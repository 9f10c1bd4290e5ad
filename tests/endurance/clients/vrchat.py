"""A stand-in for VRChat."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from endurance.clients.client import ROUNDING, Client, Heard, Values
from support.vrchat import FakeVrChat, avatar_tree

from protocol.frame import ARKIT_SHAPES, FaceFrame


class VrChat(Client):
    """VRChat with OSCQuery; an avatar with floats, one expression in three bits, and VRChat's own eyes."""

    name = "VRChat, OSCQuery"
    _FLOATS = {  # noqa: RUF012
        "v2/JawOpen": "jawOpen",
        "FT/v2/MouthUpperUpLeft": "mouthUpperUpLeft",
        "FT/v2/MouthUpperUpRight": "mouthUpperUpRight",
        "v2/MouthStretchLeft": "mouthStretchLeft",
        "v2/BrowInnerUpRight": "browInnerUp",
        "v2/EyeSquintLeft": "eyeSquintLeft",
    }
    _BITS = (1, 2, 4)
    # A float is sent when it has moved by 0.002; three bits count eighths; the eyes' degrees are float32.
    resolution = np.array([0.002 + ROUNDING] * len(_FLOATS) + [1 / 16 + ROUNDING] + [1e-5] * 4)

    @staticmethod
    def missing() -> str | None:
        return None if find_spec("zeroconf") else "needs pip install 'avatar-driver[vrchat]'"

    def start(self, folder: Path) -> None:
        rows = self._rows = []

        class Noting(FakeVrChat):
            def _heard(self, address: str, *values: Any) -> None:
                super()._heard(address, *values)
                if address.endswith("/LeftRightPitchYaw"):  # the last of a frame, and sent with every one
                    rows.append((time.time(), values, dict(self.received)))

        bits = {f"v2/JawOpen{bit}": "T" for bit in self._BITS}
        self._game = Noting(avatar_tree("avtr_1", dict.fromkeys(self._FLOATS, "f") | bits))
        self.urls = ["vrchat://?interface=127.0.0.1&eyes=native"]

    def stop(self) -> None:
        self._game.__exit__()

    def expected(self, frame: FaceFrame) -> Values:
        def weight(name: str) -> float:
            return float(frame.arkit[ARKIT_SHAPES.index(name)])

        left_pitch, left_yaw, right_pitch, right_yaw = np.degrees(frame.gaze)
        eyes = [left_pitch, -left_yaw, right_pitch, -right_yaw]
        return np.array([*map(weight, self._FLOATS.values()), weight("jawOpen"), *eyes])

    def heard(self) -> Iterator[Heard]:
        folder = "/avatar/parameters/"
        for at_s, eyes, state in self._rows:
            floats = [state.get(folder + name, math.nan) for name in self._FLOATS]
            steps = sum(bit * bool(state.get(f"{folder}v2/JawOpen{bit}")) for bit in self._BITS)
            yield Heard(at_s, np.array([*floats, steps / 8 + 1 / 16, *eyes]))
