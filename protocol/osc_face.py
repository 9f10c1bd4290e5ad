"""Our own OSC addresses: a frame as one or two bundles, `/avatar/frame` last as the sign that the face is complete."""

from __future__ import annotations

from functools import lru_cache

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
    "/avatar/detail": ("detail",),
}

# As many subjects' heads are kept as one machine can drive; each takes 8 kB.
_MOST_SUBJECTS = 256


class _Heads:
    """What comes before the values of each message, under `prefix`: made once, since it costs more than the values."""

    def __init__(self, prefix: str) -> None:
        self.parts = {
            address: osc.message_head(prefix + address, "f" * sum(PART_BY_NAME[name].size for name in names))
            for address, names in ADDRESSES.items()
        }
        self.shapes = tuple(osc.message_head(f"{prefix}/avatar/arkit/{name}", "f") for name in ARKIT_SHAPES)
        self.frame = osc.message_head(f"{prefix}/avatar/frame", "hhhs")


@lru_cache(_MOST_SUBJECTS)
def _heads(subject: str) -> _Heads:
    return _Heads(f"/{subject}" if subject else "")


def encode(frame: FaceFrame, *, per_shape: bool = False) -> list[bytes]:
    """The datagrams of one frame, each at most 1472 bytes, to be sent in this order. PROTOCOL.md lists the addresses.

    A frame with a subject has it in front of every address: "/npc-1/avatar/jaw".
    per_shape   also send every ARKit weight to an address of its own, "/avatar/arkit/jawOpen" for example
    """
    messages: list[bytes] = []
    heads = _heads(frame.subject)
    for address, names in ADDRESSES.items():
        parts = [part.astype(">f4").tobytes() for name in names if (part := frame.part(name)) is not None]
        if parts:
            messages.append(heads.parts[address] + b"".join(parts))
    if per_shape:
        weights = frame.arkit.astype(">f4").tobytes()
        messages += [head + weights[4 * index : 4 * index + 4] for index, head in enumerate(heads.shapes)]
    numbers = (osc.int64(number) for number in (frame.seq, frame.capture_ns, frame.publish_ns))
    messages.append(heads.frame + b"".join(numbers) + osc.string(frame.head))
    return osc.pack(messages)
