"""The guided calibration: a known misreading is found again through noise, blinks, gaps and any rate of pictures."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from support.acting import ARKIT, POSE, REST, UTMOST, Actor, told

from driver.calibration import FIND, SPEAK, Calibration
from driver.calibration import REST as REST_STEP
from driver.profile import CALIBRATED_SHAPES, Profile
from driver.types import AudioChunk
from protocol.frame import ARKIT_SHAPES

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def calibrated(actor: Actor, rate_hz: float = 30.0) -> tuple[Profile, list[str]]:
    calibration = Calibration(ARKIT, "native", with_sound=False)
    actor.act(calibration, rate_hz)
    return calibration.result(NOW)


@pytest.mark.parametrize("rate_hz", [15.0, 30.0, 60.0])
def test_rest_reach_and_pose_are_found_through_noise_at_any_rate(rate_hz: float) -> None:
    profile, remarks = calibrated(Actor(), rate_hz)
    assert remarks == []
    assert profile.tracker == "native"
    for name in CALIBRATED_SHAPES:
        assert profile.rest.get(name, 0.0) == pytest.approx(REST.get(name, 0.0), abs=0.03), name
    expected = {name: value for step in UTMOST.values() for name, value in step.items() if value > 0}
    assert profile.reach.keys() == expected.keys()
    for name, value in expected.items():
        assert profile.reach[name] == pytest.approx(value, abs=0.05), name
    assert profile.head is not None
    assert profile.head.rotation_rad == pytest.approx(POSE["head_rotation"], abs=1e-4)
    assert profile.head.translation_m == pytest.approx(POSE["head_translation"], abs=1e-4)


def test_eyelids_are_never_calibrated_whatever_they_do() -> None:
    sleepy = REST | {"eyeBlinkLeft": 0.25, "eyeBlinkRight": 0.25, "eyeSquintLeft": 0.2, "eyeWideRight": 0.2}
    profile, _ = calibrated(Actor(rest=sleepy))
    for name in (*profile.rest, *profile.reach):
        assert not name.startswith(("eyeBlink", "eyeWide", "eyeSquint")), name


def test_it_takes_about_fifteen_seconds_and_goes_through_every_step_in_order() -> None:
    calibration, actor, steps = Calibration(ARKIT, "native", with_sound=True), Actor(), []
    took_s = actor.act(calibration, on_time=lambda now_ns: steps.append(calibration.progress.step))
    assert 14 < took_s < 18
    assert list(dict.fromkeys(steps)) == list(calibration.steps)
    assert calibration.steps[-1] is SPEAK
    assert calibration.progress.step is None


def test_time_in_which_the_face_is_not_well_seen_does_not_count() -> None:
    calibration, actor = Calibration(ARKIT, "native", with_sound=False), Actor()
    for _ in range(100):
        calibration.see(told({}, actor.now_ns, confidence=0.3))
        actor.now_ns += 33_000_000
    progress = calibration.progress
    assert (progress.step, progress.share, progress.is_seen) == (FIND, 0.0, False)
    # A face that was there for a moment has not been found.
    actor.act(calibration, longest_s=1.0)
    assert calibration.progress.share > 0.5
    calibration.see(told({}, actor.now_ns, confidence=0.3))
    assert calibration.progress.share == 0.0
    in_one_go = actor.act(calibration)
    calibration, actor = Calibration(ARKIT, "native", with_sound=False), Actor()
    actor.act(calibration, longest_s=5.0)
    before = calibration.progress
    for _ in range(300):
        calibration.see(replace(told({"jawOpen": 1.0}, actor.now_ns), confidence=np.zeros(4, np.float32)))
        actor.now_ns += 33_000_000
    assert replace(calibration.progress, is_seen=True) == before
    assert actor.act(calibration) + 5.0 == pytest.approx(in_one_go, abs=0.5)
    profile, _ = calibration.result(NOW)
    assert profile.rest["browDownLeft"] == pytest.approx(0.12, abs=0.03)


def test_what_the_face_does_while_the_user_still_reads_is_not_measured() -> None:
    calibration, actor = Calibration(ARKIT, "native", with_sound=False), Actor()

    def startle(now_ns: int) -> None:
        progress = calibration.progress
        is_reading = progress.step is not None and progress.share * progress.step.length_s < progress.step.lead_s
        actor.rest = REST | ({"mouthSmileLeft": 1.0, "jawOpen": 1.0} if is_reading else {})

    actor.act(calibration, on_time=startle)
    profile, _ = calibration.result(NOW)
    assert profile.reach["mouthSmileLeft"] == pytest.approx(UTMOST["smile"]["mouthSmileLeft"], abs=0.05)
    assert profile.reach["jawOpen"] == pytest.approx(UTMOST["jaw"]["jawOpen"], abs=0.05)


def test_what_was_not_done_is_left_out_and_said() -> None:
    lazy = {name: shapes for name, shapes in UTMOST.items() if name != "brows up"}
    profile, remarks = calibrated(Actor(utmost=lazy))
    assert not {"browInnerUp", "browOuterUpLeft", "browOuterUpRight"} & profile.reach.keys()
    assert "jawOpen" in profile.reach
    assert [remark.split(" (")[0] for remark in remarks] == [
        "browInnerUp hardly moved",
        "browOuterUpLeft hardly moved",
        "browOuterUpRight hardly moved",
    ]


def test_a_smile_instead_of_a_rest_is_not_learnt_and_said() -> None:
    profile, remarks = calibrated(Actor(rest=REST | {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}))
    assert "mouthSmileLeft" not in profile.rest
    assert any(remark.startswith("mouthSmileLeft was 0.") and "no rest" in remark for remark in remarks)


def test_a_face_that_moves_while_it_should_rest_is_told_so() -> None:
    calibration, actor = Calibration(ARKIT, "native", with_sound=False), Actor()

    def fidget(now_ns: int) -> None:
        actor.rest = REST | {"jawOpen": 0.5 * (now_ns // 300_000_000 % 2)}

    actor.act(calibration, on_time=fidget)
    _, remarks = calibration.result(NOW)
    assert any("moved while it was to rest" in remark for remark in remarks)


def test_there_is_no_result_before_the_end() -> None:
    calibration, actor = Calibration(ARKIT, "native", with_sound=False), Actor()
    actor.act(calibration, longest_s=6.0)
    with pytest.raises(ValueError, match="is not done yet"):
        calibration.result(NOW)


def sound(rng: np.random.Generator, count: int, dbfs: float) -> np.ndarray:
    return (10 ** (dbfs / 20) * rng.normal(size=count)).astype(np.float32)


def heard(chunk_samples: int, noise_dbfs: float = -60.0, speech_dbfs: float = -25.0) -> tuple[Profile, list[str]]:
    """A calibration whose sound comes in chunks of this length; one noise throughout, speech when asked."""
    calibration, actor, rng = Calibration(ARKIT, "native", with_sound=True), Actor(), np.random.default_rng(3)
    room = sound(rng, 25 * 16_000, noise_dbfs)
    voice = sound(rng, len(room), speech_dbfs) * (np.arange(len(room)) // 4000 % 3 > 0)  # with pauses
    began_ns, position = actor.now_ns, 0

    def play(now_ns: int) -> None:
        nonlocal position
        while (position + chunk_samples) / 16_000 * 1e9 <= now_ns - began_ns:
            span = slice(position, position + chunk_samples)
            position += chunk_samples
            step = calibration.progress.step
            samples = room[span] + (voice[span] if step is SPEAK else 0)
            if step is not SPEAK and step is not REST_STEP:
                samples = samples * 100  # a door, a chair: nobody asked for it
            calibration.hear(AudioChunk(samples.astype(np.float32), span.start, began_ns + position * 62_500))

    actor.act(calibration, rate_hz=15, on_time=play)
    return calibration.result(NOW)


def test_levels_of_room_and_speech_are_found() -> None:
    profile, remarks = heard(320)
    assert remarks == []
    assert profile.sound is not None
    assert profile.sound.noise_dbfs == pytest.approx(-60.0, abs=0.5)
    assert profile.sound.speech_dbfs == pytest.approx(-25.0, abs=1.0)


def test_the_length_of_the_chunks_changes_nothing() -> None:
    assert heard(320)[0] == heard(160)[0] == heard(64)[0]


def test_speech_that_is_no_louder_than_the_room_is_left_out_and_said() -> None:
    profile, remarks = heard(320, noise_dbfs=-40.0, speech_dbfs=-41.0)
    assert profile.sound is None
    assert any("hardly louder than the room" in remark for remark in remarks)


def test_a_dead_microphone_is_said() -> None:
    calibration, actor = Calibration(ARKIT, "native", with_sound=True), Actor()
    actor.act(calibration)
    profile, remarks = calibration.result(NOW)
    assert profile.sound is None
    assert "the microphone gave no sound; its levels are left out" in remarks


def test_all_shapes_that_are_asked_for_are_calibrated_ones() -> None:
    asked = [name for step in Calibration(ARKIT, "native", with_sound=True).steps for name in step.shapes]
    assert set(asked) <= set(CALIBRATED_SHAPES) <= set(ARKIT_SHAPES)
    assert len(CALIBRATED_SHAPES) == 46
