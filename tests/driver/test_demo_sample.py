"""The embedded sample is what its README says: ten seconds of a face that talks, blinks, turns and can be tracked."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from support.voice import hop_loudness_db, sample_voice

from driver.demo import sample_path
from driver.errors import AvatarDriverError
from driver.face_model import find_face_model
from driver.track import FaceTracker
from driver.types import VideoFrame


def test_format() -> None:
    assert sample_path().stat().st_size < 2_500_000
    with av.open(str(sample_path())) as clip:
        video, audio = clip.streams.video[0], clip.streams.audio[0]
        assert (video.width, video.height, video.average_rate, video.pix_fmt) == (640, 480, Fraction(30), "yuv420p")
        assert (video.codec_context.name, audio.codec_context.name, audio.rate) == ("h264", "aac", 16_000)
        frames = list(clip.decode(video=0))
    assert len(frames) == 300
    first, talking, last = (frames[index].to_ndarray(format="rgb24").astype(int) for index in (0, 24, -1))
    # It loops: the last picture is nearly the first.
    assert np.abs(first - last).mean() < 3 < np.abs(first - talking).mean()


def test_it_carries_a_voice() -> None:
    loudness_db = hop_loudness_db(sample_voice())
    assert len(loudness_db) >= 500
    assert np.percentile(loudness_db, 90) > -30
    assert np.percentile(loudness_db, 5) < -40


def test_the_face_is_tracked_and_moves_like_one() -> None:
    try:
        tracker = FaceTracker(find_face_model())
    except AvatarDriverError as error:
        pytest.skip(str(error))
    lips, lids, turns = [], [], []
    with av.open(str(sample_path())) as clip:
        for index, frame in enumerate(clip.decode(video=0)):
            image = frame.to_ndarray(format="rgb24")
            landmarks = tracker.process(VideoFrame(image, index * 33_333_333, index)).landmarks
            if landmarks is None:
                continue
            width = np.linalg.norm(landmarks[33] - landmarks[263])
            lips.append(np.linalg.norm(landmarks[13] - landmarks[14]) / width)
            lids.append(np.linalg.norm(landmarks[159] - landmarks[145]) / width)
            turns.append((landmarks[1, 0] - landmarks[[33, 263], 0].mean()) / width)
    assert len(lips) >= 0.95 * 300
    assert min(lips) < 0.02 < 0.15 < max(lips)
    shut = np.array(lids) < 0.6 * np.median(lids)
    assert np.count_nonzero(shut[1:] & ~shut[:-1]) == 5
    assert max(turns) - min(turns) > 0.04
