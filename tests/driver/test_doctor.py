"""`doctor`: each thing a run needs is one line, ok or its remedy; one fault hides no other."""

import socket
from pathlib import Path
from typing import Any

import pytest
from support.virtual_camera import FakeCamera

from driver import doctor
from driver.cli import main
from driver.config import Settings
from driver.errors import DeviceError
from driver.knobs import VoiceSettings
from driver.portrait import PictureSettings


def by_subject(settings: Settings) -> dict[str, doctor.Finding]:
    return {finding.subject: finding for finding in doctor.findings(settings)}


@pytest.fixture(autouse=True)
def devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a camera and a microphone, whatever this one has."""
    monkeypatch.setattr(doctor, "_cameras", lambda settings: "0: Camera")
    monkeypatch.setattr(doctor, "_microphones", lambda: "0: Microphone")


def test_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(out=("udp://127.0.0.1:9",))
    assert doctor.diagnose(settings) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    assert {"system", "cameras", "microphones", "face model", "audio model", "head", "GPU", "firewall"} < set(
        by_subject(settings)
    )


def test_the_voice_says_its_model_and_styles_and_what_it_lacks(tiny_voice: Path) -> None:
    def voice(**values: Any) -> doctor.Finding:
        return by_subject(Settings(out=(), voice=VoiceSettings(**values)))["audio model"]

    assert voice(model="envelope").text == "envelope.onnx: moves the mouth, and has no knobs"
    assert voice(model=str(tiny_voice), lookahead_ms=40).text == "tiny.onnx: look-ahead 40 ms; styles: calm, proud"
    for lacking in (voice(model="envelope", laughter=0.5), voice(model="nowhere.onnx")):
        assert not lacking.is_ok
    assert "the style 'angry' is not one of the model's" in voice(model=str(tiny_voice), style="angry").text


def test_every_fault_is_a_remedy_and_the_rest_is_still_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def no_sound() -> str:
        raise DeviceError("PortAudio is missing; install libportaudio2")

    monkeypatch.setattr(doctor, "_microphones", no_sound)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        settings = Settings(
            out=(f"zmq://127.0.0.1:{port}", "pigeon://", "udp://127.0.0.1:9"), face_model=str(tmp_path / "no.task")
        )
        found = by_subject(settings)
        assert doctor.diagnose(settings) == 1
    wrong = {subject for subject, finding in found.items() if not finding.is_ok}
    assert wrong == {"microphones", "face model", f"output zmq://127.0.0.1:{port}", "output pigeon://"}
    assert found["microphones"].text == "PortAudio is missing; install libportaudio2"
    assert str(port) in found[f"output zmq://127.0.0.1:{port}"].text
    assert capsys.readouterr().out.count("remedy ") == 4


def test_what_the_run_does_not_ask_for_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "viser", None)
    monkeypatch.setattr("driver.sinks.virtual_camera._PACKAGES", ("no_such_package",))
    unasked = by_subject(Settings(out=()))
    asked = by_subject(Settings(out=(), preview=0, virtual_camera=""))
    for subject, remedy in (("preview", "avatar-driver[preview]"), ("virtual camera", "avatar-driver[camera]")):
        assert unasked[subject].is_ok
        assert unasked[subject].text.startswith("not asked for; ")
        assert not asked[subject].is_ok
        assert unasked[subject].text.endswith(asked[subject].text)
        assert remedy in asked[subject].text


def test_the_preview_s_port_and_page_are_tried() -> None:
    pytest.importorskip("viser")
    assert by_subject(Settings(out=(), preview=0))["preview"].text.startswith("http://127.0.0.1:")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finding = by_subject(Settings(out=(), preview=port))["preview"]
    assert not finding.is_ok
    assert f"another program listens on port {port}" in finding.text


def test_the_virtual_camera_s_device_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("moderngl")
    camera = FakeCamera(tmp_path, monkeypatch)
    settings = Settings(out=(), virtual_camera="/dev/video7", picture=PictureSettings(width=64, height=64))
    assert by_subject(settings)["virtual camera"] == doctor.Finding("virtual camera", True, "/dev/video7 can be opened")
    assert camera.is_closed
    camera.refuse("No v4l2 loopback device found")
    finding = by_subject(settings)["virtual camera"]
    assert not finding.is_ok
    assert finding.text.startswith("no virtual camera /dev/video7 shows the head (No v4l2 loopback device found); ")


def test_a_network_camera_needs_none_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("driver.capture.devices.list_cameras", lambda: [])
    assert not by_subject(Settings(out=()))["cameras"].is_ok
    finding = by_subject(Settings(out=(), webcam="http://me:secret@192.0.2.1/video"))["cameras"]
    assert finding.is_ok
    assert finding.text.endswith("will open http://192.0.2.1/video")  # people send what doctor says to others


def test_the_command_takes_a_run_s_options(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        main(["doctor", "--webcam", "--out", f"livelink://127.0.0.1:{port}"])
    assert f"ok     output livelink://127.0.0.1:{port}: can be opened\n" in capsys.readouterr().out
    assert main(["doctor", "--rate", "0"]) == 2
