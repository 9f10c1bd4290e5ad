"""Levels are right for any chunks, and a known microphone is brought to the level that the voice knows."""

import numpy as np
import pytest

from driver.profile import SoundLevels
from driver.sound_level import LevelMeter, SoundLevel, gain_db, noise_dbfs, speech_dbfs
from driver.types import AudioChunk


def sine(dbfs: float, seconds: float) -> np.ndarray:
    """Of this level, 200 Hz: whole periods in each hop."""
    at_s = np.arange(round(seconds * 16_000)) / 16_000
    return (10 ** (dbfs / 20) * np.sqrt(2) * np.sin(2 * np.pi * 200 * at_s)).astype(np.float32)


def chunks(sound: np.ndarray, length: int, first: int = 0, epoch_ns: int = 0) -> list[AudioChunk]:
    return [
        AudioChunk(sound[at : at + length], first + at, epoch_ns + (first + min(at + length, len(sound))) * 62_500)
        for at in range(0, len(sound), length)
    ]


def test_the_level_and_time_of_every_hop_for_any_chunks() -> None:
    sound = np.concatenate([sine(-30, 0.1), np.zeros(1600, np.float32), sine(-3.0103, 0.1)])
    expected = [(20_000_000 * (hop + 1), level) for hop, level in enumerate([-30.0] * 5 + [-120.0] * 5 + [-3.01] * 5)]
    for length in (1, 77, 320, 500, 4800):
        meter = LevelMeter()
        told = [one for chunk in chunks(sound, length) for one in meter.add(chunk)]
        assert [end_ns for end_ns, _ in told] == [end_ns for end_ns, _ in expected]
        assert [level for _, level in told] == pytest.approx([level for _, level in expected], abs=0.01)


def test_a_gap_begins_a_new_hop() -> None:
    meter = LevelMeter()
    meter.add(chunks(sine(-6, 0.01), 160)[0])
    assert meter.add(chunks(sine(-20, 0.02), 320, first=1000)[0]) == [(1320 * 62_500, pytest.approx(-20, abs=0.01))]


def test_a_cough_is_not_the_room_and_a_pause_is_not_speech() -> None:
    assert noise_dbfs([-60.0] * 100 + [-10.0] * 20) == -60.0
    assert speech_dbfs([-20.0] * 50 + [-70.0] * 150) == pytest.approx(-20.0)


@pytest.mark.parametrize(
    ("levels", "gain"),
    [
        (SoundLevels(-70, -28), 0),
        (SoundLevels(-70, -40), 12),
        (SoundLevels(-45, -34), 0),  # louder would make a noise of the room
        (SoundLevels(-53, -40), 3),
        (SoundLevels(-100, -80), 24),
        (SoundLevels(-50, -10), -18),
    ],
)
def test_speech_is_brought_to_the_known_level_but_noise_is_not(levels: SoundLevels, gain: float) -> None:
    assert gain_db(levels) == gain
    made = SoundLevel(levels).process(AudioChunk(sine(-40, 0.02), 0, 0))
    assert LevelMeter().add(made)[0][1] == pytest.approx(-40 + gain, abs=0.01)


def test_without_levels_the_very_chunk_goes_on_and_a_watcher_sees_it_unchanged() -> None:
    chunk, seen = AudioChunk(sine(-6, 0.02), 0, 0), []
    stage = SoundLevel()
    assert stage.process(chunk) is chunk
    loud = SoundLevel(SoundLevels(-90, -50))
    loud.watch = seen.append
    assert np.abs(loud.process(chunk).samples).max() == 1.0
    assert seen == [chunk]
