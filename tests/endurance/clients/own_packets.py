"""Those that read our own msgpack: plain UDP, ZeroMQ, and the Unity package's receiver under Mono."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgpack
import numpy as np
import zmq
from endurance.clients.client import Client, Heard, Listening, Udp, Values
from support.csharp import compile_program, missing_mono
from support.stream import Subscriber, free_port

from protocol.frame import PARTS, FaceFrame

BODY = tuple(part.name for part in PARTS if not part.is_optional)


def whole(frame: FaceFrame) -> Values:
    parts = [np.atleast_1d(np.asarray(frame.part(name), np.float64)) for name in BODY]
    return np.concatenate(parts)


def _faces(packets: list[tuple[float, bytes]]) -> Iterator[Heard]:
    """Our packets by msgpack's own reader."""
    for at_s, packet in packets:
        content = msgpack.unpackb(packet)
        if content["type"] == "face":
            parts = [content[name] for name in BODY]
            values = [np.frombuffer(part, "<f4") if isinstance(part, bytes) else [part] for part in parts]
            yield Heard(at_s, np.concatenate(values).astype(np.float64), content["seq"])


class PlainUdp(Udp):
    name, url = "UDP, msgpack", "udp://127.0.0.1:{port}"

    def expected(self, frame: FaceFrame) -> Values:
        return whole(frame)

    def heard(self) -> Iterator[Heard]:
        return _faces(self._packets)


class ZeroMq(Listening):
    name = "ZeroMQ, msgpack"

    def start(self, folder: Path) -> None:
        self.urls = [f"zmq://127.0.0.1:{free_port()}"]

    def join(self) -> None:
        self._subscriber = Subscriber(self.urls[0])
        self.listen(lambda: self._subscriber.receive()[0], zmq.Again)

    def stop(self) -> None:
        super().stop()
        self._subscriber.__exit__()

    def expected(self, frame: FaceFrame) -> Values:
        return whole(frame)

    def heard(self) -> Iterator[Heard]:
        return _faces(self._packets)


class UnityReader(Client):
    """The Unity package's receiver under Mono, in a process of its own."""

    name = "Unity's reader (mono)"

    @staticmethod
    def missing() -> str | None:
        return missing_mono()

    def start(self, folder: Path) -> None:
        program = compile_program(folder)
        self._output = (folder / "heard").open("w+")
        self._process = subprocess.Popen(
            ["mono", str(program), "listen"], stdin=subprocess.PIPE, stdout=self._output, text=True
        )
        while not (line := (folder / "heard").read_text()).endswith("\n"):
            assert self._process.poll() is None, "the C# program has ended"
            time.sleep(0.05)
        self.urls = [f"udp://127.0.0.1:{int(line)}"]

    def stop(self) -> None:
        self._process.communicate(timeout=30)

    def expected(self, frame: FaceFrame) -> Values:
        return whole(frame)

    def heard(self) -> Iterator[Heard]:
        self._output.seek(0)
        next(self._output)
        before = 0
        with self._output:
            for line in self._output:
                at_ms, received, _, damaged, _, seq, _, _, _, *parts = line.split()
                assert damaged == "0", "the C# reader refuses packets"
                values = {
                    part.name: np.frombuffer(bytes.fromhex(text), "<f4")
                    for part, text in zip(PARTS, parts, strict=True)
                    if not part.is_optional
                }
                overtaken = int(received) - before - 1
                before = int(received)
                whole = np.concatenate([values[name] for name in BODY]).astype(np.float64)
                yield Heard(float(at_ms) / 1e3, whole, int(seq), overtaken)
