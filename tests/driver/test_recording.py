"""Recordings: the exact packets, readable whatever became of the process, the disk or the file."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.stream import HELLO, numbered, sink_context, wait_until

from driver.errors import MediaError, SinkError, UsageError
from driver.recording import Recorder, read_recording
from protocol.msgpack_codec import encode, encode_hello
from protocol.recording_format import HEADER_BYTES, RECORD_OVERHEAD_BYTES, encode_record

TESTS = Path(__file__).parents[1]


def recorded(path, count, **options):
    recorder = Recorder(path, sink_context(), **options)
    packets = [encode(numbered(seq)) for seq in range(count)]
    for seq, packet in enumerate(packets):
        recorder.send(numbered(seq), packet)
    recorder.close()
    return packets


def readable_seqs(path):
    return [item.seq for _, item in read_recording(path, lambda sentence: None) if item != HELLO]


def test_what_was_sent_is_read_again_byte_for_byte(tmp_path):
    packets = recorded(tmp_path / "talk.adrec", 50)
    items = list(read_recording(tmp_path / "talk.adrec", pytest.fail))
    assert [packet for packet, _ in items] == [encode_hello(HELLO), *packets]
    assert [item for _, item in items] == [HELLO, *(numbered(seq) for seq in range(50))]


def test_a_killed_process_leaves_a_readable_file(tmp_path):
    path = tmp_path / "talk.adrec"
    script = (
        f"import sys, time; sys.path.insert(0, {str(TESTS)!r})\n"
        "from pathlib import Path\n"
        "from support.stream import numbered, sink_context\n"
        "from driver.recording import Recorder\n"
        "from protocol.msgpack_codec import encode\n"
        f"recorder = Recorder(Path({str(path)!r}), sink_context())\n"
        "for seq in range(10**6):\n"
        "    recorder.send(numbered(seq), encode(numbered(seq)))\n"
        "    time.sleep(0.001)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        wait_until(lambda: path.exists() and path.stat().st_size > 100_000, timeout_s=60)
        process.kill()
    seqs = readable_seqs(path)
    assert len(seqs) > 50
    assert seqs == list(range(len(seqs)))


def test_each_record_reaches_the_system_at_once(tmp_path):
    recorder = Recorder(tmp_path / "talk.adrec", sink_context())
    for seq in range(5):
        recorder.send(numbered(seq), encode(numbered(seq)))
        wait_until(lambda seq=seq: readable_seqs(tmp_path / "talk.adrec") == list(range(seq + 1)))
    recorder.close()


def test_a_record_that_was_cut_short_is_left_out_and_said(tmp_path):
    path = tmp_path / "talk.adrec"
    packets = recorded(path, 3)
    path.write_bytes(path.read_bytes()[:-7])
    notices = []
    items = list(read_recording(path, notices.append))
    assert [packet for packet, _ in items[1:]] == packets[:2]
    left_out = RECORD_OVERHEAD_BYTES + len(packets[2]) - 7
    assert notices == [f"{path} ends inside a record; its last {left_out} bytes are left out"]


def test_damage_is_said_with_its_place(tmp_path):
    path = tmp_path / "talk.adrec"
    recorded(path, 3)
    data = bytearray(path.read_bytes())
    first_frame = HEADER_BYTES + RECORD_OVERHEAD_BYTES + len(encode_hello(HELLO))
    data[first_frame + 100] ^= 1
    path.write_bytes(data)
    read = []
    with pytest.raises(
        MediaError, match=f"{path} cannot be read: .* {first_frame} is damaged.*cut the file to {first_frame} bytes"
    ):
        read.extend(packet for packet, _ in read_recording(path, pytest.fail))
    assert read == [encode_hello(HELLO)]


def test_a_whole_record_with_a_wrong_packet_is_damage_too(tmp_path):
    path = tmp_path / "talk.adrec"
    recorded(path, 1)
    place = path.stat().st_size
    with path.open("ab") as file:
        file.write(encode_record(b"no packet"))
    with pytest.raises(MediaError, match=f"record at byte {place} holds no packet"):
        list(read_recording(path, pytest.fail))


def test_records_of_later_releases_are_passed_over(tmp_path):
    path = tmp_path / "talk.adrec"
    packets = recorded(path, 1)
    with path.open("ab") as file:
        file.write(encode_record(b"something new", kind=77) + encode_record(packets[0]))
    assert [packet for packet, _ in read_recording(path, pytest.fail)][1:] == [packets[0]] * 2


@pytest.mark.parametrize("content", [None, b"", b"RIFF....WAVE this is something else"])
def test_what_is_no_recording_is_one_sentence(tmp_path, content):
    path = tmp_path / "talk.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=r"cannot be read: (No such file|this is not a recording)"):
        list(read_recording(path, pytest.fail))


def test_a_recording_is_not_overwritten_unless_asked(tmp_path):
    path = tmp_path / "talk.adrec"
    recorded(path, 3)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=f"{path} exists; .* --force"):
        Recorder(path, sink_context())
    assert path.read_bytes() == before
    recorded(path, 1, overwrite=True)
    assert len(list(read_recording(path, pytest.fail))) == 2


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    with pytest.raises(SinkError, match="cannot be written: No such file or directory; record to another place"):
        Recorder(tmp_path / "no" / "such" / "folder", sink_context())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_sentence():
    with pytest.raises(SinkError, match="/dev/full is not written any more: No space left on device; free the disk"):
        Recorder(Path("/dev/full"), sink_context(), overwrite=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_a_stalled_disk_delays_nobody_and_a_dying_one_is_said(tmp_path):
    path = tmp_path / "stalled"
    os.mkfifo(path)
    # A pipe that nobody empties takes 64 KiB and then blocks whoever writes.
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    notices = []
    recorder = Recorder(path, sink_context(notices), overwrite=True)
    for seq in range(3000):
        recorder.send(numbered(seq), encode(numbered(seq)))
    assert 2000 < recorder.dropped < 2400
    assert notices == [f"the disk is too slow for {path}: frames are being left out"]
    os.close(reader)
    with pytest.raises(SinkError, match="is not written any more: Broken pipe"):
        wait_until(lambda: recorder.send(numbered(0), b"packet") is not None)
    recorder.close()
    assert len(notices) == 2
    assert re.fullmatch(f"{path} lacks {recorder.dropped} of 30.. frames: the disk is too slow", notices[1])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_a_disk_that_dies_after_the_last_frame_is_said(tmp_path):
    path = tmp_path / "stalled"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    notices = []
    recorder = Recorder(path, sink_context(notices), overwrite=True)
    for seq in range(200):  # more than the pipe takes
        recorder.send(numbered(seq), encode(numbered(seq)))
    os.close(reader)
    recorder.close()
    assert [notice.partition(";")[0] for notice in notices] == [f"{path} is not written any more: Broken pipe"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_files_read_faster_than_real_time_lose_nothing(tmp_path):
    path = tmp_path / "slow"
    os.mkfifo(path)
    script = (
        "import shutil, sys, time\n"
        "with open(sys.argv[1], 'rb') as pipe, open(sys.argv[2], 'wb') as copy:\n"
        "    time.sleep(0.5)\n"
        "    shutil.copyfileobj(pipe, copy)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, path, tmp_path / "copy"]):
        packets = recorded(path, 2000, overwrite=True, when_full="wait")
    assert [packet for packet, _ in read_recording(tmp_path / "copy", pytest.fail)][1:] == packets
