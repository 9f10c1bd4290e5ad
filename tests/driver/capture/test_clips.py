"""Real clips and voices, where they are at hand."""

from __future__ import annotations

import av
import pytest
from support.play import play_all

from driver.capture.media import probe
from driver.capture.media_audio import AudioFile
from driver.capture.media_video import VideoFile
from driver.types import AUDIO_RATE_HZ


def counted(path) -> tuple[int, float]:
    """(decoded pictures, time of the last in s), by a plainer way through the file than ours."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        times_s = [frame.time for frame in container.decode(stream)]
        return len(times_s), times_s[-1] - (container.start_time or 0) / av.time_base


def test_every_clip_has_all_its_pictures_and_its_sound(shared_data):
    clips = sorted((shared_data / "video").rglob("*.mp4"))
    assert len(clips) > 10
    one_of_each = {clip.relative_to(shared_data / "video").parts[0]: clip for clip in clips}
    for clip in one_of_each.values():
        frames = play_all(VideoFile(clip, 0, realtime=False))
        count, last_s = counted(clip)
        assert len(frames) == count, clip
        assert frames[-1].capture_ns / 1e9 == pytest.approx(last_s, abs=1e-6), clip
        info = probe(clip)
        if info.has_audio:
            chunks = play_all(AudioFile(clip, 0, realtime=False))
            assert chunks[-1].capture_ns / 1e9 == pytest.approx(info.duration_s, abs=0.15), clip
            assert chunks[-1].first_sample < info.duration_s * AUDIO_RATE_HZ + AUDIO_RATE_HZ / 4


def test_voices_decode(shared_data):
    voices = [path for path in sorted((shared_data / "speech").rglob("*.ogg")) if path.parent.name != "silence"]
    for path in voices[::200]:
        chunks = play_all(AudioFile(path, 0, realtime=False))
        assert abs(chunks[-1].capture_ns / 1e9 - (probe(path).duration_s or 0)) < 0.1, path
        assert max(abs(chunk.samples).max() for chunk in chunks) > 0.01, path
