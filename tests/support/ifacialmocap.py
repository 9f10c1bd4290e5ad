"""A program that reads iFacialMocap, written from the public text."""

from __future__ import annotations

import socket

from support.stream import UdpReceiver

ASK = b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719"


class Program:
    """A program at an address of its own, as another machine would be: asks from any port, listens on `port`."""

    def __init__(self, host: str, port: int = 0) -> None:
        self._receiver = UdpReceiver(port, host)
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sender.bind((host, 0))
        self.port = self._receiver.port

    def ask(self, text: bytes, port: int) -> None:
        self._sender.sendto(text, ("127.0.0.1", port))

    def receive(self) -> bytes:
        """The next packet."""
        return self._receiver.receive(1)[0]

    def face(self) -> dict[str, list[float]]:
        """What the next packet says."""
        return fields_of(self.receive())

    def close(self) -> None:
        self._receiver.close()
        self._sender.close()


def fields_of(packet: bytes) -> dict[str, list[float]]:
    """Names with their numbers. Splits as the public description says."""
    fields: dict[str, list[float]] = {}
    for field in packet.decode().split("|"):
        for separator in "#&":
            if separator in field:
                name, values = field.split(separator)
                break
        else:
            name, _, values = field.rpartition("-")
        if name:
            fields[name.lstrip("=")] = [float(value) for value in values.split(",")]
    return fields
