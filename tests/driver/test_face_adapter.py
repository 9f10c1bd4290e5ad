"""Corrections of a face: bounded, one picture at a time, and no lid that is told shut is opened."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from support.acting import ARKIT, told

from driver import profiles
from driver.assemble import assemble, demo_sample
from driver.config import Settings
from driver.errors import UsageError
from driver.face_adapter import CHANGED_SIZE, READ_SIZE, AdaptedFace, Correction, FaceAdapter
from driver.knobs import VoiceSettings
from driver.learnt import SpokenWay, file_sha256, spoken_like
from driver.personal_face import PersonalFace
from driver.profile import Profile, parse_profile, profile_text
from driver.profiles import load_profile, print_profiles, save_profile
from driver.types import Motion
from driver.weights import find_audio_model, find_native_face

NOW = datetime(2026, 1, 31, tzinfo=UTC)
SUM = "0a" * 32
_JAW = 50


def row(size: int, **values: float) -> tuple[float, ...]:
    made = [0.0] * size
    for place, value in values.items():
        made[int(place.removeprefix("at"))] = value
    return tuple(made)


# One jaw's turn is told as 0.8 of itself: 0.25 of what is told is missing.
JAW = Correction(bias=0.01, most=0.08, reads=row(READ_SIZE, at50=0.25), moves=row(CHANGED_SIZE, at50=1.0))
LID = Correction(bias=-0.3, most=1.0, reads=row(READ_SIZE), moves=row(CHANGED_SIZE, at53=1.0))
SHAPE = tuple(round(0.01 * number, 2) for number in range(100))
ADAPTER = FaceAdapter(SUM, SHAPE, {"lips_apart": JAW, "lid_left": LID})
LEARNT = Profile("native", NOW, face=ADAPTER, voice=SpokenWay(SUM, 1.25, "clear"))


def test_what_is_told_is_corrected_within_bounds() -> None:
    adapted = AdaptedFace(ADAPTER)
    for jaw, expected in ((0.0, 0.01), (0.2, 0.26), (0.4, 0.48), (0.6, 0.68)):
        made = adapted.process(Motion(1, jaw=np.array([jaw, 0.0, 0.0], np.float32)))
        assert made.jaw[0] == pytest.approx(expected, abs=1e-6)
        assert not made.expression.any()
    assert made.shape == pytest.approx(np.array(SHAPE), abs=1e-6)


def test_a_shut_lid_stays_shut_and_the_other_is_not_touched() -> None:
    adapted = AdaptedFace(ADAPTER)
    for told_lid, expected in ((1.0, 1.0), (0.75, 0.6), (0.5, 0.2), (0.1, 0.0)):
        made = adapted.process(Motion(1, eyelids=np.array([told_lid, 0.7], np.float32)))
        assert made.eyelids.tolist() == pytest.approx([expected, 0.7], abs=1e-6)


def test_a_face_is_adapted_before_rest_and_reach_and_before_a_watcher() -> None:
    face, seen = PersonalFace(ARKIT, LEARNT), []
    face.watch = seen.append
    (made,) = face.process(told({"jawOpen": 0.5}))
    assert seen[0].jaw[0] > told({"jawOpen": 0.5}).jaw[0] + 0.03
    assert made is seen[0]
    unseen = Motion(1)
    assert face.process(unseen) == [unseen]
    face.wear(None)
    motion = told({"jawOpen": 0.5})
    assert face.process(motion) == [motion]


def test_what_was_learnt_is_kept_in_a_small_file_and_read_again(tmp_path: Path, capsys) -> None:
    assert parse_profile(profile_text(LEARNT)) == LEARNT
    full = replace(ADAPTER, corrections=dict.fromkeys(("lips_apart", "brow_left", "lid_right"), JAW))
    place, _ = save_profile("anna", replace(LEARNT, face=full), tmp_path)
    assert load_profile("anna", tmp_path).face == full
    assert place.stat().st_size < 20_000
    print_profiles(tmp_path)
    assert capsys.readouterr().out.splitlines()[0].endswith("for --tracker native, without sound, with its own face")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("[face.lips_apart]", "[face.lips_aparts]", "unknown key face.lips_aparts; did you mean face.lips_apart?"),
        ("[face.lips_apart]", "[face.lips_apart]\ngain = 1", "unknown key face.lips_apart.gain"),
        ("bias = 0.01\n", "", "face.lips_apart.bias is missing"),
        ("bias = 0.01\n", "bias = nan\n", "face.lips_apart.bias is nan; it must be -1000..1000"),
        ("most = 0.08", "most = -1", "face.lips_apart.most is -1; it must be 0..50"),
        ("reads = [0.0, ", "reads = [", "face.lips_apart.reads is no list of 59 numbers"),
        ("moves = [0.0, ", "moves = [99.0, ", "face.lips_apart.moves is 99; it must be -10..10"),
        ("shape = [0.0, ", 'shape = ["a", ', "face.shape is 'a'; it must be a number"),
        (f'weights = "{SUM}"', 'weights = "abc"', "face.weights is 'abc'; it must be a SHA-256"),
        ("articulation = 1.25", "articulation = 2.5", "voice.articulation is 2.5; it must be 0..2"),
        ('style = "clear"', 'style = "a b"', "voice.style is 'a b'; it must be the name of a style"),
        ('style = "clear"', "", "voice.style is missing"),
    ],
)
def test_what_is_damaged_is_refused_in_one_sentence(before: str, after: str, says: str) -> None:
    text = profile_text(LEARNT)
    assert before in text
    with pytest.raises(UsageError) as caught:
        parse_profile(text.replace(before, after, 1))
    assert says in str(caught.value)


def test_a_voice_speaks_like_the_person_unless_the_user_turned_a_knob() -> None:
    way = SpokenWay(SUM, 1.25, "clear")
    assert spoken_like(VoiceSettings(lookahead_ms=40), way) == VoiceSettings(40, 1.25, style="clear")
    turned = VoiceSettings(articulation=0.5, style="wide")
    assert spoken_like(turned, way) == turned


def test_other_weights_are_refused_and_the_right_ones_are_worn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "profiles_folder", lambda: tmp_path)
    settings = Settings(video=str(demo_sample()), out=(), profile="anna")
    save_profile("anna", LEARNT)
    with pytest.raises(
        UsageError, match=r"face model whose SHA-256 begins with 0a0a.* learn again: python -m training"
    ):
        assemble(settings, print)
    face, voice = file_sha256(find_native_face()[0]), file_sha256(find_audio_model(""))
    save_profile("anna", replace(LEARNT, face=replace(ADAPTER, weights=face)))
    with pytest.raises(UsageError, match=r"voice model whose SHA-256 begins with 0a0a"):
        assemble(settings, print)
    save_profile("anna", replace(LEARNT, face=replace(ADAPTER, weights=face), voice=SpokenWay(voice, 1.25, "clear")))
    run = assemble(settings, print)
    assert run.voice is not None
    assert run.face is not None
    assert run.face.profile is not None
    assert (run.voice.knobs.articulation, run.voice.knobs.style) == (1.25, "clear")
