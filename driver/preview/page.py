"""The output that is a page: head, meters and latency; camera, calibration and sliders where a run has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from driver.control import Turnable
from driver.personal_face import PersonalFace
from driver.preview.calibrating import Calibrating
from driver.preview.camera_view import CameraView, WatchedTracker
from driver.preview.channel_settings import ChannelSettings, HasChannels
from driver.preview.filming import Filming
from driver.preview.head_view import HeadView
from driver.preview.latency import Ages, LatencyPlot
from driver.preview.meters import meters_html
from driver.preview.server import HOST, close_server, open_server
from driver.preview.voice_knobs import VoiceKnobs
from driver.publish import open_sinks
from driver.sinks.follower import Follower
from driver.sinks.sink import Sink, SinkContext
from driver.sound_level import SoundLevel
from driver.worn_head import WornHead, head_called
from models.head.arkit import ArkitMap
from protocol.frame import FaceFrame, Floats

_NATIVE = "native"  # the tracker whose reading can be learnt to be corrected
# What a page is worth: the head fluently, numbers as fast as they can be read.
_HEAD_HZ, _METERS_HZ, _CAMERA_HZ, _REST_HZ = 30.0, 10.0, 10.0, 4.0


@dataclass(frozen=True)
class Shown:
    """What a page of a live run shows and turns beside the frames; None where this run has no such thing.

    builder       whose channels are set
    voice         whose knobs are turned
    face, sound   that are calibrated; `tracker` is the name of what reads the face
    camera        the tracker itself, watched
    is_mirrored   whether all that is sent is
    learning      options of `training.personalise` that tell it of this run
    """

    builder: HasChannels
    arkit: ArkitMap
    tracker: str
    is_mirrored: bool
    voice: Turnable | None = None
    face: PersonalFace | None = None
    sound: SoundLevel | None = None
    camera: WatchedTracker | None = None
    learning: tuple[str, ...] = ()


class Preview:
    """Sink: the page at `address`, for this machine. It does nothing while nobody looks.

    shown   None where frames only pass through, from a recording or a remote peer: there is nothing to adjust
    Raises SinkError when viser is missing or the port is not to be had.
    """

    def __init__(self, port: int, context: SinkContext, shown: Shown | None = None) -> None:
        self._server = open_server(port)
        self.address = f"http://{HOST}:{self._server.get_port()}/"
        self.name = f"preview {self.address}"
        self._ages = Ages()
        try:
            self._build(context, shown)
        except BaseException:
            close_server(self._server)
            raise
        context.notice(f"open {self.address} in a browser to see the preview")
        self._follower = Follower("preview", _HEAD_HZ, self._show, context.notice)

    def _build(self, context: SinkContext, shown: Shown | None) -> None:
        server, gui = self._server, self._server.gui
        self._head = HeadView(server, WornHead(head_called(context.hello.head)))
        self._camera: CameraView | None = None
        self._calibrating: Calibrating | None = None
        self._filming: Filming | None = None
        self._parts: list[_Timed] = []
        tabs = gui.add_tab_group()
        with tabs.add_tab("see"):
            with gui.add_folder("latency"):
                self._parts.append(_Timed(LatencyPlot(server, self._ages).show, _REST_HZ))
            if shown is not None and shown.camera is not None:
                self._camera = CameraView(server, shown.camera, shown.is_mirrored)
                self._parts.append(_Timed(self._camera.show, _CAMERA_HZ))
            with gui.add_folder("meters"):
                self._meters = gui.add_html("")
            self._parts.append(_Timed(self._show_meters, _METERS_HZ))
        if shown is not None:
            with tabs.add_tab("adjust"):
                self._add_knobs(context, shown)
        self._newest: FaceFrame | None = None

    def _add_knobs(self, context: SinkContext, shown: Shown) -> None:
        server = self._server

        def say(sentence: str) -> None:
            context.notice(sentence)
            for client in server.get_clients().values():
                client.add_notification("avatar-driver", sentence, auto_close_seconds=10.0)

        if shown.face is not None:
            self._calibrating = Calibrating(server, shown.face, shown.sound, shown.arkit, shown.tracker, say)
            self._parts.append(_Timed(self._calibrating.show, _METERS_HZ))
        if shown.face is not None and shown.camera is not None and shown.tracker == _NATIVE:
            self._filming = Filming(server, shown.camera, shown.sound, shown.face, shown.learning, say)
            self._parts.append(_Timed(self._filming.show, _METERS_HZ))
        if shown.voice is not None:
            self._parts.append(_Timed(VoiceKnobs(server, shown.voice, say).show, _REST_HZ))
        ChannelSettings(server, shown.builder)

    def send(self, frame: FaceFrame, packet: bytes) -> None:
        """Show this face, unless a newer one comes first."""
        self._ages.add(frame)
        self._follower.send(frame)

    def clients(self) -> int | None:
        """How many pages are open."""
        return len(self._server.get_clients())

    def close(self) -> None:
        """Close the page. May be called again."""
        self._follower.close()
        if self._filming is not None:
            self._filming.close()
        close_server(self._server)

    def _show(self, frame: FaceFrame, shape: Floats | None) -> None:
        if not self._server.get_clients():
            if self._camera is not None:
                self._camera.hide()  # whoever comes next asks again
            for part in (self._calibrating, self._filming):
                if part is not None:
                    part.leave()
            return
        self._newest = frame
        self._head.show(frame, shape)
        for part in self._parts:
            part.show_if_due()

    def _show_meters(self) -> None:
        if self._newest is not None:
            self._meters.content = meters_html(self._newest)


def open_outputs(urls: Sequence[str], port: int | None, context: SinkContext) -> list[Sink]:
    """The outputs `urls` for frames that only pass through, and a page at `port` unless that is None; all or none."""
    with ExitStack() as opened:
        sinks = open_sinks(urls, context)
        for sink in sinks:
            opened.callback(sink.close)
        if port is not None:
            sinks.append(Preview(port, context))
        opened.pop_all()
        return sinks


class _Timed:
    """Calls `show` at most `rate_hz` times a second."""

    def __init__(self, show: Callable[[], None], rate_hz: float) -> None:
        self._show, self._period_s, self._due_s = show, 1.0 / rate_hz, 0.0

    def show_if_due(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + self._period_s
            self._show()
