"""What the golden files hold: `NAME.bin` with the bytes, `NAME.json` with their meaning."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from protocol import (
    avatar_codec,
    ifacialmocap,
    livelink,
    osc,
    osc_face,
    oscquery,
    vmc,
    vrchat,
    vtube_studio,
    vtube_studio_face,
)
from protocol.frame import OPEN_HEAD_ID, PARTS, SCHEMA_VERSION, FaceFrame
from protocol.golden.frames import frames
from protocol.hello import Hello, fields_of
from protocol.msgpack_codec import encode, encode_hello
from protocol.recording_format import encode_header, encode_record

FOLDER = Path(__file__).parent
HELLO = Hello(sender="avatar-driver", sender_version="0.0.0", head=OPEN_HEAD_ID, rate_hz=60.0)
# An avatar that takes floats and bits, with a prefix and without, and lids but no gaze.
VRCHAT_AVATAR = (
    oscquery.Endpoint("/avatar/change", "s", ("avtr_1",)),
    *(
        oscquery.Endpoint(vrchat.PARAMETERS + name, "f", (0.0,))
        for name in ("v2/JawOpen", "FT/v2/SmileFrown", "v2/EyeLidLeft", "v2/EyeLidRight", "v2/Head/Yaw", "Upright")
    ),
    *(
        oscquery.Endpoint(vrchat.PARAMETERS + name, "T", (False,))
        for name in (*(f"v2/SmileFrownRight{bit}" for bit in (1, 2, 4)), "v2/SmileFrownRightNegative")
    ),
    oscquery.Endpoint(vrchat.PARAMETERS + "LipTrackingActive", "T", (False,)),
)


def files() -> dict[str, bytes]:
    """All golden files by name."""
    found: dict[str, bytes] = {}

    def add(name: str, data: bytes, meaning: Any) -> None:
        found[f"{name}.bin"] = data
        found[f"{name}.json"] = (json.dumps(meaning, indent=1) + "\n").encode()

    for name, frame in frames().items():
        add(f"face_{name}", encode(frame), face_meaning(frame))
    add("hello", encode_hello(HELLO), {"v": SCHEMA_VERSION, "type": "hello", **fields_of(HELLO)})
    for index, datagram in enumerate(osc_face.encode(frames()["dense"], per_shape=True)):
        add(f"osc_{index}", datagram, _osc_meaning(datagram))
    for mode in ("assistant", "performer"):
        for index, datagram in enumerate(vmc.encode(frames()["wink"], vmc.VmcOptions(mode=mode))):
            add(f"vmc_{mode}_{index}", datagram, _osc_meaning(datagram))
    add("livelink", *_livelink(livelink.encode(frames()["wink"])))
    add("livelink_no_face", *_livelink(livelink.encode_no_face(frames()["wink"])))
    for version in get_args(ifacialmocap.Version):
        add(f"ifacialmocap_{version}", *_ifacialmocap(ifacialmocap.encode(frames()["wink"], version)))
    tree = json.dumps(oscquery.tree(VRCHAT_AVATAR)).encode()
    add("oscquery", tree, [[one.address, one.tags, list(one.value)] for one in oscquery.decode_tree(tree)])
    datagrams, _ = vrchat.encode(frames()["wink"], vrchat.avatar_of("avtr_1", VRCHAT_AVATAR))
    for index, datagram in enumerate(datagrams):
        add(f"vrchat_{index}", datagram, _osc_meaning(datagram))
    for name, request in _vtube_studio().items():
        add(f"vtube_studio_{name}", request.encode(), json.loads(request))
    for index, (packet, meaning) in enumerate(_avatar()):
        add(f"avatar_{index}", packet, meaning)
    add("recording", *_recording())
    return found


def face_meaning(frame: FaceFrame) -> dict[str, Any]:
    """The frame as PROTOCOL.md names things; float32 values with all their digits."""
    parts = {part.name: frame.part(part.name) for part in PARTS}
    return {
        "v": SCHEMA_VERSION,
        "type": "face",
        "seq": frame.seq,
        "capture_ns": frame.capture_ns,
        "publish_ns": frame.publish_ns,
        "head": frame.head,
        **{name: values.tolist() for name, values in parts.items() if values is not None},
    }


def _osc_meaning(datagram: bytes) -> list[Any]:
    return [[message.address, *message.arguments] for message in osc.decode_packet(datagram)]


def _livelink(datagram: bytes) -> tuple[bytes, dict[str, Any]]:
    packet = livelink.decode(datagram)
    values = packet.values
    return datagram, {
        "device_id": packet.device_id,
        "subject": packet.subject,
        "frame_number": packet.frame_number,
        "sub_frame": packet.sub_frame,
        "rate": [packet.rate_numerator, packet.rate_denominator],
        "values": None if values is None else dict(zip(livelink.CHANNELS, values.tolist(), strict=True)),
    }


def _ifacialmocap(datagram: bytes) -> tuple[bytes, dict[str, Any]]:
    packet = ifacialmocap.decode(datagram)
    return datagram, {
        "version": packet.version,
        "is_tracked": packet.is_tracked,
        "weights": dict(zip(ifacialmocap.NAMES, np.rint(100 * packet.weights).astype(int).tolist(), strict=True)),
        "head_deg": packet.head_deg,
        "head_m": packet.head_m,
        "right_eye_deg": packet.right_eye_deg,
        "left_eye_deg": packet.left_eye_deg,
    }


def _vtube_studio() -> dict[str, str]:
    frame = frames()["wink"]
    values = {**vtube_studio_face.tracking_values(frame), **vtube_studio_face.own_values(frame)}
    return {
        "token": vtube_studio.token_request("1"),
        "authentication": vtube_studio.authentication_request("2", "a-token"),
        "creation": vtube_studio.creation_request("3", vtube_studio_face.OWN_PARAMETERS[0]),
        "injection": vtube_studio.injection_request("4", values, is_found=frame.is_found),
    }


def _avatar() -> list[tuple[bytes, dict[str, Any]]]:
    """Packets of one sender, in order: two key frames, in other steps; three that lean on the first or the second."""
    sent = avatar_codec.EncoderState(session=7, seq=65_534)
    read = avatar_codec.DecoderState()
    found: list[tuple[bytes, dict[str, Any]]] = []
    for index, (name, kbps) in enumerate(
        (("wink", 100.0), ("neutral", 100.0), ("dense", 1.5), ("wink", 2.0), ("dense", 100.0))
    ):
        at_ns = frames()["wink"].publish_ns + index * 400_000_000
        frame = replace(frames()[name], publish_ns=at_ns, capture_ns=at_ns - 40_000_000)
        packet, sent = avatar_codec.encode(frame, sent, avatar_codec.AvatarOptions(kbps=kbps, key_every=2))
        if packet is None:
            raise AssertionError(f"golden frame {index} does not fit into {kbps} kbit/s")
        face, read = avatar_codec.decode(packet, read)
        if face is None:
            raise AssertionError(f"golden packet {index} leans on nothing")
        found.append((packet, avatar_meaning(face)))
    return found


def avatar_meaning(face: avatar_codec.AvatarFace) -> dict[str, Any]:
    """The face as PROTOCOL.md names things; float32 values with all their digits."""
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(face).items()}


def _recording() -> tuple[bytes, dict[str, Any]]:
    """A hello, two frames, a record of a kind that nobody knows, and a record that a crash has cut short."""
    created_ns = 1_700_000_000_123_456_789
    packets = {
        "hello": encode_hello(HELLO),
        **{f"face_{name}": encode(frames()[name]) for name in ("neutral", "dense")},
    }
    cut = encode_record(encode(frames()["wink"]))[:100]
    data = b"".join(
        (encode_header(created_ns), *map(encode_record, packets.values()), encode_record(b"later", kind=200), cut)
    )
    kinds = [[1, name] for name in packets]
    return data, {"created_ns": created_ns, "records": [*kinds, [200, None]], "dropped_bytes": len(cut)}
