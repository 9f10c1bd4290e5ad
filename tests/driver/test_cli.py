"""The command line as a user meets it: exit codes, and one sentence instead of a traceback."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from driver.assemble import demo_sample
from driver.cli import main, run_parser, settings_from
from driver.config import DEFAULT_OUTPUTS
from driver.errors import UsageError
from driver.knobs import VoiceSettings
from driver.portrait import PictureSettings
from driver.recording import read_recording
from protocol.frame import FaceFrame

NOWHERE = "udp://127.0.0.1:9"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "nothing to do: give --webcam and/or --mic"),
        (["--nonsense"], 2, "unrecognized arguments: --nonsense; see `avatar-driver --help`"),
        (["--rate", "fast", "--demo"], 2, "invalid float value: 'fast'"),
        (["--demo", "--rate", "0"], 2, "rate_hz is 0; it must be 1..1000"),
        (["--demo", "--webcam"], 2, "--webcam and --demo exclude each other"),
        (["--mic", "--audio", "x.wav"], 2, "--mic and --audio exclude each other"),
        (["--demo", "--device", "tpu"], 2, "invalid choice: 'tpu'"),
        (["--demo", "--config", "nowhere.toml"], 2, "cannot read the configuration nowhere.toml"),
        (["--demo", "--out", "carrier-pigeon://"], 2, "carrier-pigeon"),
        (["--demo", "--out", "udp://127.0.0.1:99999"], 2, "99999"),
        (["--video", "nowhere.mp4"], 1, "nowhere.mp4 does not exist; check the path"),
        (["--audio", "nowhere.wav"], 1, "nowhere.wav does not exist; check the path"),
        (["--demo", "--tracker", "mediapipe", "--face-model", "nowhere.task"], 1, "nowhere.task"),
        (["--demo", "--tracker", "native", "--face-model", "nowhere.onnx"], 1, "nowhere.onnx does not exist"),
        (["--demo", "--face-lookahead", "3"], 2, "face_lookahead is 3; it must be 0..2 pictures"),
        (["--demo", "--head", "flame-unknown"], 1, "flame-unknown"),
        (["replay", "nowhere.adrec"], 1, "nowhere.adrec"),
        (["export", "nowhere.adrec", "--to", "npz"], 1, "nowhere.adrec"),
        (["export", "x", "--to", "xlsx"], 2, "invalid choice: 'xlsx'"),
        (["head", "add", "nowhere.pkl"], 1, "nowhere.pkl"),
        (["--mic", "--lookahead", "50"], 2, "lookahead_ms is 50; it must be a multiple of 20 within 0..240"),
        (["--mic", "--articulation", "3"], 2, "articulation is 3; it must be 0..2"),
        (["--demo", "--voice-model", "envelope", "--style", "calm"], 1, "but envelope.onnx has no such knob"),
        (["--demo", "--voice-model", "nowhere.onnx"], 1, "nowhere.onnx does not exist; give the path of an .onnx file"),
        (["--demo", "--control", "osc://127.0.0.1:x"], 2, "it must be osc://HOST:PORT"),
        (["--demo", "--virtual-camera", "--background", "pink"], 2, "the background is 'pink'; it must be #rrggbb or"),
        (["--demo", "--virtual-camera", "--picture-size", "big"], 2, "the picture's size is 'big'"),
        (["receive", "avatar://", "--duration", "inf"], 2, "the duration is inf s; it must be more than 0"),
        (["receive", "avatar://", "--duration", "nan"], 2, "the duration is nan s; it must be more than 0"),
        (["head"], 2, "see `avatar-driver head --help`"),
    ],
)
def test_mistakes(arguments: list[str], code: int, sentence: str, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    text = said(capsys)
    assert sentence in text
    assert len(text.strip().splitlines()) == 1


def test_a_busy_port_is_one_sentence(capsys) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert main(["--demo", "--out", f"zmq://127.0.0.1:{port}"]) == 1
    assert str(port) in said(capsys)


def test_a_file_that_is_no_media_and_a_damaged_recording(capsys, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.mp4"
    rubbish.write_bytes(b"not a video" * 1000)
    assert main(["--video", str(rubbish), "--out", NOWHERE]) == 1
    assert str(rubbish) in said(capsys)
    assert main(["replay", str(rubbish), "--out", NOWHERE]) == 1
    assert str(rubbish) in said(capsys)


def test_an_existing_recording_is_not_overwritten_unless_forced(capsys, tmp_path: Path) -> None:
    precious = tmp_path / "precious.adrec"
    precious.write_bytes(b"years of work")
    assert main(["--demo", "--duration", "0.2", "--quiet", "--out", NOWHERE, "--record", str(precious)]) == 2
    assert str(precious) in said(capsys)
    assert precious.read_bytes() == b"years of work"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_polite_request_ends_a_run_wherever_it_is(capsys, monkeypatch) -> None:
    """Also while the main thread holds the lock that `stop` would take."""

    class Holding:
        on_frame = None

        def __init__(self) -> None:
            self.lock, self.has_ended = threading.Lock(), False

        def stop(self) -> None:
            assert self.lock.acquire(timeout=0.1), "it waits for the code that it interrupts"

        def run(self) -> None:
            try:
                with self.lock:
                    os.kill(os.getpid(), signal.SIGTERM)
                    time.sleep(5)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                self.has_ended = True

    pipeline = Holding()
    run = SimpleNamespace(pipeline=pipeline, control=nullcontext(), face=None)
    monkeypatch.setattr("driver.assemble.assemble", lambda settings, **more: run)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main(["--demo", "--quiet"]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert pipeline.has_ended
    assert capsys.readouterr().out == "no frame was published\n"


def test_defaults_come_from_one_place_and_options_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('rate_hz = 30\nmic = "desk"\nrecord = "a.adrec"\n', "utf-8")
    options = run_parser().parse_args(["--config", str(path), "--rate", "90", "--webcam"])
    settings = settings_from(options)
    assert (settings.rate_hz, settings.mic, settings.webcam, settings.record) == (90.0, "desk", "0", "a.adrec")
    assert settings.out == DEFAULT_OUTPUTS
    assert settings_from(run_parser().parse_args(["--mic"])).mic == ""
    with pytest.raises(UsageError):
        settings_from(run_parser().parse_args(["--rate", "60"]))


def test_the_voice_s_options_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[voice]\nlookahead_ms = 160\nlaughter = 0.5\nstyle = "calm"\n', "utf-8")
    options = ["--mic", "--config", str(path), "--laughter", "0", "--smoothing", "40", "--voice-model", "a.onnx"]
    voice = settings_from(run_parser().parse_args(options)).voice
    assert voice == VoiceSettings(160, 1.0, 0.0, 40.0, "calm", "a.onnx")
    assert settings_from(run_parser().parse_args(["--mic"])).voice == VoiceSettings(80, 1.0, 1.0, 0.0, "", "")


def test_the_virtual_camera_s_options_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[picture]\nwidth = 640\nheight = 360\nrate_hz = 24\n", "utf-8")
    options = ["--mic", "--config", str(path), "--virtual-camera", "/dev/video9", "--background", "#102030"]
    settings = settings_from(run_parser().parse_args(options))
    assert settings.virtual_camera == "/dev/video9"
    assert settings.picture == PictureSettings(640, 360, 24.0, "#102030")
    larger = [*options, "--picture-size", "1920x1080", "--picture-rate", "60"]
    assert settings_from(run_parser().parse_args(larger)).picture == PictureSettings(1920, 1080, 60.0, "#102030")
    settings = settings_from(run_parser().parse_args(["--mic"]))
    assert (settings.virtual_camera, settings.picture) == (None, PictureSettings())
    assert settings_from(run_parser().parse_args(["--virtual-camera", "--mic"])).virtual_camera == ""


def frames_of(path: Path) -> list[FaceFrame]:
    return [item for _, item in read_recording(path, print) if isinstance(item, FaceFrame)]


def test_a_clip_at_full_speed_gives_a_moving_tracked_face(tmp_path: Path, capsys) -> None:
    target = tmp_path / "a.adrec"
    arguments = ["--video", str(demo_sample()), "--duration", "4", "--quiet", "--out", NOWHERE, "--record", str(target)]
    assert main(arguments) == 0
    frames = frames_of(target)
    assert len(frames) == 240
    assert [frame.seq for frame in frames] == list(range(240))
    confidence = np.stack([frame.confidence for frame in frames])
    assert (confidence[30:].min(0) > 0.3).all()
    assert np.ptp([frame.jaw[0] for frame in frames]) > 0.05
    assert {frame.head for frame in frames} == {"open-head/1"}
    assert sum(frame.shape is not None for frame in frames) >= 4

    again = tmp_path / "b.adrec"
    assert main([*arguments[:-1], str(again)]) == 0
    for one, other in zip(frames, frames_of(again), strict=True):
        assert np.array_equal(one.arkit, other.arkit)
        assert np.array_equal(one.expression, other.expression)


def test_the_installed_command_starts_and_says_its_version() -> None:
    done = subprocess.run([sys.executable, "-m", "driver.cli", "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "avatar-driver 0.1.0\n")
