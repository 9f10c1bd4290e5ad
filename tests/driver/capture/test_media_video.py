from __future__ import annotations

import time
from itertools import pairwise

import cv2
import numpy as np
import pytest
from support.media_files import gray_level, rotate_mp4, write_sound, write_video
from support.play import Player, play_all

from driver.capture.media import is_picture, probe
from driver.capture.media_image import ImageFile
from driver.capture.media_video import VideoFile
from driver.errors import MediaError

MS = 1_000_000
EPOCH_NS = 7_000_000_000


def levels(frames) -> list[float]:
    return [float(frame.image[-10:, -10:].mean()) for frame in frames]


def test_every_picture_at_its_own_time(tmp_path):
    times_ms = [0, 33, 67, 100, 180, 181, 400]  # a variable frame rate
    frames = play_all(VideoFile(write_video(tmp_path / "a.mp4", times_ms), EPOCH_NS, realtime=False))
    assert [frame.capture_ns for frame in frames] == [EPOCH_NS + at_ms * MS for at_ms in times_ms]
    assert [frame.index for frame in frames] == list(range(len(times_ms)))
    assert levels(frames) == pytest.approx([gray_level(i) for i in range(len(times_ms))], abs=6)
    assert frames[0].image.shape == (48, 64, 3)
    assert frames[0].image.dtype == np.uint8


def test_colours_are_red_green_blue(tmp_path):
    path = write_video(tmp_path / "a.mp4", [0], marked_corner=True)
    red, green, blue = play_all(VideoFile(path, 0, realtime=False))[0].image[:16, :16].mean((0, 1))
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_phone_videos_are_turned_upright(tmp_path, degrees, corner):
    path = write_video(tmp_path / "a.mp4", [0, 40], marked_corner=True)
    rotate_mp4(path, degrees)
    image = play_all(VideoFile(path, 0, realtime=False))[0].image
    assert image.shape == ((48, 64, 3) if degrees % 180 == 0 else (64, 48, 3))
    assert image.flags.c_contiguous
    y, x = (3 if position == 0 else -3 for position in corner)
    assert image[y, x, 0] > 200
    assert image[y, x, 1] < 60


def test_real_time_is_paced_and_has_the_same_numbers(tmp_path):
    path = write_video(tmp_path / "a.mp4", [0, 100, 200, 300])
    at_once = play_all(VideoFile(path, 0, realtime=False))
    epoch_ns = time.perf_counter_ns() + 20 * MS
    with Player(VideoFile(path, epoch_ns, realtime=True)) as player:
        for reference in at_once:
            (frame,) = player.take(1)
            assert frame.capture_ns - epoch_ns == reference.capture_ns
            assert time.perf_counter_ns() >= frame.capture_ns
            np.testing.assert_array_equal(frame.image, reference.image)


def test_a_loop_goes_on_in_time_and_numbers(tmp_path):
    silence = np.zeros((1, 6_400), np.float32)  # 0.4 s of sound make the file as long
    path = write_video(tmp_path / "a.mkv", list(range(0, 400, 40)), sound=silence)
    with Player(VideoFile(path, 0, realtime=False, loop=True), 4, "wait") as player:
        frames = player.take(25)
    assert [frame.index for frame in frames] == list(range(25))
    assert [frame.capture_ns for frame in frames] == [index * 40 * MS for index in range(25)]
    assert levels(frames[10:20]) == levels(frames[:10])


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 100, bytes(range(256)) * 50])
def test_what_is_no_media_file_is_one_sentence(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"a\.mp4 .*"):
        VideoFile(path, 0, realtime=False)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(MediaError, match="does not exist"):
        VideoFile(tmp_path / "none.mp4", 0, realtime=False)
    with pytest.raises(MediaError, match="is not a file"):
        VideoFile(tmp_path, 0, realtime=False)


def test_a_sound_file_has_no_moving_picture(tmp_path):
    path = write_sound(tmp_path / "a.wav", np.zeros((1, 1600), np.float32), 16_000)
    with pytest.raises(MediaError, match="no moving picture"):
        VideoFile(path, 0, realtime=False)
    assert probe(path).has_audio
    assert not probe(path).has_video


def test_a_truncated_file_plays_as_far_as_it_goes(tmp_path):
    path = write_video(tmp_path / "a.mkv", list(range(0, 4000, 40)), size=(320, 240))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = play_all(VideoFile(path, 0, realtime=False))
    assert 10 < len(frames) < 100


def test_damage_is_skipped_and_said(tmp_path):
    path = write_video(tmp_path / "a.mkv", list(range(0, 4000, 40)), size=(320, 240))
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(0)
    for position in random.integers(len(data) // 4, len(data) * 3 // 4, 3_000):
        data[position] ^= 0xFF
    path.write_bytes(data)
    said: list[str] = []
    frames = play_all(VideoFile(path, 0, realtime=False, notify=said.append))
    assert len(frames) > 20
    assert [sentence for sentence in said if "damaged video packets were skipped" in sentence] == said != []
    assert all(b.capture_ns > a.capture_ns for a, b in pairwise(frames))


def test_names_that_look_like_protocols_are_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", [0, 40]).rename(tmp_path / "http:cat.mp4")
    assert len(play_all(VideoFile("http:cat.mp4", 0, realtime=False))) == 2


def test_a_picture_stands_still_for_its_time(tmp_path):
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 2] = 255  # OpenCV writes blue, green, red
    assert cv2.imwrite(str(tmp_path / "a.png"), image)
    frames = play_all(ImageFile(tmp_path / "a.png", EPOCH_NS, realtime=False, rate_hz=25, duration_s=1))
    assert len(frames) == 25
    assert [frame.capture_ns for frame in frames] == [EPOCH_NS + index * 40 * MS for index in range(25)]
    assert frames[0].image.tolist() == np.full((20, 30, 3), (255, 0, 0)).tolist()
    assert is_picture("a.PNG")
    assert not is_picture("a.mp4")
    assert probe(tmp_path / "a.png").duration_s is None


def test_what_is_no_picture_is_one_sentence(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "b.png").write_bytes(b"")
    for name in ("a.png", "b.png"):
        with pytest.raises(MediaError, match="cannot be read as a picture"):
            ImageFile(tmp_path / name, 0, realtime=False)
