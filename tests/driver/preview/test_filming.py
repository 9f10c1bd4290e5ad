"""Your own face from the page: filmed, learnt from by another process, worn; and what goes wrong in one sentence."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.stream import wait_until

pytest.importorskip("viser", reason="the preview is viser's page")

from driver.personal_face import PersonalFace
from driver.preview.calibrating import Calibrating
from driver.preview.camera_view import WatchedTracker
from driver.preview.filming import Filming
from driver.preview.server import close_server, open_server
from driver.profile import Profile
from driver.profiles import save_profile
from driver.sound_level import SoundLevel
from driver.types import HOP_NS, HOP_SAMPLES, AudioChunk, VideoFrame
from models.head.arkit import ArkitMap
from models.head.flame import open_head

# Takes what `training.personalise` takes; the profile that it "learns" lies ready.
LEARNS = """
import shutil, sys
from pathlib import Path
film, options = Path(sys.argv[1]), sys.argv[2:]
assert film.stat().st_size > 1000 and "--gently" in options and options[options.index("--fov") + 1] == "55"
name, folder = (options[options.index(option) + 1] for option in ("--name", "--profiles"))
shutil.copy(Path(folder) / "ready.toml", Path(folder) / f"{name}.toml")
"""
FAILS = "import sys; print('one'); print('personalise: nobody is seen', file=sys.stderr); sys.exit(1)"
WAITS = "import time; time.sleep(60)"


class Tracker:
    def process(self, item: VideoFrame) -> str:
        return f"made of {item.index}"

    def close(self) -> None:
        pass


class Room:
    """A page's filming with a camera and a microphone, and all that it said."""

    def __init__(self, folder: Path, learn: str, server: Any) -> None:
        self.face, self.camera, self.sound = (
            PersonalFace(ArkitMap(open_head())),
            WatchedTracker(Tracker()),
            SoundLevel(),
        )
        self.pictures = 0
        self.films, self.profiles, self.said = folder / "films", folder / "profiles", list[str]()
        self.filming = Filming(
            server,
            self.camera,
            self.sound,
            self.face,
            ("--fov", "55"),
            self.said.append,
            films=self.films,
            profiles=self.profiles,
            learn=(sys.executable, "-c", learn),
            seconds=0.5,
        )

    def run(self, pictures: int) -> None:
        """So many pictures at 25 Hz, with their sound."""
        for number in range(self.pictures, self.pictures + pictures):
            image = np.full((48, 64, 3), number, np.uint8)
            assert self.camera.process(VideoFrame(image, number * 2 * HOP_NS, number)) == f"made of {number}"
            for hop in (2 * number, 2 * number + 1):
                self.sound.process(AudioChunk(np.zeros(HOP_SAMPLES, np.float32), hop * HOP_SAMPLES, hop * HOP_NS))
            self.filming.show()
            time.sleep(0.002)
        self.pictures += pictures

    def show_until_said(self) -> None:
        def said() -> bool:
            self.filming.show()
            return bool(self.said)

        wait_until(said)


@pytest.fixture
def server() -> Iterator[Any]:
    server = open_server(0)
    yield server
    close_server(server)


def test_a_minute_is_filmed_learnt_from_and_worn(server: Any, tmp_path: Path) -> None:
    room = Room(tmp_path, LEARNS, server)
    profile = Profile(tracker="native", made=datetime.now(UTC), rest={"browInnerUp": 0.2})
    save_profile("ready", profile, room.profiles)
    room.filming._toggle()
    room.run(6)
    assert 0.0 < room.filming.bar.value < 100.0
    assert "frown" in room.filming.task.content
    room.filming.name.value = "../another"  # whoever is filmed was named before
    room.run(14)
    assert room.camera.watch is None
    assert room.sound.watch is None
    room.show_until_said()
    assert "the face wears what was learnt of it" in room.said[0], room.said
    assert room.face.profile is not None
    assert room.face.profile.rest == {"browInnerUp": 0.2}
    assert not list(room.films.iterdir())


def test_what_learning_says_at_last_is_said_and_the_film_stays(server: Any, tmp_path: Path) -> None:
    room = Room(tmp_path, FAILS, server)
    room.filming._toggle()
    room.run(16)
    room.show_until_said()
    (path,) = room.films.iterdir()
    assert room.said == [f"personalise: nobody is seen; the film is {path}, delete it or film again"]
    assert room.face.profile is None
    with av.open(str(path)) as container:
        assert container.streams.audio


def test_filming_can_be_stopped_and_a_bad_name_is_said(server: Any, tmp_path: Path) -> None:
    room = Room(tmp_path, LEARNS, server)
    room.filming._toggle()
    room.run(3)
    room.filming._toggle()
    assert room.said == ["filming was stopped; nothing was kept"]
    assert room.camera.watch is None
    room.filming.name.value = "../me"
    room.filming._toggle()
    assert "../me" in room.said[-1]
    assert room.camera.watch is None
    assert not list(room.films.iterdir())


def test_a_run_that_ends_drops_a_film_and_keeps_one_that_was_made(server: Any, tmp_path: Path) -> None:
    room = Room(tmp_path, WAITS, server)
    room.filming._toggle()
    room.run(3)
    room.filming.leave()  # the last page is closed
    assert room.camera.watch is None
    assert not list(room.films.iterdir())
    room.filming._toggle()
    room.run(20)
    room.filming.leave()
    room.filming._toggle()
    assert "still learning" in room.said[-1]
    room.filming.close()
    (path,) = room.films.iterdir()
    assert room.said[-1] == f"the run ended before it had learnt; the film is {path}"


def test_one_at_a_time_listens_to_the_microphone(server: Any, tmp_path: Path) -> None:
    room = Room(tmp_path, LEARNS, server)
    said = list[str]()
    calibrating = Calibrating(
        server, room.face, room.sound, ArkitMap(open_head()), "native", said.append, tmp_path / "profiles"
    )
    room.filming._toggle()
    calibrating._toggle()
    assert said == ["a film is being made; calibrate when it has ended"]
    room.filming._toggle()
    calibrating._toggle()
    room.filming._toggle()
    assert room.said[-1] == "a calibration is going on; film when it has ended"
    calibrating._toggle()
