"""A stand-in for VTube Studio."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from endurance.clients.client import PASCAL, ROUNDING, Client, Heard, Values
from support.vtube_studio import FakeVTubeStudio

from protocol.frame import FaceFrame


class VTubeStudio(Client):
    name = "VTube Studio"
    resolution = 5e-5 + ROUNDING  # four decimals

    def start(self, folder: Path) -> None:
        rows = self._rows = []

        class Noting(FakeVTubeStudio):
            def _InjectParameterDataRequest(self, data: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
                rows.append((time.time(), {one["id"]: one["value"] for one in data["parameterValues"]}))
                return super()._InjectParameterDataRequest(data, session)

        self._studio = Noting()
        self._studio.clicks = [True]
        self._studio.start()
        self.urls = [f"vts://127.0.0.1:{self._studio.port}"]

    def stop(self) -> None:
        self._studio.stop()

    def expected(self, frame: FaceFrame) -> Values:
        return frame.arkit.astype(np.float64)

    def heard(self) -> Iterator[Heard]:
        for at_s, values in self._rows:
            yield Heard(at_s, np.array([values[f"Avatar{name}"] for name in PASCAL]))
