"""Profiles on disk: what was saved is loaded, nothing is ever lost, and what is broken says the remedy."""

import os
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driver import profiles
from driver.errors import RunError, UsageError
from driver.profile import CALIBRATED_SHAPES, HeadRest, Profile, SoundLevels, parse_profile, profile_text
from driver.profiles import list_profiles, load_profile, print_profiles, save_profile

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ANNA = Profile(
    tracker="mediapipe",
    made=NOON,
    rest={"browDownLeft": 0.0812, "mouthRight": 0.05},
    reach={"jawOpen": 0.6543},
    head=HeadRest((0.1, -0.2, 0.03), (0.01, 0.02, -0.6)),
    sound=SoundLevels(-61.5, -27.0),
)


def shapes(low: float, high: float) -> st.SearchStrategy[dict[str, float]]:
    values = st.floats(low, high).map(lambda value: round(value, 4))
    return st.dictionaries(st.sampled_from(CALIBRATED_SHAPES), values, max_size=5)


@settings(deadline=None)
@given(rest=shapes(0, 0.3), reach=shapes(0.25, 1), noise=st.floats(-120, 0).map(lambda value: round(value, 1)))
def test_what_was_written_is_read(rest: dict[str, float], reach: dict[str, float], noise: float) -> None:
    for profile in (Profile("native", NOON, rest, reach), Profile("m", NOON, rest, {}, None, SoundLevels(noise, -20))):
        assert parse_profile(profile_text(profile)) == profile


def test_a_profile_comes_back_by_its_name(tmp_path: Path) -> None:
    place, replaced = save_profile("anna", ANNA, tmp_path / "new")
    assert (place, replaced) == (tmp_path / "new" / "anna.toml", None)
    assert load_profile("anna", tmp_path / "new") == ANNA
    assert list_profiles(tmp_path / "new") == ["anna"]
    assert tomllib.loads(place.read_text("utf-8"))["version"] == 1


def test_every_replaced_file_is_kept_damaged_ones_too(tmp_path: Path) -> None:
    contents = []
    for number in range(4):
        place, _ = save_profile("anna", Profile("native", NOON, {"jawOpen": number / 100}), tmp_path)
        if number == 2:
            place.write_text("rubbish", "utf-8")
        os.utime(place, (0, 0))  # all within one second
        contents.append(place.read_bytes())
    kept = sorted(file.read_bytes() for file in (tmp_path / "replaced").iterdir())
    assert kept == sorted(contents[:-1])
    assert list_profiles(tmp_path) == ["anna"]
    assert load_profile("anna", tmp_path).rest == {"jawOpen": 0.03}


def test_a_write_that_fails_at_any_moment_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_profile("anna", ANNA, tmp_path)
    other = Profile("native", NOON)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    for broken in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(profiles.os, broken, full)
            with pytest.raises(RunError, match=r"was not saved: .* cannot be written .*; make room"):
                save_profile("anna", other, tmp_path)
        assert load_profile("anna", tmp_path) == ANNA
        assert not list(tmp_path.rglob(".unfinished-*"))
    save_profile("anna", other, tmp_path)
    assert load_profile("anna", tmp_path) == other


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("version = 1", "version = 3", "version is 3; this driver reads versions 1 and 2"),
        ("version = 1", "version = true", "version is True"),
        ("version = 1", "", "version is None"),
        ("version = 1", "version = 1\nreset = {}", "unknown key reset; did you mean rest?"),
        ("browDownLeft =", "browDownLefty =", "unknown key rest.browDownLefty; did you mean rest.browDownLeft?"),
        ("browDownLeft =", "eyeBlinkLeft =", "rest.eyeBlinkLeft is 0.0812; eyelids are never calibrated"),
        ("0.0812", "0.31", "rest.browDownLeft is 0.31; it must be 0..0.3"),
        ("0.0812", "nan", "rest.browDownLeft is nan; it must be 0..0.3"),
        ("0.0812", "true", "rest.browDownLeft is True; it must be a number"),
        ("0.6543", "0.1", "reach.jawOpen is 0.1; it must be 0.25..1"),
        ("0.1000, -0.2000", "0.1000", "head.rotation_rad is [0.1, 0.03]; it must be three numbers"),
        ("rotation_rad = [0.1000", "rotation_rad = [4.0", "head.rotation_rad is 4; it must be -3.14159..3.14159"),
        ("noise_dbfs = -61.5", "", "sound.noise_dbfs is missing"),
        ("noise_dbfs = -61.5", "noise_dbfs = 3", "sound.noise_dbfs is 3; it must be -120..0"),
        ('tracker = "mediapipe"', "tracker = 1", "tracker is 1; it must be the name of a tracker"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "it must have a time zone"),
        ("2026-01-31T12:00:00Z", '"noon"', "made is 'noon'; it must be a time"),
        ("version = 1", "version =", "it is not valid TOML"),
    ],
)
def test_a_damaged_profile_is_one_sentence_with_the_remedy(tmp_path: Path, before: str, after: str, says: str) -> None:
    text = profile_text(ANNA)
    assert before in text
    place = tmp_path / "anna.toml"
    place.write_text(text.replace(before, after, 1), "utf-8")
    with pytest.raises(UsageError) as caught:
        load_profile("anna", tmp_path)
    sentence = str(caught.value)
    assert says in sentence
    assert sentence.startswith(f"the profile {place} is damaged: ")
    assert "calibrate again with `avatar-driver calibrate --name anna`" in sentence
    assert place.read_text("utf-8") == text.replace(before, after, 1)


def test_bytes_that_are_no_text_and_an_earlier_one_to_put_back(tmp_path: Path) -> None:
    save_profile("anna", ANNA, tmp_path)
    save_profile("anna", ANNA, tmp_path)
    (tmp_path / "anna.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"is damaged: .* put back an earlier one from .*replaced"):
        load_profile("anna", tmp_path)


def test_a_name_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    save_profile("anna", ANNA, tmp_path)
    with pytest.raises(UsageError, match=r"there is no profile 'bert' \(there are: anna\); make it with"):
        load_profile("bert", tmp_path)


@pytest.mark.parametrize("name", ["", "../anna", "Anna", "a/b", ".hidden", "a" * 64])
def test_a_name_that_is_unfit_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a profile"):
        save_profile(name, ANNA, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_list_shows_all_of_them_damaged_ones_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_profiles(tmp_path)
    assert "there is no profile yet; make one with" in capsys.readouterr().out
    save_profile("anna", ANNA, tmp_path)
    (tmp_path / "bert.toml").write_text("x", "utf-8")
    print_profiles(tmp_path)
    anna, bert, folder = capsys.readouterr().out.splitlines()
    assert anna.startswith("anna  made 2026-01-31 ")
    assert anna.endswith("for --tracker mediapipe, with sound")
    assert bert.startswith("bert  the profile ")
    assert folder == f"in {tmp_path}"
