"""A real engine wears the face: Godot, headless, runs examples/godot and says what its head's blend shapes hold."""

from __future__ import annotations

import dataclasses
import random
import re
import shutil
import socket
import time

import numpy as np
import pytest
from support.asymmetric import HEAD_YAW_RAD, WEIGHTS, asymmetric_face
from support.godot import EXAMPLE, HEADLESS, Godot
from support.stream import free_port, sink_context

from driver.publish import Publisher, open_sinks
from driver.recording import Recorder
from driver.replay import send_recording
from models.head.rotation import matrix_from_axis_angle
from protocol import osc_face
from protocol.frame import ARKIT_SHAPES, OPEN_HEAD_ID, PART_BY_NAME
from protocol.golden.frames import dense
from protocol.msgpack_codec import encode

RATE_HZ, COUNT = 60, 240

needs_godot = pytest.mark.skipif(
    shutil.which(HEADLESS) is None, reason=f"needs a headless Godot 3 (Debian: {HEADLESS})"
)


class StampedSink:
    """An output that notes when it sent each frame, by the clock that Godot can read."""

    def __init__(self, sink) -> None:
        self._sink = sink
        self.name = sink.name
        self.sent_ms: dict[int, float] = {}

    def send(self, frame, packet) -> None:
        self.sent_ms[frame.seq] = time.time() * 1e3
        self._sink.send(frame, packet)

    def clients(self):
        return None

    def close(self) -> None:
        self._sink.close()


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def godot(tmp_path_factory, port):
    engine = Godot(tmp_path_factory.mktemp("godot"), port)
    try:
        assert engine.ready == {"ready": True, "shapes": 53, "surfaces": 4}
        engine.complaints.clear()  # at its start Godot complains of folders that an empty home lacks
        yield engine
    finally:
        engine.stop()


def faces():
    """Frames that all differ: weights at random, heads turned about every axis; every 60th carries the identity."""
    numbers = np.random.default_rng(5)
    for seq in range(COUNT):
        yield dataclasses.replace(
            dense(),
            seq=seq,
            head=OPEN_HEAD_ID,
            publish_ns=1_000_000_000 + round(seq * 1e9 / RATE_HZ),
            arkit=numbers.uniform(0, 1, 52).astype(np.float32),
            head_rotation=numbers.uniform(-0.6, 0.6, 3).astype(np.float32),
            shape=dense().shape if seq % 60 == 0 else None,
        )


@needs_godot
def test_a_recording_is_worn_frame_by_frame(godot, port, tmp_path):
    recorder = Recorder(tmp_path / "talk.adrec", sink_context())
    sent = list(faces())
    for frame in sent:
        recorder.send(frame, encode(frame))
    recorder.close()
    sink = StampedSink(open_sinks([f"osc://127.0.0.1:{port}"], sink_context())[0])
    publisher = Publisher([sink], pytest.fail)
    assert send_recording(tmp_path / "talk.adrec", publisher, 1.0, False, pytest.fail) == COUNT
    publisher.close()
    worn = [godot.next() for _ in range(COUNT)]

    assert [line["seq"] for line in worn] == list(range(COUNT))
    assert worn[-1]["lost"] == worn[-1]["damaged"] == 0
    arrived_hz = (COUNT - 1) / ((worn[-1]["unix_ms"] - worn[0]["unix_ms"]) / 1e3)
    assert arrived_hz >= 59
    for frame, line in zip(sent, worn, strict=True):
        assert line["publish_ns"] == str(frame.publish_ns)
        # OSC carries float32; Godot prints six or more digits.
        assert line["weights"][:52] == pytest.approx(frame.arkit.tolist(), abs=2e-6)
        opening = float(frame.arkit[ARKIT_SHAPES.index("jawOpen")])
        assert line["weights"][52] == pytest.approx(4 * opening * (1 - opening), abs=1e-5)
        turn = matrix_from_axis_angle(frame.head_rotation)
        assert line["out"] == pytest.approx(turn[:, 2].tolist(), abs=1e-5)
        assert line["left"] == pytest.approx(turn[:, 0].tolist(), abs=1e-5)
    delays_ms = np.array([line["unix_ms"] - sink.sent_ms[line["seq"]] for line in worn])
    middle, late, latest = np.percentile(delays_ms, (50, 95, 100))
    print(f"{arrived_hz:.2f} frames/s; from send to worn {middle:.1f} ms (p50), {late:.1f} (p95), {latest:.1f} at most")
    assert middle < 25
    assert godot.complaints == []


@needs_godot
def test_the_asymmetric_face_looks_the_same(godot, port):
    send(port, asymmetric_face(seq=1_000))
    line = godot.next()
    worn = dict(zip(ARKIT_SHAPES, line["weights"], strict=False))
    assert {name: weight for name, weight in worn.items() if weight} == pytest.approx(WEIGHTS, abs=1e-6)
    # +X is the subject's left, +Z out of the face: the nose points to the left, the left ear goes back.
    assert line["out"] == pytest.approx([np.sin(HEAD_YAW_RAD), 0, np.cos(HEAD_YAW_RAD)], abs=1e-5)
    assert line["left"][2] < -0.3
    assert line["gaze"][0] < 0 < -line["gaze"][1]  # up, and to the right
    assert line["id"] == OPEN_HEAD_ID


@needs_godot
def test_damaged_packets_are_counted_and_change_nothing(godot, port):
    numbers = random.Random(7)
    packet = osc_face.encode(asymmetric_face(seq=2_000))[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        for cut in range(0, len(packet), 13):
            sender.send(packet[:cut] or b"\0")
        for _ in range(300):
            broken = bytearray(packet)
            # Never the stamps at the end, so that no broken frame looks like a later one.
            broken[numbers.randrange(len(packet) - 60)] = numbers.randrange(256)
            sender.send(broken)
            time.sleep(0.001)
    send(port, asymmetric_face(seq=3_000))
    while (line := godot.next())["seq"] != 3_000:
        pass
    assert line["damaged"] > 50
    assert dict(zip(ARKIT_SHAPES, line["weights"], strict=False))["eyeBlinkLeft"] == 1
    # It says so once, and reads nothing beyond a packet's end.
    assert len(godot.complaints) == 1, godot.complaints
    assert "is no OSC" in godot.complaints[0]


def send(port, frame):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in osc_face.encode(frame):
            sender.sendto(datagram, ("127.0.0.1", port))


def test_the_script_knows_the_protocols_names_and_sizes():
    script = (EXAMPLE / "avatar_face.gd").read_text()
    shapes = re.search(r"const ARKIT_SHAPES = \[(.*?)\]", script, re.S)[1]
    assert tuple(re.findall(r'"(\w+)"', shapes)) == ARKIT_SHAPES
    parts = re.search(r"const PARTS = \{(.*?)\}", script, re.S)[1]
    assert {address: int(size) for address, size in re.findall(r'"([/\w]+)": (\d+)', parts)} == {
        address: sum(PART_BY_NAME[name].size for name in names) for address, names in osc_face.ADDRESSES.items()
    }
    assert re.search(r"const JAW_OPEN = (\d+)", script)[1] == str(ARKIT_SHAPES.index("jawOpen"))
    assert f"var port = {osc_face.DEFAULT_PORT}\n" in script
