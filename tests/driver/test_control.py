"""Knobs turned by OSC: what is heeded, what is refused, and that a refusal changes nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pythonosc.osc_message_builder import OscMessageBuilder
from support.stream import wait_until

from driver.assemble import assemble, demo_sample
from driver.config import Settings
from driver.control import ControlInput
from driver.errors import ModelError, SinkError, UsageError
from driver.knobs import Knobs, VoiceSettings
from protocol.frame import FaceFrame
from protocol.osc import encode_bundle, encode_message

URL = "osc://127.0.0.1:0"


class Voice:
    """Takes all knobs but the style "nobody"."""

    def __init__(self) -> None:
        self.knobs = Knobs()

    def set_knobs(self, knobs: Knobs) -> None:
        if knobs.style == "nobody":
            raise ModelError("the style 'nobody' is not one of the model's")
        self.knobs = knobs


class Desk:
    """A running control input, what it said, and a sender."""

    def __init__(self, control: ControlInput, voice: Voice, said: list[str]) -> None:
        self.voice, self.said = voice, said
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", control.port))

    def send(self, name: str, *arguments: object) -> None:
        builder = OscMessageBuilder(f"/avatar/voice/{name}")
        for argument in arguments:
            builder.add_arg(argument)
        self.socket.send(builder.build().dgram)

    def settles(self, **changes: Any) -> None:
        wait_until(lambda: self.voice.knobs == Knobs(**changes))


@pytest.fixture
def desk() -> Iterator[Desk]:
    voice, said = Voice(), []
    with ControlInput(URL, voice, said.append) as control:
        desk = Desk(control, voice, said)
        with desk.socket:
            yield desk


def test_every_knob_has_an_address(desk: Desk) -> None:
    desk.send("articulation", 1.5)
    desk.send("laughter", 0)
    desk.send("smoothing", 40.0)
    desk.send("lookahead", 160)
    desk.send("style", "calm")
    desk.settles(lookahead_ms=160, articulation=1.5, laughter=0.0, smoothing_ms=40.0, style="calm")
    desk.send("style", 0.5, 0.25)
    desk.send("lookahead", 0.0)
    desk.settles(lookahead_ms=0, articulation=1.5, laughter=0.0, smoothing_ms=40.0, style=(0.5, 0.25))
    assert desk.said == []


def test_a_bundle_is_heeded_as_a_whole_or_not_at_all(desk: Desk) -> None:
    good = encode_message("/avatar/voice/laughter", 2.0)
    desk.socket.send(encode_bundle([good, encode_message("/avatar/voice/articulation", 9.0)]))
    wait_until(lambda: len(desk.said) == 1)
    assert desk.voice.knobs == Knobs()
    desk.socket.send(encode_bundle([good, encode_message("/avatar/voice/articulation", 0.5)]))
    desk.settles(laughter=2.0, articulation=0.5)


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("articulation", [3.0], "articulation is 3; it must be 0..2"),
        ("articulation", [float("nan")], "articulation is nan"),
        ("articulation", [], "has 0 arguments; it takes one number"),
        ("articulation", ["loud"], "has the argument 'loud'; it must be a number"),
        ("articulation", [True], "has the argument True; it must be a number"),
        ("lookahead", [50], "lookahead_ms is 50; it must be a multiple of 20"),
        ("lookahead", [40.5], "lookahead_ms is -1; it must be a multiple of 20"),
        ("lookahead", [float("inf")], "lookahead_ms is -1"),
        ("style", ["nobody"], "the style 'nobody' is not one of the model's"),
        ("volume", [1.0], "the address /avatar/voice/volume is none of /avatar/voice/lookahead"),
    ],
)
def test_what_cannot_be_heeded_is_said_once_and_the_next_is_heeded(
    desk: Desk, name: str, arguments: list[object], sentence: str
) -> None:
    for _ in range(3):
        desk.send(name, *arguments)
    desk.send("laughter", 0.5)
    desk.settles(laughter=0.5)
    assert len(desk.said) == 1
    assert desk.said[0].startswith("a control message changes nothing: ")
    assert sentence in desk.said[0]


class Centre:
    def __init__(self) -> None:
        self.wishes: list[str] = []

    def ask(self) -> None:
        self.wishes.append("ask")

    def forget(self) -> None:
        self.wishes.append("forget")


class Face:
    def __init__(self) -> None:
        self.centre = Centre()


def test_the_head_is_centred_with_and_without_a_voice() -> None:
    for voice in (Voice(), None):
        face, said = Face(), []
        with (
            ControlInput(URL, voice, said.append, face) as control,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            sender.connect(("127.0.0.1", control.port))
            for packet in (
                encode_message("/avatar/centre"),
                encode_message("/avatar/centre", 0),  # a button that is let go
                encode_message("/avatar/centre", 1.0),
                encode_message("/avatar/centre/forget", True),
            ):
                sender.send(packet)
            wait_until(lambda face=face: len(face.centre.wishes) == 3)
            assert face.centre.wishes == ["ask", "ask", "forget"]
            # All of a datagram or nothing of it.
            sender.send(
                encode_bundle([encode_message("/avatar/centre"), encode_message("/avatar/voice/laughter", 9.0)])
            )
            sender.send(encode_message("/avatar/centre", 1, 2))
            wait_until(lambda said=said: len(said) == 2)
            assert len(face.centre.wishes) == 3
            assert "/avatar/centre has 2 arguments; it takes none, or one number" in said[1]
            refused = "laughter is 9; it must be 0..2" if voice else "there is no voice whose knobs could be turned"
            assert refused in said[0]


def test_a_head_is_not_centred_without_a_camera(desk: Desk) -> None:
    desk.socket.send(encode_message("/avatar/centre"))
    wait_until(lambda: len(desk.said) == 1)
    assert "there is no camera that sees a head to centre; give --webcam or --video as well" in desk.said[0]


def test_noise_on_the_port_does_not_deafen_it(desk: Desk) -> None:
    for noise in (b"", b"\0", b"#bundle\0", b"/avatar/voice/style", bytes(range(256)), b"x" * 60_000):
        desk.socket.send(noise)
    desk.send("laughter", 0.5)
    desk.settles(laughter=0.5)


def test_the_port_is_free_afterwards_and_a_busy_one_is_one_sentence() -> None:
    with ControlInput(URL, Voice(), print) as control:
        url = f"osc://127.0.0.1:{control.port}"
        with pytest.raises(SinkError, match=f"{url} cannot be opened: another program listens .*choose another port"):
            ControlInput(url, Voice(), print)
    with ControlInput(url, Voice(), print):
        pass


def test_a_port_that_the_network_reaches_is_opened_with_a_warning() -> None:
    said: list[str] = []
    with ControlInput("osc://0.0.0.0:0", Voice(), said.append):
        assert said == ["osc://0.0.0.0:0 obeys everybody on the network; give 127.0.0.1 unless you trust all of them"]


def test_look_ahead_turned_in_the_middle_of_a_run(tiny_voice: Path) -> None:
    voice = VoiceSettings(model=str(tiny_voice), lookahead_ms=0)
    settings = Settings(audio=str(demo_sample()), duration_s=6.5, out=(), control=URL, voice=voice)
    run = assemble(settings, print)
    frames: list[FaceFrame] = []

    def see(frame: FaceFrame) -> None:
        frames.append(frame)
        if lookahead_ms := {60: 160, 210: 40}.get(len(frames)):
            sender.send(encode_message("/avatar/voice/lookahead", lookahead_ms))
            wait_until(lambda: run.voice is not None and run.voice.knobs.lookahead_ms == lookahead_ms)

    run.pipeline.on_frame = see
    with run.control as control, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        assert isinstance(control, ControlInput)
        sender.connect(("127.0.0.1", control.port))
        run.pipeline.run()
    ages_ms = np.array([(frame.publish_ns - frame.capture_ns) / 1e6 for frame in frames])
    # At full speed the encoder is up to 96 hops ahead of the frames, so it heeds a turn up to two seconds later.
    first, second, third = (ages_ms[at : at + 24].mean() for at in (30, 185, 355))
    assert second - first == pytest.approx(160, abs=1)
    assert third - first == pytest.approx(40, abs=1)
    captured = np.array([frame.capture_ns for frame in frames[5:]])
    assert np.diff(captured).min() >= 0


@pytest.mark.parametrize(
    "url", ["9011", "udp://127.0.0.1:9011", "osc://127.0.0.1:99999", "osc://", "osc://a:1?b=c", "osc://[::1:9011"]
)
def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"it must be osc://HOST:PORT, osc://127\.0\.0\.1:9011 for example"):
        ControlInput(url, Voice(), print)


def test_nobody_listens_unless_asked_to() -> None:
    assert not isinstance(assemble(Settings(demo=True, out=()), print).control, ControlInput)
    for audio in (None, "none"):
        with assemble(Settings(demo=True, audio=audio, out=(), control=URL), print).control as control:
            assert isinstance(control, ControlInput)
