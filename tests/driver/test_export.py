"""Exports: whole or not at all; tables hold the motion space's own names and values."""

import csv
import dataclasses

import numpy as np
import pytest
from support.stream import numbered, sink_context

from driver.errors import MediaError, RunError, UsageError
from driver.export import FORMATS, default_target, export
from driver.exports.csv_table import column_names
from driver.exports.table import read_table
from driver.recording import Recorder
from protocol.frame import ARKIT_SHAPES, PARTS
from protocol.msgpack_codec import encode

FRAMES = [numbered(seq, 10**18 + seq) for seq in range(1, 10)]  # the identity comes with numbers 4 and 8


@pytest.fixture
def recording(tmp_path):
    return recorded(tmp_path / "talk.adrec", FRAMES)


def recorded(path, frames):
    recorder = Recorder(path, sink_context())
    for frame in frames:
        recorder.send(frame, encode(frame))
    recorder.close()
    return path


def test_npz_holds_one_row_a_frame_under_the_motion_spaces_names(recording, tmp_path):
    assert export(recording, tmp_path / "talk.npz", "npz", pytest.fail) == 9
    with np.load(tmp_path / "talk.npz", allow_pickle=False) as table:
        assert list(table) == ["seq", "capture_ns", "publish_ns", "head", *(part.name for part in PARTS)]
        for name in ("seq", "capture_ns", "publish_ns"):
            assert table[name].dtype == np.int64
            assert table[name].tolist() == [getattr(frame, name) for frame in FRAMES]
        assert table["head"].tolist() == [frame.head for frame in FRAMES]
        for part in PARTS:
            assert table[part.name].dtype == np.float32
            assert table[part.name].shape == ((9,) if part.is_scalar else (9, part.size))
            if not part.is_optional:
                expected = np.array([getattr(frame, part.name) for frame in FRAMES], np.float32)
                assert np.array_equal(table[part.name], expected)


def test_the_identity_is_unknown_first_and_then_the_latest(tmp_path):
    other = dataclasses.replace(FRAMES[7], shape=np.full(100, 2.5, np.float32))
    table = read_table(recorded(tmp_path / "talk.adrec", [*FRAMES[:7], other, FRAMES[8]]), pytest.fail)
    assert np.isnan(table["shape"][:3]).all()
    assert (table["shape"][3:7] == FRAMES[3].shape).all()
    assert (table["shape"][7:] == 2.5).all()


def test_csv_keeps_every_digit(recording, tmp_path):
    assert export(recording, tmp_path / "talk.csv", "csv", pytest.fail) == 9
    with (tmp_path / "talk.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["publish_ns"]) for row in rows] == [frame.publish_ns for frame in FRAMES]
    columns = {"jaw_x": ("jaw", 0), "gaze_right_yaw": ("gaze", 3), "eyelids_left": ("eyelids", 0)}
    columns |= {"head_rotation_z": ("head_rotation", 2), "confidence_upper_face": ("confidence", 1)}
    columns |= {f"expression_{index}": ("expression", index) for index in range(50)}
    columns |= {f"arkit_{name}": ("arkit", index) for index, name in enumerate(ARKIT_SHAPES)}
    for column, (name, index) in columns.items():
        assert [np.float32(row[column]) for row in rows] == [getattr(frame, name)[index] for frame in FRAMES]
    assert [np.float32(row["laughter"]) for row in rows] == [np.float32(frame.laughter) for frame in FRAMES]
    assert rows[0]["shape_99"] == "nan"
    assert np.float32(rows[3]["shape_99"]) == FRAMES[3].shape[99]


def test_columns_are_named_once_each():
    names = column_names(has_detail=True)
    assert len(set(names)) == len(names) == 4 + sum(part.size for part in PARTS)


@pytest.mark.parametrize("to", FORMATS)
def test_a_damaged_recording_leaves_the_old_table_alone(recording, tmp_path, to):
    data = bytearray(recording.read_bytes())
    data[-1] ^= 1
    recording.write_bytes(data)
    target = tmp_path / "table"
    target.write_text("the old one")
    with pytest.raises(MediaError, match="damaged"):
        export(recording, target, to, pytest.fail)
    assert target.read_text() == "the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table", "talk.adrec"]


def test_files_lie_beside_the_recording_and_never_on_each_other(tmp_path):
    targets = [default_target(tmp_path / "talk.1.adrec", to) for to in FORMATS]
    assert {target.parent for target in targets} == {tmp_path}
    assert all(target.name.startswith("talk.1") for target in targets)
    assert len(set(targets)) == len(FORMATS)


def test_a_failure_while_writing_leaves_nothing_behind(recording, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("driver.export.os.replace", fail)
    with pytest.raises(RunError, match="cannot be written: No space left on device; choose another place"):
        export(recording, tmp_path / "table.npz", "npz", pytest.fail)
    assert [path.name for path in tmp_path.iterdir()] == ["talk.adrec"]


def test_senseless_wishes_are_one_sentence(recording, tmp_path):
    with pytest.raises(UsageError, match="is the recording itself"):
        export(recording, recording, "npz", pytest.fail)
    with pytest.raises(RunError, match="cannot be written: No such file"):
        export(recording, tmp_path / "no" / "folder" / "table.npz", "npz", pytest.fail)
    with pytest.raises(MediaError, match="holds no frames"):
        export(recorded(tmp_path / "empty.adrec", []), tmp_path / "table.npz", "npz", pytest.fail)


def test_the_skins_detail_has_columns_only_where_it_was_recorded(tmp_path):
    plain = tmp_path / "plain.csv"
    export(recorded(tmp_path / "plain.adrec", FRAMES), plain, "csv", pytest.fail)
    assert "detail_0" not in plain.read_text().splitlines()[0].split(",")
    told = dataclasses.replace(FRAMES[1], shape=None, detail=np.arange(128, dtype=np.float32) / 2)
    export(recorded(tmp_path / "told.adrec", [FRAMES[0], told, FRAMES[2]]), tmp_path / "told.csv", "csv", pytest.fail)
    with (tmp_path / "told.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["detail_127"] for row in rows] == ["nan", "63.5", "63.5"]
    assert list(rows[0]) == column_names(has_detail=True)
