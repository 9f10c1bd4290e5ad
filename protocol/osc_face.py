"""Our own OSC addresses: a frame as one or two bundles, `/avatar/frame` last as the sign that the face is complete."""

from __future__ import annotations

from protocol import osc
from protocol.frame import ARKIT_SHAPES, PART_BY_NAME, FaceFrame

DEFAULT_PORT = 9010


# Each address with the parts of the frame whose values it carries, in the order of sending.
ADDRESSES: dict[str, tuple[str, ...]] = {
    "/avatar/expression": ("expression",),
    "/avatar/jaw": ("jaw",),
    "/avatar/eyelids": ("eyelids",),
    "/avatar/gaze": ("gaze",),
    "/avatar/head": ("head_rotation", "head_translation"),
    "/avatar/arkit": ("arkit",),
    "/avatar/voice": ("laughter", "speech"),
    "/avatar/emotion": ("valence", "arousal"),
    "/avatar/confidence": ("confidence",),
    "/avatar/shape": ("shape",),
}

_HEADS = {
    address: osc.message_head(address, "f" * sum(PART_BY_NAME[name].size for name in names))
    for address, names in ADDRESSES.items()
}
_SHAPE_HEADS = tuple(osc.message_head(f"/avatar/arkit/{name}", "f") for name in ARKIT_SHAPES)
_FRAME_HEAD = osc.message_head("/avatar/frame", "hhhs")


def encode(frame: FaceFrame, *, per_shape: bool = False) -> list[bytes]:
    """The datagrams of one frame, each at most 1472 bytes, to be sent in this order. PROTOCOL.md lists the addresses.

    per_shape   also send every ARKit weight to an address of its own, "/avatar/arkit/jawOpen" for example
    """
    messages: list[bytes] = []
    for address, names in ADDRESSES.items():
        parts = [part.astype(">f4").tobytes() for name in names if (part := frame.part(name)) is not None]
        if parts:
            messages.append(_HEADS[address] + b"".join(parts))
    if per_shape:
        weights = frame.arkit.astype(">f4").tobytes()
        messages += [head + weights[4 * index : 4 * index + 4] for index, head in enumerate(_SHAPE_HEADS)]
    numbers = (osc.int64(number) for number in (frame.seq, frame.capture_ns, frame.publish_ns))
    messages.append(_FRAME_HEAD + b"".join(numbers) + osc.string(frame.head))
    return osc.pack(messages)
