"""The virtual camera: what a device is given, looked at; missing and breaking devices; nobody waits for a picture."""

from __future__ import annotations

import dataclasses
import time
from functools import cache

import numpy as np
import pytest
from support.asymmetric import asymmetric_face
from support.stream import sink_context, wait_until
from support.virtual_camera import FakeCamera

pytest.importorskip("moderngl", reason="pictures need moderngl")

from driver.drawing_process import CameraPictures
from driver.errors import SinkError, UsageError
from driver.portrait import PictureSettings, Portrait, colour, picture_size
from driver.sinks.follower import Follower
from driver.sinks.virtual_camera import open_virtual_camera
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES, OPEN_HEAD_ID

SMALL = PictureSettings(width=320, height=240)
GREEN = np.array([0, 0xB1, 0x40])


@cache
def arkit_map():
    return ArkitMap(open_head())


def face(seq=0, publish_ns=0, place=(0.0, 0.0, -0.6), turn=(0.0, 0.0, 0.0), **weights):
    """A frame with these ARKit weights."""
    given = np.array([weights.get(name, 0.0) for name in ARKIT_SHAPES], np.float32)
    expression, jaw, eyelids, gaze = arkit_map().to_motion(given)
    return dataclasses.replace(
        asymmetric_face(seq, publish_ns),
        arkit=given,
        expression=expression,
        jaw=jaw,
        eyelids=eyelids,
        gaze=gaze,
        head_rotation=np.array(turn, np.float32),
        head_translation=np.array(place, np.float32),
    )


@pytest.fixture
def camera(tmp_path, monkeypatch):
    return FakeCamera(tmp_path, monkeypatch)


@pytest.fixture
def portrait():
    return Portrait(open_head(), SMALL)


def covered(picture):
    return np.abs(picture.astype(int) - GREEN).max(axis=2) > 20


def middle(picture):
    """(x, y) of what is not background."""
    rows, columns = np.nonzero(covered(picture))
    return columns.mean(), rows.mean()


def mouth_hole(picture):
    """Pixels of the mouth's inside, which is redder than skin and lips."""
    part = picture[125:185, 130:190].astype(int)
    return int((part[:, :, 0] - part[:, :, 1] > 95).sum())


def test_the_picture_shows_the_face_on_green(portrait):
    picture = portrait.draw(face(), None)
    assert picture.shape == (240, 320, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[0, 0], GREEN)
    assert 0.1 < covered(picture).mean() < 0.5
    x, y = middle(picture)
    assert x == pytest.approx(160, abs=4)
    assert y == pytest.approx(120, abs=15)


def test_the_mouth_opens(portrait):
    holes = [mouth_hole(portrait.draw(face(jawOpen=opening), None)) for opening in (0.0, 0.3, 0.6, 1.0)]
    assert holes == sorted(holes)
    assert holes[0] < 5
    assert holes[1] > 50
    assert holes[3] > 200


def test_left_is_right_in_the_picture_and_the_winking_eye_there(portrait):
    wink, open_eyes = portrait.draw(face(eyeBlinkLeft=1.0), None), portrait.draw(face(), None)
    changed = np.abs(wink.astype(int) - open_eyes).sum(axis=2) > 60
    assert changed.sum() > 20
    assert np.nonzero(changed)[1].min() > 160

    turned = portrait.draw(face(turn=(0.0, 0.8, 0.0)), None)
    # The face looks to the right; what is seen on the left is hair.
    hair = covered(turned) & (turned[:, :, 0] < 150)
    assert np.nonzero(hair[:110])[1].mean() < 145


def test_who_leans_is_seen_to_lean_and_who_sits_elsewhere_is_soon_in_the_middle(portrait):
    assert middle(portrait.draw(face(place=(0.3, 0.0, -0.6)), None))[0] == pytest.approx(160, abs=4)
    leant = middle(portrait.draw(face(publish_ns=30_000_000, place=(0.35, 0.0, -0.6)), None))[0]
    assert leant == pytest.approx(160 + 0.05 * 240 / 0.36, abs=4)
    assert middle(portrait.draw(face(publish_ns=20_000_000_000, place=(0.35, 0.0, -0.6)), None))[0] < 164


def test_the_identity_is_worn(portrait):
    somebody = np.random.default_rng(3).normal(size=100).astype(np.float32)
    mean, other = portrait.draw(face(), None), portrait.draw(face(), somebody)
    assert (covered(mean) != covered(other)).sum() > 200


def test_a_device_is_given_the_newest_faces(camera):
    notices = []
    settings = dataclasses.replace(SMALL, rate_hz=25.0, background="#102030")
    sink = open_virtual_camera("/dev/video7", settings, sink_context(notices))
    try:
        longest_s = 0.0
        for seq in range(100_000):
            before_s = time.perf_counter()
            sink.send(face(seq, publish_ns=seq * 16_000_000, jawOpen=1.0 if sink.shown > 2 else 0.0), b"")
            longest_s = max(longest_s, time.perf_counter() - before_s)
            if sink.shown > 5:
                break
            time.sleep(0.01)
    finally:
        sink.close()
    pictures = camera.wait_for(6)
    assert camera.opened == "320 240 25.0 /dev/video7"
    assert notices == ["the head is to be seen in the camera /dev/video7"]
    np.testing.assert_array_equal(pictures[0][0, 0], [0x10, 0x20, 0x30])
    assert mouth_hole(pictures[0]) < 5
    assert mouth_hole(pictures[-1]) > 200
    assert camera.is_closed


def test_without_a_device_the_run_goes_on_and_says_so_once(camera):
    camera.refuse("'v4l2loopback' backend: No v4l2 loopback device found")
    pictures = CameraPictures("", SMALL, OPEN_HEAD_ID)
    assert not pictures.show(face(), None)
    (sentence,) = pictures.take_sentences()
    assert sentence.startswith("no virtual camera shows the head ('v4l2loopback' backend: No v4l2 loopback")
    assert not pictures.show(face(), None)
    assert pictures.take_sentences() == []


def test_a_device_that_comes_later_or_breaks_is_opened_again(camera, monkeypatch):
    monkeypatch.setattr("driver.drawing_process._RETRY_EVERY_S", 0.0)
    camera.refuse("none yet")
    pictures = CameraPictures("", SMALL, OPEN_HEAD_ID)
    assert not pictures.show(face(), None)
    camera.accept()
    assert pictures.show(face(), None)
    assert pictures.take_sentences()[1:] == ["the head is to be seen in the camera /dev/video9"]
    camera.break_once()
    assert not pictures.show(face(), None)
    (sentence,) = pictures.take_sentences()
    assert "the device is gone" in sentence
    assert pictures.show(face(), None)
    assert pictures.take_sentences() == ["the head is to be seen in the camera /dev/video9"]
    pictures.close()


def test_without_opengl_it_stays_dark_and_says_what_to_install(camera, monkeypatch):
    def fail():
        raise RuntimeError("libEGL.so not found")

    monkeypatch.setattr("models.head.picture.drawing_context", fail)
    pictures = CameraPictures("", SMALL, OPEN_HEAD_ID)
    assert not pictures.show(face(), None)
    assert "install libegl1, libgl1 and libgl1-mesa-dri" in pictures.take_sentences()[-1]
    assert not pictures.show(face(), None)
    assert pictures.take_sentences() == []
    pictures.close()


def test_a_process_that_died_is_told_of_once(camera):
    notices = []
    sink = open_virtual_camera("", SMALL, sink_context(notices))
    sink._process.kill()
    sink._process.join()
    for seq in range(10):
        sink.send(face(seq), b"")
        time.sleep(0.01)
    wait_until(lambda: any("goes on no more: the process that draws has ended" in notice for notice in notices))
    sink.close()
    assert len([notice for notice in notices if "goes on no more" in notice]) == 1


def test_missing_packages_are_a_sentence(monkeypatch):
    monkeypatch.setattr("driver.sinks.virtual_camera._PACKAGES", ("no_such_package",))
    with pytest.raises(SinkError, match=r"needs no_such_package; run pip install 'avatar-driver\[camera\]'"):
        open_virtual_camera("", SMALL, sink_context())


def test_the_follower_keeps_nobody_waiting_and_knows_the_newest_identity():
    seen = []

    def follow(frame, shape):
        seen.append((frame.seq, shape))
        time.sleep(0.2)

    follower = Follower("test", 1000.0, follow, print)
    identity = np.ones(100, np.float32)
    began_s = time.perf_counter()
    for seq in range(50):  # 10 ms, when nobody waits for the one who sleeps
        follower.send(dataclasses.replace(asymmetric_face(seq), shape=identity if seq == 20 else None))
    assert time.perf_counter() - began_s < 1.0
    wait_until(lambda: seen[-1:] and seen[-1][0] == 49)
    follower.close()
    follower.close()
    np.testing.assert_array_equal(seen[-1][1], identity)
    assert follower.dropped == 50 - len(seen)


def test_the_follower_keeps_its_rate():
    seen = []
    follower = Follower("test", 20.0, lambda frame, shape: seen.append(time.perf_counter()), print)
    for seq in range(100):
        follower.send(asymmetric_face(seq))
        time.sleep(0.005)
    follower.close()
    assert len(seen) > 3
    assert np.diff(seen).mean() > 0.045


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"width": 33}, "width is 33"),
        ({"height": 5000}, "height is 5000"),
        ({"rate_hz": 0.0}, "rate_hz is 0"),
        ({"background": "pink"}, "background is 'pink'"),
        ({"background": "#12345"}, "background is '#12345'"),
    ],
)
def test_settings_are_checked(changes, complaint):
    with pytest.raises(UsageError, match=complaint):
        PictureSettings(**changes)


def test_colours_and_sizes_are_read():
    assert colour("#ff0080") == (1.0, 0.0, 128 / 255)
    assert colour("green") == pytest.approx(tuple(GREEN / 255))
    assert picture_size("1280x720") == (1280, 720)
    with pytest.raises(UsageError, match="size is '720p'"):
        picture_size("720p")
