"""`doctor`: each thing a run needs is one line, ok or its remedy; one fault hides no other."""

import socket
from pathlib import Path
from typing import Any

import pytest

from driver import doctor
from driver.config import Settings
from driver.errors import DeviceError
from driver.knobs import VoiceSettings


def by_subject(settings: Settings) -> dict[str, doctor.Finding]:
    return {finding.subject: finding for finding in doctor.findings(settings)}


@pytest.fixture(autouse=True)
def devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a camera and a microphone, whatever this one has."""
    monkeypatch.setattr(doctor, "_cameras", lambda: "0: Camera")
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
