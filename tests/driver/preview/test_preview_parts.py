"""The page's parts, each by itself: colours of the head, meters, ages, dots on the picture, settings, calibration."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from support.asymmetric import asymmetric_face
from support.stream import wait_until

pytest.importorskip("viser", reason="the preview is viser's page")

from driver.channels import Channel, default_channels
from driver.config import Settings, load_config
from driver.errors import ModelError
from driver.framing import FrameBuilder, FrameSettings
from driver.knobs import Knobs
from driver.personal_face import PersonalFace
from driver.preview.calibrating import Calibrating
from driver.preview.camera_view import WatchedTracker, marked
from driver.preview.channel_settings import ChannelSettings, toml_lines
from driver.preview.coloured_parts import parts_of
from driver.preview.head_view import quaternion
from driver.preview.latency import Ages
from driver.preview.meters import meters_html
from driver.preview.server import close_server, open_server
from driver.preview.voice_knobs import VoiceKnobs
from driver.profiles import load_profile
from driver.types import FaceTrack, Motion, VideoFrame
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES


@pytest.fixture(scope="module")
def arkit():
    return ArkitMap(open_head())


@pytest.fixture
def server():
    server = open_server(0)
    yield server
    close_server(server)


@pytest.fixture
def builder(arkit):
    return FrameBuilder(FrameSettings(), "open-head/1", arkit)


def test_the_parts_are_the_whole_head_and_eyes_are_not_all_white():
    head = open_head()
    parts = parts_of(head)
    triangles = np.concatenate([part.ids[part.faces] for part in parts])
    assert sorted(map(tuple, triangles.tolist())) == sorted(map(tuple, head.f.tolist()))
    brightness = sorted(sum(part.colour) for part in parts if part.name.startswith("eyes"))
    assert brightness[0] < 150
    assert brightness[-1] > 550


def test_meters_show_every_channel_and_its_value():
    html = meters_html(asymmetric_face())
    for name in ARKIT_SHAPES:
        assert f">{name}<" in html

    def row(name):
        return re.search(rf">{name}</span>.*?left:([-\d.]+)%;width:([-\d.]+)%.*?>([-\d.]+)</span>", html).groups()

    assert row("eyeBlinkLeft") == ("0.0", "100.0", "1.00")
    assert row("eyeBlinkRight") == ("0.0", "0.0", "0.00")
    assert row("left lid") == ("0.0", "100.0", "1.00")
    assert row("right yaw") == ("30.0", "20.0", "-12.0")  # of 30 degrees to either side; to the right is negative
    assert row("jaw opens") == ("50.0", "15.0", "8.6")


def test_ages_are_of_the_last_ten_seconds():
    import dataclasses

    ages = Ages()
    for second in range(25):
        now_ns = second * 1_000_000_000
        ages.add(dataclasses.replace(asymmetric_face(second), capture_ns=max(0, now_ns - 5_000_000), publish_ns=now_ns))
    x, y = ages.plotted()
    np.testing.assert_array_equal(x, np.arange(-10, 1))
    np.testing.assert_allclose(y, 5.0)


def test_quaternions():
    np.testing.assert_allclose(quaternion(np.zeros(3, np.float32)), [1, 0, 0, 0])
    np.testing.assert_allclose(quaternion(np.array([0, np.pi / 2, 0])), [np.sqrt(0.5), 0, np.sqrt(0.5), 0], atol=1e-7)


def test_landmarks_are_dots_at_their_place():
    picture = np.zeros((300, 800, 3), np.uint8)
    dotted = marked(picture, np.array([[400.0, 150.0], [0.0, 0.0], [-50.0, 10.0], [2000.0, 2000.0]], np.float32))
    assert dotted.shape == (150, 400, 3)
    assert dotted[75, 200].tolist() == [0, 255, 140]
    assert dotted[0, 0].tolist() == [0, 255, 140]
    assert (dotted.any(axis=2)).sum() == 8
    assert not picture.any(), "the tracker's own picture must stay"
    assert not marked(picture, None).any()


def test_a_watched_tracker_keeps_a_picture_only_when_asked():
    class Tracker:
        def process(self, item):
            return FaceTrack(None, 0.0, (4, 4), item.capture_ns)

        def close(self):
            pass

    watched = WatchedTracker(Tracker())
    frame = VideoFrame(np.zeros((4, 4, 3), np.uint8), 7, 0)
    assert watched.process(frame).capture_ns == 7
    assert watched.take() is None
    watched.is_wanted = True
    watched.process(frame)
    assert watched.take() is not None
    assert watched.take() is None
    watched.process(frame)
    watched.forget()
    assert watched.take() is None


def turn(handle, value):
    """As a person does on the page; callbacks run in viser's own threads."""
    handle.value = value


def test_channels_are_set_and_what_to_write_down_is_said(server, builder, tmp_path):
    settings = ChannelSettings(server, builder)
    turn(settings.choice, "mouthSmileLeft")
    wait_until(lambda: settings.sliders["dead_zone"].value == 0.0)
    turn(settings.sliders["gain"], 1.5)
    turn(settings.sliders["curve"], 0.8)
    wait_until(lambda: builder.channels["mouthSmileLeft"] == Channel(gain=1.5, curve=0.8))
    wait_until(lambda: "curve" in settings.lines.content)
    file = tmp_path / "a.toml"
    file.write_text(re.search("```toml\n(.*)```", settings.lines.content, re.DOTALL)[1], "utf-8")
    assert load_config(file, Settings()).channels == builder.channels

    settings._reset()
    assert builder.channels == default_channels()
    wait_until(lambda: settings.sliders["gain"].value == 1.0)
    assert settings.lines.content == ""


def test_another_channel_s_settings_stay_when_one_is_chosen(server, builder):
    builder.set_channels({**builder.channels, "jawOpen": Channel(gain=2.0), "cheekPuff": Channel(gain=3.0)})
    settings = ChannelSettings(server, builder)
    assert settings.sliders["gain"].value == 2.0
    turn(settings.choice, "cheekPuff")
    wait_until(lambda: settings.sliders["gain"].value == 3.0)
    assert builder.channels["jawOpen"] == Channel(gain=2.0)
    assert builder.channels["cheekPuff"] == Channel(gain=3.0)


def test_toml_lines_tell_only_what_differs():
    assert toml_lines(default_channels()) == ""
    lines = toml_lines({**default_channels(), "jawOpen": Channel(gain=1.2, dead_zone=0.04)})
    assert lines == "[channels.jawOpen]\ngain = 1.2\n"


class Voice:
    """Has all knobs but laughter."""

    def __init__(self):
        self.knobs = Knobs()

    def set_knobs(self, knobs):
        if knobs.laughter != 1.0:
            raise ModelError("tiny.onnx has no such knob")
        self.knobs = knobs


def test_knobs_are_turned_and_those_that_are_missing_go_back(server):
    voice, said = Voice(), []
    knobs = VoiceKnobs(server, voice, said.append)
    turn(knobs.sliders["lookahead_ms"], 160)
    wait_until(lambda: voice.knobs == Knobs(lookahead_ms=160))
    turn(knobs.sliders["laughter"], 0.5)
    wait_until(lambda: said == ["tiny.onnx has no such knob"] and knobs.sliders["laughter"].value == 1.0)
    voice.knobs = Knobs(articulation=1.5)  # by another program
    knobs.show()
    assert knobs.sliders["articulation"].value == 1.5
    assert knobs.sliders["lookahead_ms"].value == 80


def test_a_slider_that_was_moved_just_now_is_not_put_back(server):
    """Its value is there before its callback runs, in another thread; the page may be brought up to date between."""
    voice = Voice()
    knobs = VoiceKnobs(server, voice, print)
    slider = knobs.sliders["articulation"]
    slider._impl.value = 1.5
    knobs.show()
    assert slider.value == 1.5
    for callback in slider._impl.update_cb:
        callback(None)
    assert voice.knobs == Knobs(articulation=1.5)
    knobs.show()
    assert slider.value == 1.5


def test_calibration_from_the_page_saves_and_wears_the_profile(server, arkit, tmp_path):
    said = []
    face = PersonalFace(arkit)
    calibrating = Calibrating(server, face, None, arkit, "mediapipe", said.append, tmp_path)
    turn(calibrating.name, "me")
    calibrating._toggle()
    weights = np.zeros(52, np.float32)
    weights[ARKIT_SHAPES.index("browInnerUp")] = 0.1
    resting = Motion(
        0,
        **dict(zip(("expression", "jaw", "eyelids", "gaze"), arkit.to_motion(weights), strict=True)),
        head_rotation=np.array([0, 0.3, 0], np.float32),
        head_translation=np.array([0.1, 0, -0.6], np.float32),
        confidence=np.ones(4, np.float32),
    )
    for number in range(1000):
        face.process(dataclasses.replace(resting, capture_ns=number * 33_000_000))
        calibrating.show()
        if number == 60:
            assert "Stay like this" in calibrating.task.content
        if face.watch is None:
            break
    assert face.watch is None
    profile = load_profile("me", tmp_path)
    assert profile.rest["browInnerUp"] == pytest.approx(0.1, abs=0.03)
    assert said[-1].startswith(f"saved {tmp_path}")
    (motion,) = face.process(dataclasses.replace(resting, capture_ns=10**12))
    np.testing.assert_allclose(motion.head_rotation, 0, atol=1e-3)


def test_a_calibration_can_be_stopped_and_a_bad_name_is_said(server, arkit, tmp_path):
    said = []
    face = PersonalFace(arkit)
    calibrating = Calibrating(server, face, None, arkit, "mediapipe", said.append, tmp_path)
    calibrating._toggle()
    assert face.watch is not None
    calibrating._toggle()
    assert face.watch is None
    assert said == ["calibration was stopped; nothing was saved"]
    turn(calibrating.name, "../me")
    calibrating._toggle()
    assert face.watch is None
    assert "../me" in said[-1]
    assert not list(tmp_path.iterdir())
