"""Programs that take what an iPhone's app sends: Live Link Face, iFacialMocap. Both tell of 52 weights and angles."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from endurance.clients.client import PASCAL, ROUNDING, Heard, Listening, Udp, Values, turned
from pylivelinkface.pylivelinkface import FaceBlendShape, PyLiveLinkFace
from support.ifacialmocap import ASK, Program, fields_of
from support.stream import free_port

from models.head.rotation import matrix_from_axis_angle
from protocol import ifacialmocap
from protocol.frame import FaceFrame


class LiveLink(Udp):
    name, url = "Live Link", "livelink://127.0.0.1:{port}?time=clock"
    resolution = ROUNDING

    def __init__(self, first_s: float) -> None:
        super().__init__()
        self._first_s = first_s

    def expected(self, frame: FaceFrame) -> Values:
        left_pitch, left_yaw, right_pitch, right_yaw = frame.gaze
        turn = matrix_from_axis_angle(frame.head_rotation).ravel()
        return np.concatenate([frame.arkit, turn, [left_yaw, left_pitch, right_yaw, right_pitch]])

    def heard(self) -> Iterator[Heard]:
        for at_s, packet in self._packets:
            has_face, link = PyLiveLinkFace.decode(packet)
            assert has_face
            value = {shape.name: link.get_blendshape(shape) for shape in FaceBlendShape}
            head = turned(value["HeadYaw"], value["HeadPitch"], value["HeadRoll"])
            eyes = [value[f"{side}Eye{angle}"] for side in ("Left", "Right") for angle in ("Yaw", "Pitch")]
            seq = round(link._frames + link._sub_frame - self._first_s * link.fps)
            yield Heard(at_s, np.array([*(value[name] for name in PASCAL), *head, *eyes]), seq)


class IFacialMocap(Listening):
    """A program at another address, which asks for the face each second, as some do."""

    name = "iFacialMocap, asking"
    # Whole percents; four decimals of degrees and metres.
    resolution = np.array([0.005 + ROUNDING] * 52 + [5e-6] * 9 + [5e-5 + ROUNDING] * 3)

    def start(self, folder: Path) -> None:
        self._program = Program("127.0.0.2")
        self._port = free_port()
        self.urls = [f"ifacialmocap://127.0.0.1:{self._port}?mode=listen&reply_port={self._program.port}"]
        self.listen(self._program.receive)

    def join(self) -> None:
        self._asking = threading.Thread(target=self._ask)
        self._asking.start()

    def _ask(self) -> None:
        while not self._ended.wait(1.0):
            self._program.ask(ASK, self._port)

    def stop(self) -> None:
        super().stop()
        self._asking.join()
        self._program.close()

    def expected(self, frame: FaceFrame) -> Values:
        turn = matrix_from_axis_angle(frame.head_rotation).ravel()
        return np.concatenate([frame.arkit, turn, frame.head_translation])

    def heard(self) -> Iterator[Heard]:
        for at_s, packet in self._packets:
            fields = fields_of(packet)
            weights = [fields[name][0] / 100 for name in ifacialmocap.NAMES]
            pitch, yaw, roll, *place = fields["head"]
            yield Heard(at_s, np.array([*weights, *turned(*np.radians([yaw, pitch, roll])), *place]))
