"""Everything a user can set, each default once. The same names serve the command line and the TOML file.

out = ["zmq://", "vmc://"]
rate_hz = 60
[smooth]
strength = 0.5
[smooth.head_rotation]
min_cutoff_hz = 1.0
[channels.jawOpen]
gain = 1.2
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from driver.channels import Channel, default_channels
from driver.errors import UsageError
from driver.framing import FrameSettings
from driver.fuse import FuseSettings
from driver.idle import IdleSettings
from driver.knobs import VoiceSettings
from driver.mood import MoodSettings
from driver.portrait import PictureSettings
from driver.smooth import SmoothSettings
from protocol.frame import OPEN_HEAD_ID

Device = Literal["auto", "cpu", "cuda"]
Tracker = Literal["native", "mediapipe"]
LONGEST_FACE_LOOKAHEAD = 2
PREVIEW_PORT = 5575
DEFAULT_OUTPUTS = ("zmq://127.0.0.1:5571", "osc://127.0.0.1:9010")


@dataclass(frozen=True)
class CameraSettings:
    """What is asked of the camera; what it really does is reported."""

    width: int = 640
    height: int = 480
    rate_hz: float = 30.0
    horizontal_fov_deg: float = 60.0


@dataclass(frozen=True)
class Settings:
    """One run of the driver.

    webcam, mic      index, name or URL; None = not used
    video, audio     a media file; audio also "-" (raw PCM on stdin), "pcm://HOST:PORT?rate=..." or "none"
    demo             the embedded sample instead of any other input
    realtime         pace files by their own clock instead of as fast as possible
    loop             start files again at their end
    out              one URL a sink
    record           append every frame to this file
    head             id of the head whose coefficients are published (`avatar-driver head add`)
    tracker          what reads the face: "native", our own networks; "mediapipe", its networks and our solver
    face_model       a file instead of the native tracker's face.onnx, or of MediaPipe's face_landmarker.task
    face_lookahead   pictures that the native tracker's expression and jaw may wait for, 0..2: steadier, so much later
    detail           a detail.onnx of training.export_detail: frames also tell the skin's wrinkles; None = they do not
    duration_s       stop after so many seconds
    control          "osc://127.0.0.1:9011": listen there for knobs to turn; None = do not listen
    profile          name of what `avatar-driver calibrate` has learnt; None = nobody's
    auto_calibrate   without a profile, learn how the resting face is misread from its first good minute, then no more
    mirror           exchange left and right in everything that is sent
    preview          port of the preview's page on this machine; 0 = any free one; None = no page
    virtual_camera   show the drawn head in this virtual camera; "" = the system's first; None = in none
    """

    webcam: str | None = None
    mic: str | None = None
    video: str | None = None
    audio: str | None = None
    demo: bool = False
    realtime: bool = False
    loop: bool = False
    out: tuple[str, ...] = DEFAULT_OUTPUTS
    record: str | None = None
    rate_hz: float = 60.0
    device: Device = "auto"
    head: str = OPEN_HEAD_ID
    tracker: Tracker = "native"
    face_model: str | None = None
    face_lookahead: int = 0
    detail: str | None = None
    duration_s: float | None = None
    control: str | None = None
    profile: str | None = None
    auto_calibrate: bool = True
    mirror: bool = False
    preview: int | None = None
    virtual_camera: str | None = None
    camera: CameraSettings = field(default_factory=CameraSettings)
    fuse: FuseSettings = field(default_factory=FuseSettings)
    smooth: SmoothSettings = field(default_factory=SmoothSettings)
    mood: MoodSettings = field(default_factory=MoodSettings)
    frame: FrameSettings = field(default_factory=FrameSettings)
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    idle: IdleSettings = field(default_factory=IdleSettings)
    picture: PictureSettings = field(default_factory=PictureSettings)
    channels: dict[str, Channel] = field(default_factory=default_channels)

    def __post_init__(self) -> None:
        if not 1 <= self.rate_hz <= 1000:
            raise UsageError(
                f"rate_hz is {self.rate_hz:g}; it must be 1..1000 frames per second, 60 suits most avatars"
            )
        for name, value in (("duration_s", self.duration_s), ("camera.rate_hz", self.camera.rate_hz)):
            if value is not None and not value > 0:
                raise UsageError(f"{name} is {value:g}; it must be more than 0")
        if not 0 <= self.face_lookahead <= LONGEST_FACE_LOOKAHEAD:
            raise UsageError(
                f"face_lookahead is {self.face_lookahead}; it must be 0..{LONGEST_FACE_LOOKAHEAD} pictures, "
                "0 waits for none"
            )
        if not 20 <= self.camera.horizontal_fov_deg <= 140:
            raise UsageError(
                f"camera.horizontal_fov_deg is {self.camera.horizontal_fov_deg:g}; it must be 20..140 degrees, "
                "most webcams have 55..80"
            )


def load_config(path: Path, settings: Settings) -> Settings:
    """`settings` with what the TOML file at `path` says. Unknown keys and wrong types are a `UsageError`."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}; check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    return _merged(settings, table, str(path), "")


Section = TypeVar("Section")


def _merged(section: Section, table: dict[str, Any], path: str, prefix: str) -> Section:
    hints = get_type_hints(type(section))
    changes: dict[str, Any] = {}
    for key, value in table.items():
        _refuse_unknown(key, hints, path, prefix)
        changes[key] = _value(getattr(section, key), value, hints[key], path, f"{prefix}{key}")
    return dataclasses.replace(typing.cast(Any, section), **changes)


def _value(now: Any, value: Any, hint: Any, path: str, name: str) -> Any:
    """What `value` makes of `now`: a plain value, a section, or sections by name."""
    is_section, has_names = dataclasses.is_dataclass(now), get_origin(hint) is dict
    if not (is_section or has_names):
        return _coerced(value, hint, f"{path}: {name}")
    if not isinstance(value, dict):
        raise UsageError(f"{path}: {name} is {value!r}; it must be a table, [{name}]")
    table = typing.cast(dict[str, Any], value)
    if is_section:
        return _merged(now, table, path, f"{name}.")
    for key in table:
        _refuse_unknown(key, now, path, f"{name}.")
    return now | {key: _value(now[key], one, type(now[key]), path, f"{name}.{key}") for key, one in table.items()}


def _refuse_unknown(key: str, known: dict[str, Any], path: str, prefix: str) -> None:
    if key not in known:
        close = difflib.get_close_matches(key, known, 1)
        remedy = f"did you mean {prefix}{close[0]}?" if close else f"known keys: {', '.join(sorted(known))}"
        raise UsageError(f"{path}: unknown key {prefix}{key}; {remedy}")


def _coerced(value: Any, hint: Any, name: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _coerced(value, next(one for one in arguments if one is not type(None)), name)
    if origin is Literal:
        if value in arguments:
            return value
        raise UsageError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, arguments))}")
    if origin is tuple and isinstance(value, list):
        return tuple(_coerced(one, arguments[0], name) for one in typing.cast(list[Any], value))
    if hint is float and type(value) in (int, float):
        return float(value)
    if origin is None and type(value) is hint:
        return value
    expected = "a list" if origin is tuple else hint.__name__
    raise UsageError(f"{name} is {value!r}; it must be {expected}")
