"""`avatar-driver doctor`: everything a run needs, looked at one by one; each line is ok or says the remedy."""

from __future__ import annotations

import platform
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
from rich.console import Console

from driver.config import PREVIEW_PORT, Settings
from driver.detail import DetailFile
from driver.encode import AudioEncoder
from driver.errors import AvatarDriverError
from driver.face_model import locate_face_model
from driver.face_networks import load_face_networks
from driver.preview.server import check_server
from driver.publish import check_sink
from driver.runtime import OnnxModel, OnnxNetwork
from driver.sinks.sink import SinkContext
from driver.sinks.virtual_camera import check_virtual_camera
from driver.weights import find_audio_model, find_native_face
from models.head.flame import open_head
from protocol.msgpack_codec import Hello


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, whether it is well, and what was found or what to do."""

    subject: str
    is_ok: bool
    text: str


def diagnose(settings: Settings) -> int:
    """Print a line for each thing; returns 0 when all is well, 1 otherwise."""
    console = Console(highlight=False, soft_wrap=True)
    all_ok = True
    for finding in findings(settings):
        mark = "[green]ok[/green]    " if finding.is_ok else "[red]remedy[/red]"
        console.print(f"{mark} {finding.subject}: ", end="")
        console.print(finding.text, markup=False)
        all_ok &= finding.is_ok
    return 0 if all_ok else 1


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at one thing after the other."""
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("system", _system),
        ("cameras", lambda: _cameras(settings)),
        ("microphones", _microphones),
        ("face model", lambda: _face_model(settings)),
        ("skin detail", lambda: _detail(settings)),
        ("audio model", lambda: _audio_model(settings)),
        ("head", lambda: f"{open_head().id}, {len(open_head().v_template)} vertices"),
        ("GPU", _gpu),
        *((f"output {url}", lambda url=url: _output(url, settings)) for url in settings.out),
        ("preview", lambda: _preview(settings)),
        ("virtual camera", lambda: _virtual_camera(settings)),
        ("firewall", _firewall),
    )
    for subject, check in checks:
        try:
            yield Finding(subject, True, check())
        except AvatarDriverError as error:
            yield Finding(subject, False, str(error))


def _system() -> str:
    return f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _cameras(settings: Settings) -> str:
    from driver.capture.cameras import is_url, without_password
    from driver.capture.devices import list_cameras

    cameras = list_cameras()
    if not cameras and settings.webcam is not None and is_url(settings.webcam):
        return f"none on this machine; the run will open {without_password(settings.webcam)}"
    if not cameras:
        raise AvatarDriverError(
            "none found; plug one in, close other programs that use it, and let this user read it "
            "(on Linux: the group `video`). A network camera works too: --webcam http://..."
        )
    return ", ".join(f"{camera.index}: {camera.name}" for camera in cameras)


def _microphones() -> str:
    from driver.capture.devices import list_microphones

    microphones = list_microphones()
    if not microphones:
        raise AvatarDriverError(
            "none found; plug one in and allow this program to use it in the system's privacy settings"
        )
    return ", ".join(f"{microphone.index}: {microphone.name}" for microphone in microphones)


def _face_model(settings: Settings) -> str:
    own_file = Path(settings.face_model) if settings.face_model else None
    if settings.tracker == "native":
        face, detector = find_native_face(own_file)
        OnnxNetwork(detector, "cpu")
        return f"{face.name} reads crops of {OnnxModel(face, 'cpu').crop_px} pixels, {detector.name} finds faces"
    path = locate_face_model(own_file)
    if path is None:
        return "not here yet; the first run with a camera downloads it (3.6 MB), or name it with --face-model FILE"
    load_face_networks(path)
    return str(path)


def _detail(settings: Settings) -> str:
    if settings.detail is None:
        return "not asked for"
    file = Path(settings.detail)
    network = DetailFile(file, "cpu")
    return f"{file.name} reads crops of {network.picture_px} pixels, codes of {network.id}"


def _audio_model(settings: Settings) -> str:
    model = OnnxModel(find_audio_model(settings.voice.model), "cpu")
    AudioEncoder(model, settings.voice)
    if not model.knob_shapes:
        return f"{model.path.name}: moves the mouth, and has no knobs"
    styles = ", ".join(sorted(model.styles)) or "none"
    return f"{model.path.name}: look-ahead {settings.voice.lookahead_ms} ms; styles: {styles}"


def _gpu() -> str:
    runtime: Any = onnxruntime
    providers: list[str] = runtime.get_available_providers()
    if "CUDAExecutionProvider" in providers:
        return f"onnxruntime {onnxruntime.__version__} was built for CUDA; --device cuda says whether it loads"
    return f"onnxruntime {onnxruntime.__version__} on the processor; that is fast enough for one face"


def _output(url: str, settings: Settings) -> str:
    hello = Hello("avatar-driver", "doctor", settings.head, settings.rate_hz)
    said: list[str] = []
    return "; ".join([check_sink(url, SinkContext(hello, said.append)), *said])


def _preview(settings: Settings) -> str:
    if settings.preview is not None:
        return check_server(settings.preview)
    return _unasked(lambda: check_server(PREVIEW_PORT))


def _virtual_camera(settings: Settings) -> str:
    if settings.virtual_camera is not None:
        return check_virtual_camera(settings.virtual_camera, settings.picture)
    return _unasked(lambda: check_virtual_camera("", settings.picture))


def _unasked(check: Callable[[], str]) -> str:
    """What the run has not asked for may be missing; the remedy is said all the same."""
    try:
        return check()
    except AvatarDriverError as error:
        return f"not asked for; {error}"


def _firewall() -> str:
    host = socket.gethostname()
    rule = {
        "Windows": "allow Python in Windows Defender Firewall for private networks",
        "Darwin": "allow incoming connections for Python in System Settings > Network > Firewall",
    }.get(platform.system(), "open the port, e.g. `ufw allow 5571/tcp`")
    return f"nothing to do while clients run on this machine; for others on the network (this one is {host}): {rule}"
