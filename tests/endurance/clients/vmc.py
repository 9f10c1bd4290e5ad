"""Programs that speak VMC, read by python-osc."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from endurance.clients.client import PASCAL, ROUNDING, Heard, Udp, Values
from pythonosc.osc_bundle import OscBundle

from protocol.frame import FaceFrame


def _osc_frames(packets: list[tuple[float, bytes]]) -> Iterator[tuple[float, list[tuple[str, list[Any]]]]]:
    """VMC's messages by python-osc, frame by frame. A frame of which a datagram is lost is left out."""
    messages: list[tuple[str, list[Any]]] = []
    for at_s, packet in packets:
        messages += [(message.address, message.params) for message in OscBundle(packet)]
        if messages[-1][0] == "/VMC/Ext/Blend/Apply":
            names = [arguments[0] for address, arguments in messages if address == "/VMC/Ext/Blend/Val"]
            if len(names) == len(set(names)) and set(names) >= set(PASCAL):
                yield at_s, messages
            messages = []


class VmcPerformer(Udp):
    name, url = "VMC, performer", "vmc://127.0.0.1:{port}?mode=performer"
    resolution = ROUNDING

    def __init__(self, period_s: float, first_s: float) -> None:
        super().__init__()
        self._period_s, self._first_s = period_s, first_s

    def expected(self, frame: FaceFrame) -> Values:
        # Neck and head take half of the turn each. Unity's x points to the other side.
        angle = float(np.linalg.norm(frame.head_rotation))
        axis = frame.head_rotation / angle if angle > 0 else np.zeros(3)
        half = [*(math.sin(angle / 4) * axis * [1, -1, -1]), math.cos(angle / 4)]
        return np.concatenate([frame.arkit, half, half])

    def heard(self) -> Iterator[Heard]:
        for at_s, messages in _osc_frames(self._packets):
            blends = dict(arguments for address, arguments in messages if address == "/VMC/Ext/Blend/Val")
            bones = {one[0]: one[4:] for address, one in messages if address == "/VMC/Ext/Bone/Pos"}
            (sender_s,) = next(arguments for address, arguments in messages if address == "/VMC/Ext/T")
            seq = round((sender_s - self._first_s) / self._period_s)
            values = np.array([*(blends[name] for name in PASCAL), *bones["Neck"], *bones["Head"]])
            yield Heard(at_s, values, seq)


class VmcAssistant(Udp):
    name, url, rate_hz = "VMC, assistant, rate=30", "vmc://127.0.0.1:{port}?rate=30", 30
    resolution = ROUNDING

    def expected(self, frame: FaceFrame) -> Values:
        return frame.arkit.astype(np.float64)

    def heard(self) -> Iterator[Heard]:
        for at_s, messages in _osc_frames(self._packets):
            blends = dict(arguments for address, arguments in messages if address == "/VMC/Ext/Blend/Val")
            yield Heard(at_s, np.array([blends[name] for name in PASCAL]))
