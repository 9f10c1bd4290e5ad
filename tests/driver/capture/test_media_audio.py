from __future__ import annotations

import time
import wave

import numpy as np
import pytest
from support.media_files import write_sound, write_video
from support.play import Player, play_all

from driver.capture.media_audio import AudioFile
from driver.capture.media_video import VideoFile
from driver.errors import MediaError
from driver.types import AUDIO_RATE_HZ, HOP_NS, HOP_SAMPLES

MS = 1_000_000
EPOCH_NS = 7_000_000_000


def tone(seconds: float, rate_hz: int, frequency_hz: float = 440.0) -> np.ndarray:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def samples_of(chunks) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in chunks])


@pytest.mark.parametrize(
    ("name", "codec", "tolerance"),
    [
        ("a.wav", "pcm_s16le", 1e-4),
        ("a.wav", "pcm_s24le", 1e-4),
        ("a.wav", "pcm_f32le", 1e-4),
        ("a.wav", "pcm_u8", 1e-2),
        ("a.flac", "flac", 1e-4),
        ("a.mka", "libopus", 0.1),
    ],
)
def test_any_codec_gives_the_same_sound(tmp_path, name, codec, tolerance):
    path = write_sound(tmp_path / name, tone(1.0, 48_000)[None], 48_000, codec)
    sound = samples_of(play_all(AudioFile(path, 0, realtime=False)))
    np.testing.assert_allclose(sound[800:-800], tone(1.0, AUDIO_RATE_HZ)[800 : len(sound) - 800], atol=tolerance)


def test_hops_count_from_the_epoch_and_the_last_is_filled_up(tmp_path):
    path = write_sound(tmp_path / "a.wav", tone(0.99, 16_000)[None], 16_000)
    chunks = play_all(AudioFile(path, EPOCH_NS, realtime=False))
    assert [chunk.first_sample for chunk in chunks] == list(range(0, 16_000, HOP_SAMPLES))
    assert [chunk.capture_ns for chunk in chunks] == [EPOCH_NS + (number + 1) * HOP_NS for number in range(50)]
    assert not chunks[-1].samples[160:].any()


def test_one_live_channel_of_two_is_found(tmp_path):
    right = np.stack([np.zeros(16_000, np.float32), tone(1.0, 16_000)])
    path = write_sound(tmp_path / "a.wav", right, 16_000)
    np.testing.assert_allclose(samples_of(play_all(AudioFile(path, 0, realtime=False))), right[1], atol=1e-4)


def test_sound_that_begins_later_than_the_pictures_keeps_its_place(tmp_path):
    path = write_video(tmp_path / "a.mkv", list(range(0, 1000, 40)), sound=tone(0.5, 16_000)[None], sound_begins_ms=200)
    chunks = play_all(AudioFile(path, EPOCH_NS, realtime=False))
    assert chunks[0].first_sample == 3_200
    assert chunks[0].capture_ns == EPOCH_NS + 200 * MS + HOP_NS
    np.testing.assert_allclose(samples_of(chunks), tone(0.5, 16_000), atol=1e-4)


def test_loops_of_sound_and_pictures_stay_together(tmp_path):
    sound = tone(0.35, 16_000)  # shorter than the pictures' 0.4 s: silence fills the round
    path = write_video(tmp_path / "a.mkv", [*range(0, 400, 40), 399], sound=sound[None])
    with Player(AudioFile(path, 0, realtime=False, loop=True), 4, "wait") as player:
        chunks = player.take(50)
    with Player(VideoFile(path, 0, realtime=False, loop=True), 4, "wait") as player:
        frames = player.take(25)
    assert [chunk.first_sample for chunk in chunks] == [number * HOP_SAMPLES for number in range(50)]
    period = frames[11].capture_ns * AUDIO_RATE_HZ // 10**9
    assert period == 6_400
    heard = samples_of(chunks)
    for begin in (0, period):
        np.testing.assert_allclose(heard[begin : begin + len(sound)], sound, atol=1e-4)
        assert not heard[begin + len(sound) : begin + period].any()


def test_real_time_is_paced_and_has_the_same_numbers(tmp_path):
    path = write_sound(tmp_path / "a.wav", tone(0.3, 22_050)[None], 22_050)
    at_once = play_all(AudioFile(path, 0, realtime=False))
    epoch_ns = time.perf_counter_ns() + 20 * MS
    with Player(AudioFile(path, epoch_ns, realtime=True)) as player:
        for reference in at_once:
            (chunk,) = player.take(1)
            assert time.perf_counter_ns() >= chunk.capture_ns
            assert (chunk.capture_ns - epoch_ns, chunk.first_sample) == (reference.capture_ns, reference.first_sample)
            np.testing.assert_array_equal(chunk.samples, reference.samples)


def test_a_silent_film_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", [0, 40])
    with pytest.raises(MediaError, match="has no sound"):
        AudioFile(path, 0, realtime=False)


def test_a_file_of_no_length_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as empty:
        empty.setparams((1, 2, 16_000, 0, "NONE", ""))
    with pytest.raises(MediaError, match="no sound that can be decoded"):
        play_all(AudioFile(path, 0, realtime=False))
