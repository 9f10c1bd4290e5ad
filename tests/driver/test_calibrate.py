"""`avatar-driver calibrate` and `--profile`, from a video file to the frames of a run."""

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support.acting import ARKIT, Actor
from support.media_files import write_video

from driver import profiles
from driver.assemble import demo_sample
from driver.calibrate import Guide
from driver.calibration import Calibration
from driver.cli import main
from driver.config import Settings
from driver.errors import RunError, UsageError
from driver.face_adapter import FaceAdapter
from driver.learnt import SpokenWay, file_sha256
from driver.profile import Profile
from driver.profiles import load_profile, save_profile
from driver.recording import read_recording
from driver.weights import find_native_face
from protocol.frame import ARKIT_SHAPES, FaceFrame

NOW = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's profiles, for this test alone."""
    place = tmp_path / "profiles"
    monkeypatch.setattr(profiles, "profiles_folder", lambda: place)
    return place


def test_a_video_file_is_calibrated_and_saved_and_the_one_before_is_kept(folder: Path, capsys) -> None:
    learnt = FaceAdapter(file_sha256(find_native_face()[0]), (0.1,) * 100, {})
    before = Profile("native", NOW, {"jawOpen": 0.2}, face=learnt, voice=SpokenWay("0a" * 32, 1.25))
    save_profile("anna", before, folder)
    # Nobody in it does what is asked; it must still come to its end, and say what did not move.
    arguments = ["calibrate", "--video", str(demo_sample()), "--loop", "--name", "anna", "--voice-model", "envelope"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert f"saved {folder / 'anna.toml'}; use it with --profile anna" in said.out
    assert "the profile before is kept as " in said.out
    assert [line for line in said.err.splitlines() if line.startswith(("1/8  Sit", "8/8  Say"))]
    assert "avatar-driver: browInnerUp hardly moved" in said.err
    profile = load_profile("anna", folder)
    assert profile.tracker == "native"
    assert profile.head is not None
    assert 0.2 < -profile.head.translation_m[2] < 2.0
    assert (datetime.now(UTC) - profile.made).total_seconds() < 120
    assert (profile.face, profile.voice) == (learnt, before.voice)  # a calibration does not know them better
    assert len(list((folder / "replaced").iterdir())) == 1


def test_a_face_of_another_network_is_not_calibrated_over(folder: Path, capsys) -> None:
    save_profile("anna", Profile("native", NOW, face=FaceAdapter("0a" * 32, (0.1,) * 100, {})), folder)
    assert main(["calibrate", "--video", str(demo_sample()), "--name", "anna"]) == UsageError.exit_code
    assert "the profile 'anna' was learnt with a face model whose SHA-256 begins with 0a0a" in capsys.readouterr().err
    assert not (folder / "replaced").exists()


def test_nothing_is_shown_elsewhere_meanwhile(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the file asks for in every run: no output, no second guide on a page, no picture for a video call."""
    asked: list[Settings] = []

    def assembled(settings: Settings, notify: object) -> None:
        asked.append(settings)
        raise RunError("that is enough")

    config = tmp_path / "settings.toml"
    config.write_text('out = ["vmc://"]\nrecord = "x.adrec"\npreview = 5575\nvirtual_camera = ""\n', "utf-8")
    monkeypatch.setattr("driver.calibrate.assemble", assembled)
    assert main(["calibrate", "--webcam", "--config", str(config)]) == 1
    (one,) = asked
    assert (one.webcam, one.out, one.record, one.preview, one.virtual_camera) == ("0", (), None, None, None)


def test_pictures_that_end_before_the_steps_do_save_nothing(folder: Path, tmp_path: Path, capsys) -> None:
    nobody = write_video(tmp_path / "nobody.mp4", range(0, 1000, 40))
    assert main(["calibrate", "--video", str(nobody)]) == 1
    assert "the pictures ended at the step 'find'; nothing was saved" in capsys.readouterr().err
    assert not folder.exists()


def test_a_profile_changes_what_is_sent_and_its_head_looks_straight_ahead(folder: Path, tmp_path: Path) -> None:
    def frames(name: str, *options: str) -> list[FaceFrame]:
        target = tmp_path / name
        common = ["--video", str(demo_sample()), "--audio", "none", "--duration", "1.5", "--quiet"]
        assert main([*common, "--out", "udp://127.0.0.1:9", "--record", str(target), *options]) == 0
        return [item for _, item in read_recording(target, print) if isinstance(item, FaceFrame)]

    plain = frames("plain.adrec")
    last = plain[-1]
    text = "version = 1\ntracker = 'native'\nmade = 2026-01-31T00:00:00Z\n[rest]\nmouthSmileLeft = 0.3\n[head]\n"
    text += f"rotation_rad = {last.head_rotation.tolist()}\ntranslation_m = {last.head_translation.tolist()}\n"
    folder.mkdir()
    (folder / "anna.toml").write_text(text, "utf-8")
    worn = frames("worn.adrec", "--profile", "anna")
    left, right = (ARKIT_SHAPES.index(f"mouthSmile{side}") for side in ("Left", "Right"))
    assert plain[-1].arkit[left] > 0.4
    assert worn[-1].arkit[left] < plain[-1].arkit[left] - 0.1
    assert worn[-1].arkit[right] == pytest.approx(plain[-1].arkit[right], abs=0.02)
    assert np.abs(worn[-1].head_rotation).max() < 0.02 < np.abs(plain[-1].head_rotation).max()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--demo", "--profile", "nobody"], 2, "there is no profile 'nobody' (there are: anna); make it with"),
        (["--demo", "--profile", "../x"], 2, "'../x' cannot name a profile"),
        (["--demo", "--profile", "anna"], 2, "but this run has --tracker native; give --tracker mediapipe, or"),
        (["calibrate", "--video", "x.mp4", "--name", "A B"], 2, "'A B' cannot name a profile"),
        (["calibrate"], 2, "nothing to do: give --webcam"),
        (["calibrate", "--audio", str(demo_sample())], 2, "calibrate needs a face to look at; give --webcam"),
        (["calibrate", "--nonsense"], 2, "see `avatar-driver calibrate --help`"),
        (["profiles", "anna"], 2, "see `avatar-driver profiles --help`"),
    ],
)
def test_mistakes_are_one_sentence(folder: Path, arguments: list[str], code: int, sentence: str, capsys) -> None:
    save_profile("anna", Profile("mediapipe", NOW), folder)
    assert main(arguments) == code
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.strip().splitlines()) == 1


def test_profiles_are_listed(folder: Path, capsys) -> None:
    save_profile("anna", Profile("mediapipe", NOW), folder)
    assert main(["profiles"]) == 0
    assert capsys.readouterr().out.startswith("anna  made ")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_guide_tells_every_step_once_and_on_a_terminal_how_far_it_is() -> None:
    for stream in (io.StringIO(), Terminal()):
        calibration, actor = Calibration(ARKIT, "native", with_sound=True), Actor(noise=0.0)
        guide, ends = Guide(calibration, stream), []
        actor.act(calibration, rate_hz=10, on_time=lambda now_ns, guide=guide, ends=ends: ends.append(guide.show()))
        assert not any(ends)
        assert guide.show()
        text = stream.getvalue()
        for number, step in enumerate(calibration.steps, 1):
            assert text.count(f"{number}/8  {step.asks}\n") == 1
        assert ("[###############.....] hold it" in text) is isinstance(stream, Terminal)
        assert ("\x1b" in text) is isinstance(stream, Terminal)
