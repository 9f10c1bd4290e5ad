"""Which cameras and microphones there are, for `--list-devices` and `doctor`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2

from driver.capture.portaudio import list_microphones
from driver.errors import DeviceError

_VIDEO4LINUX = Path("/sys/class/video4linux")
# Without names to read (Windows, macOS) cameras are found by trying the first few indices.
_TRIED_INDICES = 5


@dataclass(frozen=True)
class CameraInfo:
    """A camera of this machine; `index` is OpenCV's."""

    index: int
    name: str


def list_cameras(folder: Path = _VIDEO4LINUX) -> list[CameraInfo]:
    """All cameras. On Linux with their names, without opening them; elsewhere each is opened for a moment."""
    if sys.platform == "linux":
        return _linux_cameras(folder)
    found: list[CameraInfo] = []
    for index in range(_TRIED_INDICES):
        capture = cv2.VideoCapture(index)
        if capture.isOpened():
            found.append(CameraInfo(index, f"camera {index}"))
        capture.release()
    return found


def _linux_cameras(folder: Path) -> list[CameraInfo]:
    cameras: list[CameraInfo] = []
    for node in folder.glob("video*"):
        number = node.name.removeprefix("video")
        # A camera has further nodes (for metadata); its first is the one with pictures.
        if number.isdecimal() and _read(node / "index", "0") == "0":
            cameras.append(CameraInfo(int(number), _read(node / "name", node.name)))
    return sorted(cameras, key=lambda camera: camera.index)


def _read(path: Path, default: str) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:  # the device went while we looked
        return default


def find_camera(wanted: str, folder: Path = _VIDEO4LINUX) -> int:
    """The index of the camera with this index, name or part of a name (the first). Raises DeviceError."""
    if wanted.isdecimal():
        return int(wanted)
    cameras = list_cameras(folder)
    name = wanted.casefold()
    chosen = [camera for camera in cameras if camera.name.casefold() == name]
    chosen += [camera for camera in cameras if name in camera.name.casefold()]
    if not chosen:
        known = ", ".join(f"{camera.index} {camera.name}" for camera in cameras) or "none"
        raise DeviceError(f"there is no camera named {wanted!r}; there are: {known}")
    return chosen[0].index


def print_devices() -> None:
    """What `--list-devices` prints: one line a device, with what `--webcam` and `--mic` take."""
    print("Cameras (--webcam INDEX or part of the NAME):")
    cameras = list_cameras()
    for camera in cameras:
        print(f"  {camera.index}  {camera.name}")
    if not cameras:
        print("  none found; a network camera needs no list: --webcam http://... or rtsp://...")
    print("Microphones (--mic INDEX or part of the NAME):")
    try:
        microphones = list_microphones()
    except DeviceError as error:
        print(f"  {error}")
        return
    for microphone in microphones:
        default = "  (default)" if microphone.is_default else ""
        channels = f"{microphone.channels} channel{'s' if microphone.channels > 1 else ''}"
        print(f"  {microphone.index}  {microphone.name}, {microphone.rate_hz} Hz, {channels}{default}")
    if not microphones:
        print("  none found")
