"""The command: a recording becomes a profile that a run wears, and what cannot teach is one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support.acting import ARKIT
from support.media_files import write_video
from support.misread import misread_person

from driver import profiles
from driver.assemble import demo_sample
from driver.errors import MediaError
from driver.face_adapter import FaceAdapter
from driver.learnt import SpokenWay, file_sha256
from driver.profile import HeadRest, Profile, SoundLevels
from driver.profiles import load_profile, save_profile
from driver.runtime import Array, OnnxModel
from driver.types import Motion, VideoFrame
from driver.weights import find_audio_model, find_native_face
from models.head.face_boxes import DETECTOR_PX, GRID
from training.personalise import __main__ as command
from training.personalise import recording
from training.personalise.__main__ import main
from training.personalise.learning import VoiceFile, learn_voice, profile_of
from training.personalise.recording import watch

NOW = datetime(2026, 1, 31, tzinfo=UTC)
SUM = "0a" * 32
PERIOD_NS = 40_000_000


class StubFace:
    """Tells the same face in every picture that is not black."""

    points_px = None

    def process(self, item: VideoFrame) -> list[Motion]:
        is_there = bool(item.image.any())
        self.points_px = np.zeros((140, 2), np.float32) if is_there else None
        sure = np.full(4, float(is_there), np.float32)
        return [Motion(item.capture_ns, shape=np.zeros(100, np.float32), confidence=sure)]


def crowd(*lefts: float):
    """A detector that finds faces a fifth of the picture wide, at these places, in its first look alone."""

    def detector(*, picture: Array) -> dict[str, Array]:
        score = np.zeros((1, GRID * GRID), np.float32)
        boxes = np.zeros((1, GRID * GRID, 4), np.float32)
        is_first = bool(picture[0, :, DETECTOR_PX // 2 + 10 :].any())
        for number, left in enumerate(lefts if is_first else ()):
            score[0, number], boxes[0, number] = 0.9, (left, 0.2, left + 0.2, 0.4)
        return {"score": score, "boxes": boxes, "points": np.zeros((1, GRID * GRID, 5, 2), np.float32)}

    return detector


def film(seconds: float, level: int = 90, dark_s: float = 0.0):
    for index in range(round(seconds * 1e9 / PERIOD_NS)):
        is_dark = index * PERIOD_NS < dark_s * 1e9
        yield VideoFrame(np.full((48, 64, 3), 0 if is_dark else level, np.uint8), index * PERIOD_NS + 1, index)


def test_a_recording_of_one_person_is_watched_to_its_end() -> None:
    told: list[float] = []
    seen = watch(film(16.0), StubFace(), crowd(0.3), "me.mp4", told.append)
    assert len(seen.motions) == 400
    assert seen.is_seen.all()
    assert seen.seen_s == pytest.approx(16.0, abs=0.05)
    assert told[-1] == pytest.approx(15.96, abs=0.01)


@pytest.mark.parametrize(
    ("frames", "detector", "says"),
    [
        (film(16.0, level=0), crowd(), "me.mp4 shows no face well enough; face the camera"),
        (film(12.0), crowd(0.3), "me.mp4 shows the face well for 12.0 s; it must be 15 s at least"),
        (film(30.0, dark_s=20.0), crowd(0.3), "me.mp4 shows the face well for 10.0 s"),
        (film(16.0), crowd(0.1, 0.6), "me.mp4 shows more than one face in 16 of 16 pictures"),
        (iter(()), crowd(), "me.mp4 has no pictures"),
    ],
)
def test_what_cannot_teach_is_one_sentence(frames, detector, says: str) -> None:
    with pytest.raises(MediaError) as caught:
        watch(frames, StubFace(), detector, "me.mp4")
    assert says in str(caught.value)


def test_a_face_that_is_found_twice_is_one_person() -> None:
    assert watch(film(16.0), StubFace(), crowd(0.3, 0.34), "me.mp4").is_seen.all()


def test_it_needs_nothing_but_the_driver_s_own_packages() -> None:
    program = "import sys; sys.modules.update(torch=None, ai_edge_litert=None, scipy=None, soundfile=None)\n"
    done = subprocess.run([sys.executable, "-c", f"{program}import training.personalise.__main__"], check=False)
    assert done.returncode == 0


def test_a_silent_recording_teaches_the_face_only() -> None:
    voice = VoiceFile(OnnxModel(find_audio_model(""), "cpu"), SUM)
    for silence in (np.zeros(0, np.float32), np.zeros(32_000, np.float32)):
        way, said = learn_voice(misread_person(2.0), silence, voice)
        assert way is None
        assert said == ["voice: the recording is silent, so only the face was learnt"]


def test_what_a_calibration_knew_of_head_and_microphone_stays() -> None:
    seen, adapter = misread_person(16.0), FaceAdapter(SUM, (0.0,) * 100, {})
    made = profile_of(seen, adapter, SpokenWay(SUM), ARKIT, NOW, None)
    assert made.head is not None
    assert made.head.translation_m == pytest.approx((0.0, 0.0, -0.6))
    assert (made.tracker, made.reach, made.sound, made.face) == ("native", {}, None, adapter)
    before = Profile("native", NOW, {"jawOpen": 0.2}, {"jawOpen": 0.6}, HeadRest((0.1, 0, 0), (0, 0, -0.7)))
    before = replace(before, sound=SoundLevels(-60.0, -30.0))
    after = profile_of(seen, adapter, None, ARKIT, NOW, before)
    assert (after.head, after.sound, after.reach) == (before.head, before.sound, {})
    assert after.rest.get("jawOpen", 0.0) <= 0.1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "profiles"
    monkeypatch.setattr(profiles, "profiles_folder", lambda: place)
    return place


def test_the_sample_becomes_a_profile(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(recording, "SHORTEST_S", 5.0)
    save_profile("anna", Profile("native", NOW))
    assert main([str(demo_sample()), "--name", "anna", "--voice-model", "envelope"]) == 0
    said = capsys.readouterr().out
    assert "lips' opening: " in said
    assert "voice: this model has no styles; left as it was" in said
    assert f"saved {folder / 'anna.toml'}" in said
    assert "the profile before is kept as " in said
    profile = load_profile("anna")
    assert profile.face is not None
    assert profile.face.weights == file_sha256(find_native_face()[0])
    assert (folder / "anna.toml").stat().st_size < 2_000_000


def test_a_full_disk_is_one_sentence_and_the_profile_before_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    save_profile("anna", Profile("native", NOW, {"jawOpen": 0.1}))
    monkeypatch.setattr(command, "watch_file", lambda *given: misread_person(16.0))
    monkeypatch.setattr(command, "hear_file", lambda path: np.zeros(0, np.float32))

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert main([str(demo_sample()), "--name", "anna"]) == 1
    said = capsys.readouterr()
    assert "the profile 'anna' was not saved" in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert "saved" not in said.out
    assert load_profile("anna") == Profile("native", NOW, {"jawOpen": 0.1})


@pytest.mark.parametrize(
    ("name", "content", "arguments", "code", "says"),
    [
        ("me.mp4", b"no film at all", (), 1, "cannot be read as video or sound"),
        ("me.adrec", b"", (), 1, "me.adrec holds what was sent, not pictures; give a video file of yourself"),
        ("me.mp4", None, (), 1, "does not exist; check the path"),
        ("me.mp4", b"", ("--name", "A B"), 2, "'A B' cannot name a profile"),
        ("me.mp4", b"", ("--face-model", "none.onnx"), 1, "the model file none.onnx does not exist"),
    ],
)
def test_mistakes_are_one_sentence(
    folder: Path,
    tmp_path: Path,
    name: str,
    content: bytes | None,
    arguments: tuple[str, ...],
    code: int,
    says: str,
    capsys,
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert main([str(path), *arguments]) == code
    said = capsys.readouterr().err
    assert says in said
    assert len(said.strip().splitlines()) == 1
    assert not folder.exists()


def test_a_film_of_a_wall_is_one_sentence(folder: Path, tmp_path: Path, capsys) -> None:
    wall = write_video(tmp_path / "wall.mp4", range(0, 1000, 100))
    assert main([str(wall)]) == 1
    assert "wall.mp4 shows no face well enough" in capsys.readouterr().err
    assert not folder.exists()
