"""The Live Link Face CSV, read the way that Unreal's importer is known to read it."""

import csv
import dataclasses
import math

import numpy as np
import pytest
from support.asymmetric import HEAD_YAW_RAD, WEIGHTS, asymmetric_face
from support.stream import sink_context

from driver.export import export
from driver.exports.livelink_csv import timecode
from driver.recording import Recorder
from protocol.frame import ARKIT_SHAPES
from protocol.golden.frames import dense
from protocol.msgpack_codec import encode

START_NS = 77_000_000_123
# The first line of a file that the app wrote, from column 16 on, where its order is not the packet's.
JAW_AND_MOUTH = ["JawForward", "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker"]
JAW_AND_MOUTH += ["MouthRight", "MouthLeft", "MouthSmileLeft", "MouthSmileRight"]


def exported(tmp_path, count, rate_hz):
    recorder = Recorder(tmp_path / "talk.adrec", sink_context())
    sent = []
    for number in range(count):
        face = asymmetric_face() if number % 2 == 0 else dense()
        sent.append(dataclasses.replace(face, seq=number, publish_ns=START_NS + round(number * 1e9 / rate_hz)))
        recorder.send(sent[-1], encode(sent[-1]))
    recorder.close()
    path = tmp_path / "talk_livelink.csv"
    assert export(tmp_path / "talk.adrec", path, "livelink-csv", pytest.fail) == count
    return path, sent


def imported(path):
    """Times in s and values by name, by the importer's rules.

    The first two columns must have their names; every line has as many fields as the first; a timecode is
    hours:minutes:seconds:frames, the last with a fraction; the rate is 60 if any frame number is above 30, else 30.
    """
    with path.open(newline="") as file:
        names, *lines = list(csv.reader(file))
    assert [name.lower() for name in names[:2]] == ["timecode", "blendshapecount"]
    assert all(len(line) == len(names) for line in lines)
    codes = [line[0].split(":") for line in lines]
    assert all(len(code) == 4 for code in codes)
    rate_hz = 60 if any(float(code[3]) > 30 for code in codes) else 30
    times = [int(h) * 3600 + int(m) * 60 + int(s) + float(f) / rate_hz for h, m, s, f in codes]
    return rate_hz, times, [dict(zip(names[2:], map(float, line[2:]), strict=True)) for line in lines], names, lines


@pytest.mark.parametrize("rate_hz", [60, 30, 24])
def test_times_and_weights_come_back(tmp_path, rate_hz):
    path, sent = exported(tmp_path, 75, rate_hz)
    inferred_hz, times, values, names, lines = imported(path)
    assert inferred_hz == 60
    expected = [(frame.publish_ns - START_NS) / 1e9 for frame in sent]
    assert times == pytest.approx(expected, abs=1 / 60_000)
    for frame, row in zip(sent, values, strict=True):
        for index, name in enumerate(ARKIT_SHAPES):
            assert row[name[0].upper() + name[1:]] == pytest.approx(float(frame.arkit[index]), abs=1e-7)
    assert len(names) == 63
    assert {line[1] for line in lines} == {"61"}


def test_columns_have_the_apps_order(tmp_path):
    path, _ = exported(tmp_path, 1, 60)
    names = path.read_text().splitlines()[0].split(",")
    assert names[2:5] == ["EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft"]
    assert names[16 : 16 + len(JAW_AND_MOUTH)] == JAW_AND_MOUTH
    assert names[53:] == ["TongueOut", "HeadYaw", "HeadPitch", "HeadRoll", *names[57:]]
    assert names[57:] == [f"{side}Eye{angle}" for side in ("Left", "Right") for angle in ("Yaw", "Pitch", "Roll")]


def test_the_asymmetric_face_has_its_signs(tmp_path):
    path, _ = exported(tmp_path, 1, 60)
    row = imported(path)[2][0]
    for name, weight in WEIGHTS.items():
        assert row[name[0].upper() + name[1:]] == pytest.approx(weight)
    assert row["JawLeft"] == row["EyeBlinkRight"] == 0
    assert row["HeadYaw"] == pytest.approx(HEAD_YAW_RAD, abs=1e-6)
    assert row["HeadPitch"] == pytest.approx(0, abs=1e-6)
    for eye in ("LeftEye", "RightEye"):
        assert row[f"{eye}Pitch"] == pytest.approx(-math.radians(15), abs=1e-6)
        assert row[f"{eye}Yaw"] == pytest.approx(-math.radians(12), abs=1e-6)
        assert row[f"{eye}Roll"] == 0


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (0.0, "00:00:00:00.000"),
        (0.5 + 0.25 / 60, "00:00:00:30.250"),
        (59 / 60 + 0.9999 / 60, "00:00:01:00.000"),  # rounding carries on
        (3600 * 25 + 61.0, "01:01:01:00.000"),
    ],
)
def test_timecodes(time_s, text):
    assert timecode(time_s) == text


def test_half_second_of_frames_is_enough_to_tell_the_rate(tmp_path):
    path, _ = exported(tmp_path, 33, 60)
    assert imported(path)[0] == 60
    assert np.diff(imported(path)[1]) == pytest.approx(1 / 60, abs=2 / 60_000)
