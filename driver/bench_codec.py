"""The avatar codec on recordings: bits, error and loss. Tables for people, one line of JSON last for programs.

Errors are distances in mm between the landmarks of two faces of the open head, without the pose of the head: of the 468
landmarks of the skin ("face"), or of those on the lips. Reference is the motion that was recorded.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from driver import __version__
from driver.errors import UsageError
from driver.jitter import JitterBuffer
from driver.recording import read_recording
from driver.sinks.avatar import DEFAULT_RATE_HZ
from driver.sinks.rate import RateLimit
from driver.sinks.sink import Notice
from models.head.arkit import ArkitMap
from models.head.flame import FaceRig, open_head
from models.head.landmarks import LIPS, SKIN_COUNT, open_head_landmarks
from protocol.avatar_codec import AvatarOptions, DecoderState, EncoderState, decode, encode
from protocol.frame import OPEN_HEAD_ID, PARTS, FaceFrame, Floats
from protocol.msgpack_codec import encode as encode_msgpack

LOSSES = (0.0, 0.01, 0.05, 0.1, 0.2)
KEY_INTERVALS = (1, 2, 4, 8, 15, 30)
# How often it is looked at what is shown; no multiple of the rate, so that all places between two faces are seen.
SHOWN_HZ = 40.0
# The network that is made up: packets take so long, and up to so much longer, each by itself.
LATENCY_MS, UNEVEN_MS = 40.0, 20.0
# Chance is asked so often, as clips are short.
RUNS = 4
IP_AND_UDP_BYTES = 28

Take = list[FaceFrame]


@dataclass(frozen=True)
class Error:
    """Distances in mm: mean and 95th percentile, over all landmarks and instants."""

    face_mean: float
    face_p95: float
    lips_mean: float
    lips_p95: float

    @classmethod
    def of(cls, distances: Sequence[NDArray[np.floating]]) -> Error:
        """From distances [468] of many instants."""
        face = np.stack(distances)
        lips = face[:, sorted(set(LIPS))]
        return cls(*(float(value) for part in (face, lips) for value in (part.mean(), np.percentile(part, 95))))


class LandmarkRuler:
    """Where the landmarks of a face of the open head are, in mm, float32 [468, 3] in the head's frame."""

    def __init__(self) -> None:
        head, embedding = open_head(), open_head_landmarks()
        corners = head.f[embedding.triangles[:SKIN_COUNT]]
        vertices, self._rows = np.unique(corners, return_inverse=True)
        self._rows = self._rows.reshape(corners.shape)
        self._shares = embedding.barycentric[:SKIN_COUNT]
        self._rig = FaceRig(head, vertex_ids=vertices)
        self._arkit = ArkitMap(head)

    def of_motion(self, expression: Floats, jaw: Floats, eyelids: Floats, gaze: Floats) -> Floats:
        """Of a motion."""
        vertices = self._rig.vertices(expression, jaw, eyelids, gaze)
        return 1000 * np.einsum("lk,lkc->lc", self._shares, vertices[self._rows]).astype(np.float32)

    def of_frame(self, frame: FaceFrame) -> Floats:
        """Of the frame's own motion."""
        return self.of_motion(frame.expression, frame.jaw, frame.eyelids, frame.gaze)

    def of_weights(self, arkit: Floats) -> Floats:
        """Of the motion that the weights stand for."""
        return self.of_motion(*self._arkit.to_motion(arkit))


def apart(one: Floats, other: Floats) -> Floats:
    """Distances [468] between two sets of landmarks."""
    return np.linalg.norm(one - other, axis=1)


def bench_codec(paths: Sequence[Path], kbps: float, notice: Notice) -> None:
    """Measure the recordings `paths` and print."""
    takes = [_take(path, notice) for path in paths]
    ruler = LandmarkRuler()
    places = [np.stack([ruler.of_frame(frame) for frame in take]) for take in takes]
    report: dict[str, Any] = {
        "version": __version__,
        "recordings": {path.name: round(_seconds(take), 2) for path, take in zip(paths, takes, strict=True)},
        "rate_hz": DEFAULT_RATE_HZ,
        "kbps": kbps,
        "formats": _formats(takes, ruler, kbps),
        "loss": [
            _over_network(takes, places, ruler, AvatarOptions(kbps, interval), loss)
            for interval in KEY_INTERVALS
            for loss in LOSSES
        ],
    }
    _print(report)
    print(json.dumps(report))


def _take(path: Path, notice: Notice) -> Take:
    take = [item for _, item in read_recording(path, notice) if isinstance(item, FaceFrame)]
    if len(take) < 2:
        raise UsageError(f"{path} holds {len(take)} frames; a recording to measure has some seconds")
    if take[0].head != OPEN_HEAD_ID:
        raise UsageError(f"{path} is of the head {take[0].head!r}; the codec is measured on {OPEN_HEAD_ID}")
    return take


def _seconds(take: Take) -> float:
    return (take[-1].publish_ns - take[0].publish_ns) / 1e9


def _sent(take: Take) -> Iterator[FaceFrame]:
    """The frames that `--out avatar://` would send."""
    clock_ns = [0]
    limit = RateLimit(DEFAULT_RATE_HZ, lambda: clock_ns[0])
    for frame in take:
        clock_ns[0] = frame.publish_ns
        if limit.allows():
            yield frame


def _formats(takes: Sequence[Take], ruler: LandmarkRuler, kbps: float) -> dict[str, dict[str, float]]:
    """Bits, errors and times of single frames, without a network."""
    frames = [list(_sent(take)) for take in takes]
    seconds = sum(len(take) for take in frames) / DEFAULT_RATE_HZ
    found: dict[str, dict[str, float]] = {}

    def add(name: str, sizes: Sequence[int], error: Error, **more: float) -> None:
        found[name] = {
            "kbps": round(8 * sum(sizes) / seconds / 1000, 2),
            "kbps_with_headers": round(8 * (sum(sizes) + IP_AND_UDP_BYTES * len(sizes)) / seconds / 1000, 2),
            "bytes_mean": round(float(np.mean(sizes)), 1),
            "bytes_most": max(sizes),
            **_rounded(error),
            **more,
        }

    flat = [frame for take in frames for frame in take]
    none = Error.of([np.zeros(SKIN_COUNT)])
    add("msgpack, float32", [len(encode_msgpack(frame)) for frame in flat], none)
    halves = [_halves(frame) for frame in flat]
    add("float16 and zlib", [len(zlib.compress(data, 9)) for data in halves], _halves_error(flat, ruler))

    sizes: list[int] = []
    errors: list[Floats] = []
    own: list[Floats] = []
    by_weights: list[Floats] = []
    spent = {"encode_us": 0, "decode_us": 0}
    for take in frames:
        sender, receiver = EncoderState(session=0), DecoderState()
        for frame in take:
            began_ns = time.thread_time_ns()
            packet, sender = encode(frame, sender, AvatarOptions(kbps))
            encoded_ns = time.thread_time_ns()
            spent["encode_us"] += encoded_ns - began_ns
            if packet is None:
                continue
            face, receiver = decode(packet, receiver)
            spent["decode_us"] += time.thread_time_ns() - encoded_ns
            if face is None:
                raise AssertionError("nothing was lost, and yet a key frame is missing")
            sizes.append(len(packet))
            got, meant = ruler.of_weights(face.arkit), ruler.of_weights(frame.arkit)
            true = ruler.of_frame(frame)
            errors.append(apart(got, true))
            own.append(apart(got, meant))
            by_weights.append(apart(meant, true))
    times = {name: round(total_ns / 1000 / len(flat), 1) for name, total_ns in spent.items()}
    add("avatar codec", sizes, Error.of(errors), frames_sent=len(sizes) / len(flat), **times)
    found["of which 52 weights instead of the motion"] = _rounded(Error.of(by_weights))
    found["of which the codec's steps"] = _rounded(Error.of(own))
    return found


def _halves(frame: FaceFrame) -> bytes:
    """All that a frame carries but the identity, two bytes a value."""
    values = [frame.part(part.name) for part in PARTS if not part.is_optional]
    return np.concatenate([value for value in values if value is not None]).astype("<f2").tobytes()


def _halves_error(frames: Take, ruler: LandmarkRuler) -> Error:
    def rounded(values: Floats) -> Floats:
        return values.astype(np.float16).astype(np.float32)

    return Error.of(
        [
            apart(
                ruler.of_motion(*map(rounded, (frame.expression, frame.jaw, frame.eyelids, frame.gaze))),
                ruler.of_frame(frame),
            )
            for frame in frames
        ]
    )


def _over_network(
    takes: Sequence[Take], places: Sequence[Floats], ruler: LandmarkRuler, options: AvatarOptions, loss: float
) -> dict[str, float]:
    """What is seen behind a network that loses packets, against what the sender's face did at the instant shown.

    `longest_hold_ms` is the longest time between two faces that could be read; the bit rate counts what was sent.
    """
    distances: list[Floats] = []
    longest_hold_ms = 0.0
    bits, seconds = 0, 0.0
    for run in range(RUNS):
        chance = np.random.default_rng(run)
        for take, known in zip(takes, places, strict=True):
            sent = _arrivals(take, options, chance)
            arrivals = sorted((at_ns, packet) for at_ns, packet in sent if chance.random() >= loss)
            shown, held_ms = _shown(take, known, ruler, arrivals)
            distances += shown
            longest_hold_ms = max(longest_hold_ms, held_ms)
            bits += 8 * sum(len(packet) for _, packet in sent)
            seconds += _seconds(take)
    return {
        "key_every": options.key_every,
        "lost": loss,
        "kbps": round(bits / seconds / 1000, 2),
        "longest_hold_ms": round(longest_hold_ms),
        **_rounded(Error.of(distances)),
    }


def _arrivals(take: Take, options: AvatarOptions, chance: np.random.Generator) -> list[tuple[int, bytes]]:
    """(when it would arrive, packet) of all that is sent."""
    sender = EncoderState(session=0)
    found: list[tuple[int, bytes]] = []
    for frame in _sent(take):
        packet, sender = encode(frame, sender, options)
        late_ms = LATENCY_MS + UNEVEN_MS * chance.random()
        if packet is not None:
            found.append((frame.publish_ns + round(late_ms * 1e6), packet))
    return found


def _shown(
    take: Take, places: Floats, ruler: LandmarkRuler, arrivals: list[tuple[int, bytes]]
) -> tuple[list[Floats], float]:
    """Distances at each instant that is looked at, from half a second after the first frame to the end; and the longest
    time between two faces that could be read, ms."""
    times_ns = np.array([frame.publish_ns for frame in take])
    buffer, receiver = JitterBuffer(), DecoderState()
    distances: list[Floats] = []
    read_ns, zero_ns = [int(times_ns[0])], 0
    waiting = iter([*arrivals, (2**62, b"")])
    arrives_ns, packet = next(waiting)
    for now_ns in range(int(times_ns[0]), int(times_ns[-1]), round(1e9 / SHOWN_HZ)):
        while arrives_ns <= now_ns:
            face, receiver = decode(packet, receiver)
            if face is not None:
                read_ns.append(_sent_ns(take, face.publish_ns))
                zero_ns = read_ns[-1] - face.publish_ns  # the receiver counts the sender's ms from somewhere else
                buffer.push(face, arrives_ns)
            arrives_ns, packet = next(waiting)
        played = buffer.sample(now_ns)
        if played.face is not None and now_ns >= times_ns[0] + 500_000_000:
            shown = ruler.of_weights(np.float32(played.presence) * played.face.arkit)
            distances.append(apart(shown, _between(places, times_ns, played.at_ns + zero_ns)))
    return distances, float(np.diff(np.sort(read_ns)).max()) / 1e6


def _sent_ns(take: Take, publish_ns: int) -> int:
    """When, by the recording's clock, the frame was sent whose time in the packet is `publish_ns`."""
    turn_ms = 65_536
    short_ms = publish_ns // 1_000_000 % turn_ms
    first_ms = take[0].publish_ns // 1_000_000
    return (first_ms + (short_ms - first_ms) % turn_ms) * 1_000_000


def _between(places: Floats, times_ns: NDArray[np.int64], at_ns: int) -> Floats:
    after = int(np.clip(np.searchsorted(times_ns, at_ns), 1, len(times_ns) - 1))
    start, end = times_ns[after - 1], times_ns[after]
    share = np.clip((at_ns - start) / (end - start), 0.0, 1.0)
    return places[after - 1] + np.float32(share) * (places[after] - places[after - 1])


def _rounded(error: Error) -> dict[str, float]:
    return {f"{name}_mm": round(value, 3) for name, value in vars(error).items()}


def _print(report: dict[str, Any]) -> None:
    formats = Table("format", "kbit/s", "with IP, UDP", "lips mm", "p95", "face mm", "p95")
    for name, row in report["formats"].items():
        names = ("kbps", "kbps_with_headers", "lips_mean_mm", "lips_p95_mm", "face_mean_mm", "face_p95_mm")
        formats.add_row(name, *(str(row.get(key, "")) for key in names))
    by_loss = Table("key every", "lost", "kbit/s", "lips mm", "p95", "face mm", "p95", "longest hold ms")
    for row in report["loss"]:
        names = ("kbps", "lips_mean_mm", "lips_p95_mm", "face_mean_mm", "face_p95_mm", "longest_hold_ms")
        by_loss.add_row(str(row["key_every"]), f"{100 * row['lost']:g} %", *(str(row[key]) for key in names))
    Console().print(formats)
    Console().print(by_loss)
