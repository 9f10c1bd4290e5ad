"""What each kind of datagram output sends for a frame. The bytes themselves are made in `protocol`."""

from __future__ import annotations

from driver.sinks.datagram import Pack
from driver.sinks.sink import HelloTimer, SinkContext
from protocol.frame import FaceFrame
from protocol.msgpack_codec import encode_hello


def udp_pack(context: SinkContext) -> Pack:
    """The frame's own packet, after the hello once a second."""
    hello = encode_hello(context.hello)
    timer = HelloTimer(context.clock_ns)

    def pack(frame: FaceFrame, packet: bytes) -> list[bytes]:
        return [hello, packet] if timer.is_due() else [packet]

    return pack
