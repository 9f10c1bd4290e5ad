"""Every kind of client at once, for `everywhere.py`: how each is started, what it heard, and how exact that must be."""

from __future__ import annotations

import contextlib
import math
import shutil
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import zmq
from numpy.typing import NDArray
from pylivelinkface.pylivelinkface import FaceBlendShape, PyLiveLinkFace
from pythonosc.osc_bundle import OscBundle
from support.browser import NODE_MODULES, PROGRAMS, Browser
from support.csharp import compile_program, missing_mono
from support.godot import HEADLESS, Godot
from support.ifacialmocap import ASK, Program, fields_of
from support.stream import Subscriber, UdpReceiver, free_port
from support.vrchat import FakeVrChat, avatar_tree
from support.vtube_studio import FakeVTubeStudio

from models.head.rotation import matrix_from_axis_angle
from protocol import avatar_codec, ifacialmocap
from protocol.avatar_values import MULTIPLIERS, STEPS
from protocol.frame import ARKIT_SHAPES, PARTS, FaceFrame

Values = NDArray[np.float64]

_BODY = tuple(part.name for part in PARTS if not part.is_optional)
# float32 in numbers that are added or multiplied on the way.
_ROUNDING = 2e-6
_AVATAR_TURN_NS = 2**16 * 1_000_000
_PASCAL = [name[0].upper() + name[1:] for name in ARKIT_SHAPES]


@dataclass(frozen=True)
class Heard:
    """One frame as a client has it.

    at_s        Unix time when it had come
    values      of the client's own choice, but the same as `Client.expected` has
    seq         the frame's number, where the protocol carries a number or a time; None where it must be found
    overtaken   how many came since the one before that a newer one replaced before the client looked
    resolution  how far off each value may be, where that differs from frame to frame
    """

    at_s: float
    values: Values
    seq: int | None = None
    overtaken: int = 0
    resolution: Values | None = None


class Client(ABC):
    """One kind of client. `urls` are the driver's outputs for it; `resolution` how far off each value may be.

    is_prompt   takes each frame when it comes, not when it has finished something else
    """

    name = ""
    rate_hz = 60
    is_prompt = True
    resolution: Values | float = 0.0
    note = ""

    def __init__(self) -> None:
        self.urls: list[str] = []

    @staticmethod
    def missing() -> str | None:
        """What has to be installed first; None when it can run."""
        return None

    # Some have nothing to do at these three moments.
    def start(self, folder: Path) -> None:  # noqa: B027
        """Before the driver starts. Sets `urls`."""

    def join(self) -> None:  # noqa: B027
        """After the driver has started: connect, where the client is the one that connects."""

    def stop(self) -> None:  # noqa: B027
        """Listen no more."""

    @abstractmethod
    def expected(self, frame: FaceFrame) -> Values:
        """The values of a recorded frame as this client should have them."""

    @abstractmethod
    def heard(self) -> Iterator[Heard]:
        """All that came, in order; after `stop`."""


class Listening(Client):
    """A thread takes packets as they come; they are read when all is over."""

    def __init__(self) -> None:
        super().__init__()
        self._packets: list[tuple[float, bytes]] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def listen(self, receive: Callable[[], bytes], nothing_came: type[Exception] = TimeoutError) -> None:
        def run() -> None:
            while not self._ended.is_set():
                with contextlib.suppress(nothing_came):
                    packet = receive()
                    self._packets.append((time.time(), packet))

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()


class Udp(Listening):
    """The base of those that wait for datagrams: the output's URL with `{port}`."""

    url = ""

    def start(self, folder: Path) -> None:
        self._receiver = UdpReceiver()
        self.urls = [self.url.format(port=self._receiver.port)]
        self.listen(lambda: self._receiver.receive(1)[0])

    def stop(self) -> None:
        super().stop()
        self._receiver.close()


def _whole(frame: FaceFrame) -> Values:
    parts = [np.atleast_1d(np.asarray(frame.part(name), np.float64)) for name in _BODY]
    return np.concatenate(parts)


def _faces(packets: list[tuple[float, bytes]]) -> Iterator[Heard]:
    """Our packets by msgpack's own reader."""
    for at_s, packet in packets:
        content = msgpack.unpackb(packet)
        if content["type"] == "face":
            parts = [content[name] for name in _BODY]
            values = [np.frombuffer(part, "<f4") if isinstance(part, bytes) else [part] for part in parts]
            yield Heard(at_s, np.concatenate(values).astype(np.float64), content["seq"])


class PlainUdp(Udp):
    name, url = "UDP, msgpack", "udp://127.0.0.1:{port}"

    def expected(self, frame: FaceFrame) -> Values:
        return _whole(frame)

    def heard(self) -> Iterator[Heard]:
        return _faces(self._packets)


class ZeroMq(Listening):
    name = "ZeroMQ, msgpack"

    def start(self, folder: Path) -> None:
        self.urls = [f"zmq://127.0.0.1:{free_port()}"]

    def join(self) -> None:
        self._subscriber = Subscriber(self.urls[0])
        self.listen(lambda: self._subscriber.receive()[0], zmq.Again)

    def stop(self) -> None:
        super().stop()
        self._subscriber.__exit__()

    def expected(self, frame: FaceFrame) -> Values:
        return _whole(frame)

    def heard(self) -> Iterator[Heard]:
        return _faces(self._packets)


class UnityReader(Client):
    """The Unity package's receiver under Mono, in a process of its own."""

    name = "Unity's reader (mono)"

    @staticmethod
    def missing() -> str | None:
        return missing_mono()

    def start(self, folder: Path) -> None:
        program = compile_program(folder)
        self._output = (folder / "heard").open("w+")
        self._process = subprocess.Popen(
            ["mono", str(program), "listen"], stdin=subprocess.PIPE, stdout=self._output, text=True
        )
        while not (line := (folder / "heard").read_text()).endswith("\n"):
            assert self._process.poll() is None, "the C# program has ended"
            time.sleep(0.05)
        self.urls = [f"udp://127.0.0.1:{int(line)}"]

    def stop(self) -> None:
        self._process.communicate(timeout=30)

    def expected(self, frame: FaceFrame) -> Values:
        return _whole(frame)

    def heard(self) -> Iterator[Heard]:
        self._output.seek(0)
        next(self._output)
        before = 0
        with self._output:
            for line in self._output:
                at_ms, received, _, damaged, _, seq, _, _, _, *parts = line.split()
                assert damaged == "0", "the C# reader refuses packets"
                values = {
                    part.name: np.frombuffer(bytes.fromhex(text), "<f4")
                    for part, text in zip(PARTS, parts, strict=True)
                    if not part.is_optional
                }
                overtaken = int(received) - before - 1
                before = int(received)
                whole = np.concatenate([values[name] for name in _BODY]).astype(np.float64)
                yield Heard(float(at_ms) / 1e3, whole, int(seq), overtaken)


class GodotScene(Client):
    """The engine wears the face; what it says is read back from its mesh."""

    name = "Godot, headless (OSC)"
    resolution = np.array([_ROUNDING] * 52 + [1e-5] * 6)  # it prints six digits

    @staticmethod
    def missing() -> str | None:
        return None if shutil.which(HEADLESS) else f"needs {HEADLESS}"

    def start(self, folder: Path) -> None:
        port = free_port()
        self._godot = Godot(folder, port)
        self.urls = [f"osc://127.0.0.1:{port}"]

    def stop(self) -> None:
        self._godot.stop()

    def expected(self, frame: FaceFrame) -> Values:
        turn = matrix_from_axis_angle(frame.head_rotation)
        return np.concatenate([frame.arkit, turn[:, 2], turn[:, 0]])

    def heard(self) -> Iterator[Heard]:
        for line in self._godot.rest():
            values = np.array([*line["weights"][:52], *line["out"], *line["left"]])
            yield Heard(line["unix_ms"] / 1e3, values, line["seq"])


class Page(Client):
    """Our page with three.js in Chromium. Frames are noted as its client hands them out, before they are drawn.

    Without a graphics card it would draw with all the processor that it gets, and so it stands back.
    """

    name = "Chromium's page (WebSocket)"
    is_prompt = False

    _NOTE = """(() => { globalThis.seen = [];
      avatarDriver.stream.options = { ...avatarDriver.stream.options, onFace: (face) => seen.push(
        [Date.now(), face.seq, ...face.arkit, ...face.headRotation, ...face.headTranslation, ...face.gaze]) }; })()"""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[list[float]] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @staticmethod
    def missing() -> str | None:
        if not any(map(shutil.which, PROGRAMS)):
            return f"needs one of {', '.join(PROGRAMS)}"
        return None if NODE_MODULES.is_dir() else "needs `npm install` in tests/browser"

    def start(self, folder: Path) -> None:
        self._folder = folder
        self.urls = [f"ws://127.0.0.1:{free_port()}?modules={NODE_MODULES}"]
        self._browser = Browser(self._folder, (320, 320), niceness=19)

    def join(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        browser = self._browser
        browser.open(self.urls[0].partition("?")[0].replace("ws://", "http://") + "/?bare=1")
        browser.wait_for("globalThis.avatarDriver?.stream")
        browser.evaluate(self._NOTE)
        began_s, drawn = time.monotonic(), 0
        while not self._ended.wait(1.0):
            rows, drawn = browser.evaluate("[seen.splice(0), avatarDriver.stage.drawn]")
            self._rows += rows
        self._rows += browser.evaluate("seen.splice(0)")
        self.note = f"draws {drawn / (time.monotonic() - began_s):.0f} pictures/s"

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._browser.close()

    def expected(self, frame: FaceFrame) -> Values:
        return np.concatenate([frame.arkit, frame.head_rotation, frame.head_translation, frame.gaze])

    def heard(self) -> Iterator[Heard]:
        for at_ms, seq, *values in self._rows:
            yield Heard(at_ms / 1e3, np.array(values), int(seq))


def _osc_frames(packets: list[tuple[float, bytes]]) -> Iterator[tuple[float, list[tuple[str, list[Any]]]]]:
    """VMC's messages by python-osc, frame by frame. A frame of which a datagram is lost is left out."""
    messages: list[tuple[str, list[Any]]] = []
    for at_s, packet in packets:
        messages += [(message.address, message.params) for message in OscBundle(packet)]
        if messages[-1][0] == "/VMC/Ext/Blend/Apply":
            names = [arguments[0] for address, arguments in messages if address == "/VMC/Ext/Blend/Val"]
            if len(names) == len(set(names)) and set(names) >= set(_PASCAL):
                yield at_s, messages
            messages = []


class VmcPerformer(Udp):
    name, url = "VMC, performer", "vmc://127.0.0.1:{port}?mode=performer"
    resolution = _ROUNDING

    def __init__(self, period_s: float, first_s: float) -> None:
        super().__init__()
        self._period_s, self._first_s = period_s, first_s

    def expected(self, frame: FaceFrame) -> Values:
        # Neck and head take half of the turn each. Unity's x points to the other side.
        angle = float(np.linalg.norm(frame.head_rotation))
        axis = frame.head_rotation / angle if angle > 0 else np.zeros(3)
        half = [*(math.sin(angle / 4) * axis * [1, -1, -1]), math.cos(angle / 4)]
        return np.concatenate([frame.arkit, half, half])

    def heard(self) -> Iterator[Heard]:
        for at_s, messages in _osc_frames(self._packets):
            blends = dict(arguments for address, arguments in messages if address == "/VMC/Ext/Blend/Val")
            bones = {one[0]: one[4:] for address, one in messages if address == "/VMC/Ext/Bone/Pos"}
            (sender_s,) = next(arguments for address, arguments in messages if address == "/VMC/Ext/T")
            seq = round((sender_s - self._first_s) / self._period_s)
            values = np.array([*(blends[name] for name in _PASCAL), *bones["Neck"], *bones["Head"]])
            yield Heard(at_s, values, seq)


class VmcAssistant(Udp):
    name, url, rate_hz = "VMC, assistant, rate=30", "vmc://127.0.0.1:{port}?rate=30", 30
    resolution = _ROUNDING

    def expected(self, frame: FaceFrame) -> Values:
        return frame.arkit.astype(np.float64)

    def heard(self) -> Iterator[Heard]:
        for at_s, messages in _osc_frames(self._packets):
            blends = dict(arguments for address, arguments in messages if address == "/VMC/Ext/Blend/Val")
            yield Heard(at_s, np.array([blends[name] for name in _PASCAL]))


def _turned(yaw_rad: float, pitch_rad: float, roll_rad: float) -> Values:
    """R_y R_x R_z as nine numbers."""
    about = [matrix_from_axis_angle(one) for one in ([0, yaw_rad, 0], [pitch_rad, 0, 0], [0, 0, roll_rad])]
    return (about[0] @ about[1] @ about[2]).ravel()


class LiveLink(Udp):
    name, url = "Live Link", "livelink://127.0.0.1:{port}?time=clock"
    resolution = _ROUNDING

    def __init__(self, first_s: float) -> None:
        super().__init__()
        self._first_s = first_s

    def expected(self, frame: FaceFrame) -> Values:
        left_pitch, left_yaw, right_pitch, right_yaw = frame.gaze
        turn = matrix_from_axis_angle(frame.head_rotation).ravel()
        return np.concatenate([frame.arkit, turn, [left_yaw, left_pitch, right_yaw, right_pitch]])

    def heard(self) -> Iterator[Heard]:
        for at_s, packet in self._packets:
            has_face, link = PyLiveLinkFace.decode(packet)
            assert has_face
            value = {shape.name: link.get_blendshape(shape) for shape in FaceBlendShape}
            head = _turned(value["HeadYaw"], value["HeadPitch"], value["HeadRoll"])
            eyes = [value[f"{side}Eye{angle}"] for side in ("Left", "Right") for angle in ("Yaw", "Pitch")]
            seq = round(link._frames + link._sub_frame - self._first_s * link.fps)
            yield Heard(at_s, np.array([*(value[name] for name in _PASCAL), *head, *eyes]), seq)


class IFacialMocap(Listening):
    """A program at another address, which asks for the face each second, as some do."""

    name = "iFacialMocap, asking"
    # Whole percents; four decimals of degrees and metres.
    resolution = np.array([0.005 + _ROUNDING] * 52 + [5e-6] * 9 + [5e-5 + _ROUNDING] * 3)

    def start(self, folder: Path) -> None:
        self._program = Program("127.0.0.2")
        self._port = free_port()
        self.urls = [f"ifacialmocap://127.0.0.1:{self._port}?mode=listen&reply_port={self._program.port}"]
        self.listen(self._program.receive)

    def join(self) -> None:
        self._asking = threading.Thread(target=self._ask)
        self._asking.start()

    def _ask(self) -> None:
        while not self._ended.wait(1.0):
            self._program.ask(ASK, self._port)

    def stop(self) -> None:
        super().stop()
        self._asking.join()
        self._program.close()

    def expected(self, frame: FaceFrame) -> Values:
        turn = matrix_from_axis_angle(frame.head_rotation).ravel()
        return np.concatenate([frame.arkit, turn, frame.head_translation])

    def heard(self) -> Iterator[Heard]:
        for at_s, packet in self._packets:
            fields = fields_of(packet)
            weights = [fields[name][0] / 100 for name in ifacialmocap.NAMES]
            pitch, yaw, roll, *place = fields["head"]
            yield Heard(at_s, np.array([*weights, *_turned(*np.radians([yaw, pitch, roll])), *place]))


class VrChat(Client):
    """VRChat with OSCQuery; an avatar with floats, one expression in three bits, and VRChat's own eyes."""

    name = "VRChat, OSCQuery"
    _FLOATS = {  # noqa: RUF012
        "v2/JawOpen": "jawOpen",
        "FT/v2/MouthUpperUpLeft": "mouthUpperUpLeft",
        "FT/v2/MouthUpperUpRight": "mouthUpperUpRight",
        "v2/MouthStretchLeft": "mouthStretchLeft",
        "v2/BrowInnerUpRight": "browInnerUp",
        "v2/EyeSquintLeft": "eyeSquintLeft",
    }
    _BITS = (1, 2, 4)
    # A float is sent when it has moved by 0.002; three bits count eighths; the eyes' degrees are float32.
    resolution = np.array([0.002 + _ROUNDING] * len(_FLOATS) + [1 / 16 + _ROUNDING] + [1e-5] * 4)

    @staticmethod
    def missing() -> str | None:
        return None if find_spec("zeroconf") else "needs pip install 'avatar-driver[vrchat]'"

    def start(self, folder: Path) -> None:
        rows = self._rows = []

        class Noting(FakeVrChat):
            def _heard(self, address: str, *values: Any) -> None:
                super()._heard(address, *values)
                if address.endswith("/LeftRightPitchYaw"):  # the last of a frame, and sent with every one
                    rows.append((time.time(), values, dict(self.received)))

        bits = {f"v2/JawOpen{bit}": "T" for bit in self._BITS}
        self._game = Noting(avatar_tree("avtr_1", dict.fromkeys(self._FLOATS, "f") | bits))
        self.urls = ["vrchat://?interface=127.0.0.1&eyes=native"]

    def stop(self) -> None:
        self._game.__exit__()

    def expected(self, frame: FaceFrame) -> Values:
        def weight(name: str) -> float:
            return float(frame.arkit[ARKIT_SHAPES.index(name)])

        left_pitch, left_yaw, right_pitch, right_yaw = np.degrees(frame.gaze)
        eyes = [left_pitch, -left_yaw, right_pitch, -right_yaw]
        return np.array([*map(weight, self._FLOATS.values()), weight("jawOpen"), *eyes])

    def heard(self) -> Iterator[Heard]:
        folder = "/avatar/parameters/"
        for at_s, eyes, state in self._rows:
            floats = [state.get(folder + name, math.nan) for name in self._FLOATS]
            steps = sum(bit * bool(state.get(f"{folder}v2/JawOpen{bit}")) for bit in self._BITS)
            yield Heard(at_s, np.array([*floats, steps / 8 + 1 / 16, *eyes]))


class VTubeStudio(Client):
    name = "VTube Studio"
    resolution = 5e-5 + _ROUNDING  # four decimals

    def start(self, folder: Path) -> None:
        rows = self._rows = []

        class Noting(FakeVTubeStudio):
            def _InjectParameterDataRequest(self, data: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
                rows.append((time.time(), {one["id"]: one["value"] for one in data["parameterValues"]}))
                return super()._InjectParameterDataRequest(data, session)

        self._studio = Noting()
        self._studio.clicks = [True]
        self._studio.start()
        self.urls = [f"vts://127.0.0.1:{self._studio.port}"]

    def stop(self) -> None:
        self._studio.stop()

    def expected(self, frame: FaceFrame) -> Values:
        return frame.arkit.astype(np.float64)

    def heard(self) -> Iterator[Heard]:
        for at_s, values in self._rows:
            yield Heard(at_s, np.array([values[f"Avatar{name}"] for name in _PASCAL]))


class AvatarCodec(Udp):
    """A remote peer. Its steps are as fine as the bit rate allows, and each packet says how fine."""

    name, url, rate_hz = "avatar codec, rate=30", "avatar://127.0.0.1:{port}", 30

    def __init__(self, period_s: float, first_s: float) -> None:
        super().__init__()
        self._period_s, self._first_s = period_s, first_s

    def expected(self, frame: FaceFrame) -> Values:
        return np.concatenate([frame.arkit, frame.head_rotation, frame.head_translation])

    def heard(self) -> Iterator[Heard]:
        state = avatar_codec.DecoderState()
        zero_ns: int | None = None
        for at_s, packet in self._packets:
            face, state = avatar_codec.decode(packet, state)
            if face is not None:
                if zero_ns is None:  # the packets' time is a part of the sender's clock
                    zero_ns = face.publish_ns // _AVATAR_TURN_NS * _AVATAR_TURN_NS
                seq = round(((face.publish_ns - zero_ns) / 1e9 - self._first_s) / self._period_s)
                values = np.concatenate([face.arkit, face.head_rotation, face.head_translation], dtype=np.float64)
                yield Heard(at_s, values, seq, resolution=_coarseness(packet[0] & 3)[: len(values)])
        span_s = self._packets[-1][0] - self._packets[0][0]
        self.note = f"{sum(8 * len(packet) for _, packet in self._packets) / 1e3 / span_s:.1f} kbit/s"


@cache
def _coarseness(quantiser: int) -> Values:
    """Half a step of rounding, and half of the difference's, where that is coarser."""
    multiplier = MULTIPLIERS[quantiser]
    return STEPS * (0.5 + (multiplier / 2 if multiplier > 1 else 0.0)) + _ROUNDING
