"""A page of viser's as a plain WebSocket client: what is sent to it, read by its published wire format (MIT)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgpack
import zstandard
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

# The first thing that a page says; until then it does not count.
_LOOKS = {
    "type": "ViewerCameraMessage",
    "wxyz": [1.0, 0.0, 0.0, 0.0],
    "position": [0.0, 0.0, 0.0],
    "fov": 0.6,
    "near": 0.02,
    "far": 100.0,
    "image_height": 480,
    "image_width": 640,
    "look_at": [0.0, 0.0, -0.6],
    "up_direction": [0.0, 1.0, 0.0],
}


def open_page(address: str, origin: str | None = None) -> ClientConnection:
    """A connection as viser's own page makes it. It stalls for as long as nobody reads from it."""
    import viser

    page = connect(
        address.replace("http://", "ws://"),
        subprotocols=[Subprotocol(f"viser-v{viser.__version__}")],
        origin=None if origin is None else Origin(origin),
        max_size=None,
        compression=None,
    )
    page.send(msgpack.packb(_LOOKS))
    return page


def messages(packet: bytes) -> list[dict[str, Any]]:
    """The messages of one packet; arrays and pictures as bytes."""
    size, compressed = (int.from_bytes(packet[at : at + 8], "little") for at in (0, 8))
    content = msgpack.unpackb(zstandard.ZstdDecompressor().decompress(packet[16 : 16 + compressed], size))
    buffers, at = [], 16 + compressed
    for length in content["binaryBufferLengths"]:
        at += -at % 8
        buffers.append(packet[at : at + length])
        at += length
    return [_filled(message, buffers) for message in content["messages"]]


def read_until(
    page: ClientConnection, is_it: Callable[[dict[str, Any]], bool], within_s: float = 20.0
) -> dict[str, Any]:
    """The first message that `is_it` says yes to."""
    deadline_s = time.monotonic() + within_s
    while True:
        packet = page.recv(timeout=max(0.0, deadline_s - time.monotonic()))
        assert isinstance(packet, bytes)
        for message in messages(packet):
            if is_it(message):
                return message


def _filled(value: Any, buffers: list[bytes]) -> Any:
    if isinstance(value, dict):
        if "__binary_index" in value:
            return buffers[value["__binary_index"]]
        return {name: _filled(one, buffers) for name, one in value.items()}
    return [_filled(one, buffers) for one in value] if isinstance(value, list) else value
