"""A film of a run: the pictures and the sound at their times, whole or not at all, and nobody waits for it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import av
import numpy as np
import pytest

from driver import film
from driver.errors import RunError
from driver.film import Film
from driver.types import HOP_NS, HOP_SAMPLES, AudioChunk, VideoFrame

BEGIN_NS = 5_000_000_000
PICTURE_NS = 40_000_000


def picture(number: int) -> VideoFrame:
    """Dark, but for one that flashes; sides that are odd."""
    image = np.full((121, 161, 3), 240 if number == 10 else 20, np.uint8)
    return VideoFrame(image, BEGIN_NS + number * PICTURE_NS, number)


def chunk(number: int) -> AudioChunk:
    """Silence, but for a hop at half strength; hop `number` ends so many hops after the first picture."""
    samples = np.full(HOP_SAMPLES, 0.5 if number == 20 else 0.0, np.float32)
    return AudioChunk(samples, number * HOP_SAMPLES, BEGIN_NS + number * HOP_NS)


def filmed(path: Path, seconds: float = 1.0, pictures: int = 40, with_sound: bool = True) -> Film:
    made = Film(path, seconds, with_sound)
    for number in range(pictures):
        made.see(picture(number))
        for hop in (2 * number, 2 * number + 1):
            made.hear(chunk(hop))
        time.sleep(0.001)
    return made


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no such bits")
def test_films_are_for_their_user_alone(tmp_path: Path) -> None:
    made = Film(tmp_path / "films" / "me.mkv", 1.0, with_sound=False)
    assert (tmp_path / "films").stat().st_mode & 0o077 == 0
    made.forget()


def test_pictures_and_sound_are_at_their_times_and_it_ends_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "films" / "me.mkv"
    made = filmed(path)
    assert made.is_done
    assert made.share == 1.0
    assert not path.exists()
    assert made.end() == path
    assert not list(path.parent.glob("*.part"))
    with av.open(str(path)) as container:
        frames = [(frame.time, float(frame.to_ndarray(format="gray").mean())) for frame in container.decode(video=0)]
    assert len(frames) == 26 - made.lost
    flash_s = [time_s for time_s, light in frames if light > 120.0]
    assert flash_s == [pytest.approx(0.4, abs=0.002)]
    assert frames[-1][0] == pytest.approx(1.0, abs=0.002)
    with av.open(str(path)) as container:
        loud = [
            frame.time + np.flatnonzero(np.abs(frame.to_ndarray().ravel()) > 8000)[0] / 16_000.0
            for frame in container.decode(audio=0)
            if np.abs(frame.to_ndarray()).max() > 8000
        ]
    assert loud[0] == pytest.approx(19 * 0.02, abs=0.002)


def test_a_film_without_sound_has_none(tmp_path: Path) -> None:
    path = filmed(tmp_path / "me.mkv", pictures=30, with_sound=False).end()
    with av.open(str(path)) as container:
        assert not container.streams.audio
        assert container.streams.video[0].width == 160


def test_sound_is_whole_though_the_times_of_its_chunks_tremble(tmp_path: Path) -> None:
    made, rng = Film(tmp_path / "me.mkv", 1.0, True), np.random.default_rng(0)
    for number in range(30):
        made.see(picture(number))
        for hop in (2 * number, 2 * number + 1):
            steady = chunk(hop)
            late_ns = int(rng.integers(-3_000_000, 3_000_000))
            made.hear(
                AudioChunk(np.full(HOP_SAMPLES, 0.5, np.float32), steady.first_sample, steady.capture_ns + late_ns)
            )
        time.sleep(0.002)
    with av.open(str(made.end())) as container:
        heard = sum(frame.samples for frame in container.decode(audio=0))
    assert heard >= 48 * HOP_SAMPLES  # of a second's 50 hops, all but those around the first picture


def test_sound_that_was_lost_or_is_counted_anew_stays_in_its_place(tmp_path: Path) -> None:
    made = Film(tmp_path / "me.mkv", 1.0, True)
    for number in range(30):
        made.see(picture(number))
        for hop in (2 * number, 2 * number + 1):
            if hop < 10:
                made.hear(chunk(hop))
            elif hop >= 18:  # the microphone was opened anew, and counts from 0; hop 20 is the loud one
                made.hear(AudioChunk(chunk(hop).samples, (hop - 18) * HOP_SAMPLES, chunk(hop).capture_ns))
        time.sleep(0.002)
    with av.open(str(made.end())) as container:
        loud_s = [frame.time for frame in container.decode(audio=0) if np.abs(frame.to_ndarray()).max() > 8000]
    assert loud_s[0] == pytest.approx(19 * 0.02, abs=0.021)


@pytest.mark.parametrize(
    ("fault", "says"), [(ValueError("no such size"), "no such size"), (RuntimeError("ours"), "not filmed to its end")]
)
def test_a_writer_that_ends_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, says: str
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(film, "_picture", fail)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    made = filmed(tmp_path / "me.mkv", pictures=60)
    with pytest.raises(RunError, match=says):
        made.end()
    assert not list(tmp_path.iterdir())


def test_times_that_were_told_before_are_left_out(tmp_path: Path) -> None:
    made = Film(tmp_path / "me.mkv", 1.0, True)
    for number in (*range(10), *range(5), *range(10, 30)):
        made.see(picture(number))
        for hop in (2 * number, 2 * number + 1):
            made.hear(chunk(hop))
        time.sleep(0.002)
    with av.open(str(made.end())) as container:
        times_s = [frame.time for frame in container.decode(video=0)]
    assert times_s == sorted(set(times_s))
    assert len(times_s) == 26


def test_nothing_is_left_of_one_that_is_forgotten_or_saw_nothing(tmp_path: Path) -> None:
    filmed(tmp_path / "me.mkv", pictures=5).forget()
    with pytest.raises(RunError, match="gave no picture"):
        Film(tmp_path / "me.mkv", 1.0, True).end()
    assert not list(tmp_path.iterdir())


def test_where_it_cannot_be_written_one_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be filmed"):
        Film(tmp_path / "file" / "me.mkv", 1.0, True)


def test_a_full_disk_ends_it_and_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(film, "_picture", full)
    made = filmed(tmp_path / "me.mkv", seconds=60.0, pictures=200)
    deadline_s = time.monotonic() + 10.0
    while not made.is_done and time.monotonic() < deadline_s:
        time.sleep(0.01)
    with pytest.raises(RunError, match="No space left on device; make room"):
        made.end()
    assert not list(tmp_path.iterdir())
