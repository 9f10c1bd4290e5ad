from __future__ import annotations

from pathlib import Path

import pytest

from driver.capture import devices
from driver.capture.devices import CameraInfo, find_camera, list_cameras, print_devices
from driver.capture.portaudio import MicrophoneInfo
from driver.errors import DeviceError


@pytest.fixture
def nodes(tmp_path, monkeypatch) -> Path:
    """Linux's folder of video devices, with two cameras, and each one's second node for metadata."""
    monkeypatch.setattr(devices.sys, "platform", "linux")
    for node, index, name in (
        ("video0", "0", "Integrated Webcam"),
        ("video1", "1", "Integrated Webcam"),
        ("video10", "0", "HD Pro Webcam C920"),
        ("v4l-subdev0", "0", "not a camera"),
    ):
        (tmp_path / node).mkdir()
        (tmp_path / node / "index").write_text(index + "\n")
        (tmp_path / node / "name").write_text(name + "\n")
    return tmp_path


def test_cameras_are_listed_without_their_metadata_nodes(nodes):
    assert list_cameras(nodes) == [CameraInfo(0, "Integrated Webcam"), CameraInfo(10, "HD Pro Webcam C920")]


def test_no_cameras(tmp_path, monkeypatch):
    monkeypatch.setattr(devices.sys, "platform", "linux")
    assert list_cameras(tmp_path / "none") == []


@pytest.mark.parametrize(("wanted", "index"), [("4", 4), ("c920", 10), ("Integrated Webcam", 0), ("webcam", 0)])
def test_a_camera_is_found_by_index_name_or_part(nodes, wanted, index):
    assert find_camera(wanted, nodes) == index


def test_an_unknown_camera_is_answered_with_those_there_are(nodes):
    with pytest.raises(DeviceError, match="there are: 0 Integrated Webcam, 10 HD Pro Webcam C920"):
        find_camera("elgato", nodes)


def test_elsewhere_cameras_are_tried(monkeypatch):
    released: list[int] = []

    class Capture:
        def __init__(self, index: int) -> None:
            self.index = index

        def isOpened(self) -> bool:
            return self.index == 1

        def release(self) -> None:
            released.append(self.index)

    monkeypatch.setattr(devices.sys, "platform", "darwin")
    monkeypatch.setattr(devices.cv2, "VideoCapture", Capture)
    assert list_cameras() == [CameraInfo(1, "camera 1")]
    assert released == [0, 1, 2, 3, 4]


def test_the_list_tells_what_the_options_take(monkeypatch, capsys):
    microphone = MicrophoneInfo(3, "USB Headset", 1, 48_000, is_default=True)
    monkeypatch.setattr(devices, "list_cameras", lambda: [CameraInfo(0, "Integrated Webcam")])
    monkeypatch.setattr(devices, "list_microphones", lambda: [microphone])
    print_devices()
    shown = capsys.readouterr().out
    assert "0  Integrated Webcam" in shown
    assert "3  USB Headset, 48000 Hz, 1 channel  (default)" in shown


def test_the_list_without_anything_names_the_remedies(monkeypatch, capsys):
    def missing() -> list[MicrophoneInfo]:
        raise DeviceError("microphones need the PortAudio library")

    monkeypatch.setattr(devices, "list_cameras", lambda: [])
    monkeypatch.setattr(devices, "list_microphones", missing)
    print_devices()
    shown = capsys.readouterr().out
    assert "none found; a network camera" in shown
    assert "PortAudio" in shown
