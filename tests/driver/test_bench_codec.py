"""The bench of the avatar codec: a table, a line of JSON, and numbers that hang together."""

import json
from dataclasses import replace

import numpy as np
import pytest

from driver import bench_codec
from driver.bench_codec import Error, LandmarkRuler, apart
from driver.cli import main
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES
from protocol.golden.frames import dense, wink
from protocol.golden.packets import HELLO
from protocol.msgpack_codec import encode, encode_hello
from protocol.recording_format import encode_header, encode_record


@pytest.fixture
def recording(tmp_path):
    """Three seconds of a mouth that opens and closes, at 60 Hz."""
    arkit = ArkitMap(open_head())
    packets = [encode_hello(HELLO)]
    for index in range(180):
        weights = np.zeros(52, np.float32)
        weights[ARKIT_SHAPES.index("jawOpen")] = 0.3 + 0.3 * np.sin(0.2 * index)
        expression, jaw, eyelids, gaze = arkit.to_motion(weights)
        at_ns = 10**10 + index * 16_666_667
        motion = {"expression": expression, "jaw": jaw, "eyelids": eyelids, "gaze": gaze, "arkit": weights}
        packets.append(encode(replace(wink(), seq=index, capture_ns=at_ns, publish_ns=at_ns, **motion)))
    path = tmp_path / "talk.adrec"
    path.write_bytes(encode_header(0) + b"".join(map(encode_record, packets)))
    return path


def test_the_report(recording, capsys, monkeypatch):
    monkeypatch.setattr(bench_codec, "KEY_INTERVALS", (1, 15))
    monkeypatch.setattr(bench_codec, "LOSSES", (0.0, 0.5))
    monkeypatch.setattr(bench_codec, "RUNS", 1)
    assert main(["bench", "--codec", str(recording)]) == 0
    lines = capsys.readouterr().out.splitlines()
    report = json.loads(lines[-1])
    formats, loss = report["formats"], {(row["key_every"], row["lost"]): row for row in report["loss"]}
    ours, plain = formats["avatar codec"], formats["msgpack, float32"]
    assert ours["kbps"] < formats["float16 and zlib"]["kbps"] < plain["kbps"]
    assert ours["kbps_with_headers"] == pytest.approx(ours["kbps"] + 28 * 8 * 30 / 1000, abs=0.02)
    assert plain["lips_mean_mm"] == 0 < ours["lips_mean_mm"] < 0.1
    assert ours["frames_sent"] == 1.0
    assert loss[1, 0.0]["longest_hold_ms"] in (33, 34)
    assert loss[1, 0.5]["lips_mean_mm"] > 2 * loss[1, 0.0]["lips_mean_mm"]
    assert loss[15, 0.5]["longest_hold_ms"] > loss[1, 0.5]["longest_hold_ms"] > 60
    assert loss[1, 0.0]["kbps"] > loss[15, 0.0]["kbps"]


def test_the_ruler_is_in_millimetres_and_knows_the_lips():
    ruler = LandmarkRuler()
    opened = np.zeros(52, np.float32)
    opened[ARKIT_SHAPES.index("jawOpen")] = 1.0
    error = Error.of([apart(ruler.of_weights(opened), ruler.of_weights(np.zeros(52, np.float32)))])
    assert 5 < error.lips_mean < 40
    assert error.lips_mean > error.face_mean > 1
    assert ruler.of_weights(opened) == pytest.approx(ruler.of_motion(*ArkitMap(open_head()).to_motion(opened)))


def test_recordings_that_cannot_be_measured_are_named(recording, tmp_path, capsys):
    other = tmp_path / "other.adrec"
    packets = [encode_hello(HELLO), *(encode(replace(dense(), seq=seq)) for seq in range(3))]
    other.write_bytes(encode_header(0) + b"".join(map(encode_record, packets)))
    assert main(["bench", "--codec", str(recording), str(other)]) == 2
    assert "is of the head 'flame-2023-open'" in capsys.readouterr().err
    other.write_bytes(encode_header(0) + encode_record(packets[0]))
    assert main(["bench", "--codec", str(other)]) == 2
    assert "holds 0 frames" in capsys.readouterr().err
