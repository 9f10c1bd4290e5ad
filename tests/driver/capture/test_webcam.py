from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from support.media_files import write_sound
from support.mjpeg import read_stamp, write_stamp
from support.play import Player, wait_for

from driver.capture import cameras
from driver.capture.cameras import DeviceCamera, StreamCamera, is_url, sensor_time_ns, without_password
from driver.capture.webcam import Webcam
from driver.errors import DeviceError
from driver.types import VideoFrame

MS = 1_000_000


# A stream on the network


def test_every_picture_of_a_stream_arrives_in_order_and_soon(mjpeg_server):
    with Player(Webcam(mjpeg_server.url)) as player:
        frames: list[VideoFrame] = player.take(60)
        rate_hz = player.source.rate_hz
    stamps = [read_stamp(frame.image) for frame in frames]
    assert [stamp.index for stamp in stamps] == list(range(stamps[0].index, stamps[0].index + 60))
    assert [frame.index for frame in frames] == list(range(60))
    assert frames[0].image.shape == (480, 640, 3)
    assert frames[0].image.dtype == np.uint8
    assert rate_hz == pytest.approx(30, rel=0.2)
    ages_ms = [(frame.capture_ns - stamp.sent_ns) / 1e6 for frame, stamp in zip(frames, stamps, strict=True)]
    print(f"age p50 {np.percentile(ages_ms, 50):.1f} ms, p99 {np.percentile(ages_ms, 99):.1f} ms")
    assert 0 < np.median(ages_ms) < 100


def test_a_killed_stream_is_survived(mjpeg_server):
    said: list[str] = []
    with Player(Webcam(mjpeg_server.url, notify=said.append)) as player:
        first = player.take(10)
        assert len(first) == 10
        mjpeg_server.kill()
        assert wait_for(lambda: any("cannot be opened" in sentence for sentence in said))
        first += player.take(len(player.outbox))
        mjpeg_server.start()
        again = player.take(10)
        assert len(again) == 10
        assert not player.errors
    assert again[0].index == first[-1].index + 1
    assert again[0].capture_ns > first[-1].capture_ns
    assert read_stamp(again[-1].image).index < 100  # the new server counts from 0
    assert "was lost" in said[0]
    assert "is back" in said[-1]


def test_a_stream_that_hangs_is_given_up_and_found_again(mjpeg_server, monkeypatch):
    monkeypatch.setattr(cameras, "_READ_TIMEOUT_S", 0.5)
    said: list[str] = []
    with Player(Webcam(mjpeg_server.url, notify=said.append)) as player:
        assert player.take(5)
        mjpeg_server.signal(signal.SIGSTOP)
        assert wait_for(lambda: any("no answer in time" in sentence for sentence in said))
        mjpeg_server.signal(signal.SIGCONT)
        assert wait_for(lambda: "is back" in said[-1])
        assert not player.errors


def test_stop_while_a_stream_hangs_returns(mjpeg_server, monkeypatch):
    monkeypatch.setattr(cameras, "_READ_TIMEOUT_S", 0.5)
    said: list[str] = []
    with Player(Webcam(mjpeg_server.url, notify=said.append)) as player:
        assert player.take(5)
        mjpeg_server.signal(signal.SIGSTOP)
    assert player.outbox.closed
    assert said == []


def test_a_stream_that_is_not_there_is_said_once(mjpeg_server):
    mjpeg_server.kill()
    said: list[str] = []
    with Player(Webcam(mjpeg_server.url, notify=said.append)) as player:
        assert player.take(1, within_s=2) == []
        assert not player.errors
    assert len(said) == 1
    assert "Connection refused" in said[0]


def test_without_retry_a_missing_camera_is_the_error():
    with Player(Webcam("http://127.0.0.1:1/x.mjpg", retry=False)) as player:
        assert wait_for(lambda: player.errors)
    assert isinstance(player.errors[0], DeviceError)
    assert player.outbox.closed


def test_a_stream_without_pictures_is_refused(tmp_path):
    path = write_sound(tmp_path / "a.wav", np.zeros((1, 1600), np.float32), 16_000)
    with pytest.raises(DeviceError, match="no moving picture"):
        StreamCamera(f"file://{path}")


def test_passwords_are_not_shown():
    assert without_password("rtsp://me:secret@10.0.0.9/live") == "rtsp://10.0.0.9/live"
    assert without_password("rtsp://me:s@cret@10.0.0.9/live") == "rtsp://10.0.0.9/live"
    assert without_password("http://10.0.0.9/live?from=me@home") == "http://10.0.0.9/live?from=me@home"
    with pytest.raises(DeviceError) as caught:
        StreamCamera("http://me:secret@127.0.0.1:1/x.mjpg")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("http://a", True), ("RTSP://a", True), ("0", False), ("C:\\cam", False), ("Logitech: C920", False)],
)
def test_what_is_a_url(name, expected):
    assert is_url(name) is expected


# A device, with a fake driver


class FakeCapture:
    """OpenCV's VideoCapture as far as it is used."""

    def __init__(self, *, opens: bool = True, pictures: int = 3, stamp_ms: float | None = None) -> None:
        self.opens, self.pictures, self.stamp_ms = opens, pictures, stamp_ms
        self.settings: list[tuple[int, float]] = []
        self.is_released = False

    def isOpened(self) -> bool:
        return self.opens

    def set(self, setting: int, value: float) -> bool:
        self.settings.append((setting, value))
        return False

    def get(self, setting: int) -> float:
        assert setting == cameras.cv2.CAP_PROP_POS_MSEC
        return time.perf_counter_ns() / 1e6 - 20 if self.stamp_ms is None else self.stamp_ms

    def grab(self) -> bool:
        self.pictures -= 1
        return self.pictures >= 0

    def retrieve(self):
        image = np.zeros((480, 640, 3), np.uint8)
        image[..., 0] = 200  # blue comes first in OpenCV
        return True, image

    def release(self) -> None:
        self.is_released = True


@pytest.fixture
def driver(monkeypatch):
    """Puts a fake driver behind camera 0 and gives back how to replace it."""
    monkeypatch.setattr(cameras.sys, "platform", "win32")

    def install(capture: FakeCapture) -> FakeCapture:
        monkeypatch.setattr(cameras.cv2, "VideoCapture", lambda *arguments: capture)
        return capture

    return install


def test_a_device_gives_rgb_at_the_drivers_time(driver):
    capture = driver(FakeCapture())
    camera = DeviceCamera(0, 640, 480, 30)
    image, capture_ns = camera.read()
    assert image[0, 0].tolist() == [0, 0, 200]
    assert 20 * MS <= time.perf_counter_ns() - capture_ns < 500 * MS
    # Without MJPG first, a camera refuses the size; with a longer buffer, pictures are old.
    assert capture.settings[0][0] == cameras.cv2.CAP_PROP_FOURCC
    assert (cameras.cv2.CAP_PROP_BUFFERSIZE, 1) in capture.settings
    camera.close()
    assert capture.is_released


def test_a_device_that_gives_no_picture_is_lost(driver):
    driver(FakeCapture(pictures=0))
    with pytest.raises(DeviceError, match="gives no pictures any more"):
        DeviceCamera(0, 640, 480, 30).read()


def test_a_busy_device_is_one_sentence(driver):
    capture = driver(FakeCapture(opens=False))
    with pytest.raises(DeviceError, match="could not be opened; close the other program"):
        DeviceCamera(0, 640, 480, 30)
    assert capture.is_released


@pytest.mark.skipif(not os.path.isdir("/dev") or os.path.exists("/dev/video77"), reason="needs Linux without camera 77")
def test_a_missing_device_is_one_sentence(monkeypatch):
    monkeypatch.setattr(cameras.sys, "platform", "linux")
    with pytest.raises(DeviceError, match="there is no camera 77"):
        DeviceCamera(77, 640, 480, 30)


@pytest.mark.parametrize(("stamp_ms", "is_believed"), [(9_950.0, True), (0.0, False), (10_050.0, False), (-1.0, False)])
def test_a_drivers_stamp_is_believed_only_if_it_is_our_clock(stamp_ms, is_believed):
    now_ns = 10_000 * MS
    assert sensor_time_ns(stamp_ms, now_ns) == (round(stamp_ms * MS) if is_believed else now_ns)


# The source


class ScriptedCamera:
    """Gives pictures every `period_s`, then is lost."""

    def __init__(self, pictures: int, period_s: float = 0.0) -> None:
        self._pictures, self._period_s = pictures, period_s
        self.is_closed = False

    def read(self):
        time.sleep(self._period_s)
        self._pictures -= 1
        if self._pictures < 0:
            raise DeviceError("the camera was pulled out")
        return np.zeros((2, 2, 3), np.uint8), time.perf_counter_ns()

    def close(self) -> None:
        self.is_closed = True


def test_a_camera_that_is_lost_is_opened_again_and_closed_each_time():
    opened: list[ScriptedCamera] = []
    said: list[str] = []

    def open_camera() -> ScriptedCamera:
        opened.append(ScriptedCamera(3, 0.001))
        return opened[-1]

    with Player(Webcam(0, notify=said.append, open_camera=open_camera)) as player:
        frames = player.take(6)
    assert [frame.index for frame in frames] == list(range(6))
    assert all(camera.is_closed for camera in opened)
    assert said[0].startswith("the camera was pulled out")
    assert said[1] == "the camera 0 is back"


def test_a_slow_camera_is_said_once(monkeypatch):
    monkeypatch.setattr("driver.capture.webcam._SETTLED_S", 0.3)
    said: list[str] = []
    camera = ScriptedCamera(1_000, 0.1)
    with Player(Webcam(0, fps=30, notify=said.append, open_camera=lambda: camera)) as player:
        player.take(8)
    assert len(said) == 1
    assert "instead of 30; more light" in said[0]


def test_a_driver_that_hangs_does_not_hang_stop(monkeypatch):
    monkeypatch.setattr("driver.capture.webcam._LONGEST_STOP_S", 0.2)
    release, said = threading.Event(), []

    class Hanging(ScriptedCamera):
        def read(self):
            release.wait(20)
            raise DeviceError("at last")

    began_s = time.monotonic()
    with Player(Webcam(0, notify=said.append, open_camera=lambda: Hanging(0))):
        pass
    assert time.monotonic() - began_s < 5
    release.set()
    assert "does not answer" in said[0]


def test_the_stamps_of_the_fake_camera_survive():
    image = np.full((480, 640, 3), 90, np.uint8)
    write_stamp(image, 123_456, 987_654_300_000)
    assert (read_stamp(image).index, read_stamp(image).sent_ns) == (123_456, 987_654_300_000)
