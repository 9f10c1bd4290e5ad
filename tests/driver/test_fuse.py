"""Who drives what, when: tested on motions that are easy to tell apart, without models or threads."""

from dataclasses import replace

import numpy as np
import pytest

from driver.fuse import Fuser, FuseSettings
from driver.motion_vector import LAYOUT, parts
from driver.types import Motion

MS = 1_000_000
TICK_NS = 1_000_000_000 // 60
# A head whose first 25 components are the mouth's and whose others are not.
PROJECTOR = np.diag(np.repeat([1.0, 0.0], 25)).astype(np.float32)


def face(at_ms: float, value: float, confidence: tuple[float, float, float, float] = (1, 1, 1, 1)) -> Motion:
    def full(size: int) -> np.ndarray:
        return np.full(size, value, np.float32)

    return Motion(
        capture_ns=round(at_ms * MS),
        expression=full(50),
        jaw=full(3),
        eyelids=full(2),
        gaze=full(4),
        head_rotation=full(3),
        head_translation=full(3),
        confidence=np.array(confidence, np.float32),
        speech=value,
    )


def voice(at_ms: float, value: float, confidence: float = 1.0) -> Motion:
    return face(at_ms, value, (confidence, 0, 0, 0))


def run(fuser: Fuser, until_ms: float, video=lambda ms: None, audio=lambda ms: None) -> list:
    """Pictures every 40 ms, hops every 20 ms, ticks at 60 Hz; returns (tick in ms, Fused) pairs."""
    results = []
    next_video = next_audio = 0.0
    tick_ns = 0
    while tick_ns <= until_ms * MS:
        while next_video * MS <= tick_ns:
            if (motion := video(next_video)) is not None:
                fuser.see(motion)
            next_video += 40.0
        while next_audio * MS <= tick_ns:
            if (motion := audio(next_audio)) is not None:
                fuser.hear(motion)
            next_audio += 20.0
        results.append((tick_ns / MS, fuser.at(tick_ns)))
        tick_ns += TICK_NS
    return results


@pytest.fixture
def fuser() -> Fuser:
    return Fuser(FuseSettings(), PROJECTOR, idle=None)


def test_the_camera_drives_what_it_sees(fuser: Fuser) -> None:
    _, last = run(fuser, 400, video=lambda ms: face(ms, 0.5), audio=lambda ms: voice(ms, 0.2))[-1]
    assert np.allclose(last.vector, 0.5, atol=1e-6)
    assert last.speech == pytest.approx(0.2)
    assert np.allclose(last.confidence, 1.0)


def test_the_voice_takes_only_the_mouth_that_the_camera_does_not_see(fuser: Fuser) -> None:
    covered = run(fuser, 500, video=lambda ms: face(ms, 0.5, (0, 1, 1, 1)), audio=lambda ms: voice(ms, 0.2))
    named = parts(covered[-1][1].vector)
    assert np.allclose(named["expression"][:25], 0.2, atol=1e-6)
    assert np.allclose(named["expression"][25:], 0.5, atol=1e-6)
    assert np.allclose(named["jaw"], 0.2, atol=1e-6)
    assert np.allclose(named["head_rotation"], 0.5, atol=1e-6)


def test_a_change_of_source_is_a_cross_fade_of_150_ms(fuser: Fuser) -> None:
    results = run(
        fuser,
        1000,
        video=lambda ms: face(ms, 0.5, (1 if ms < 500 else 0, 1, 1, 1)),
        audio=lambda ms: voice(ms, 0.1),
    )
    jaw = np.array([fused.vector[LAYOUT["jaw"]][0] for _, fused in results])
    times = np.array([at for at, _ in results])
    between = times[(jaw < 0.5 - 1e-3) & (jaw > 0.1 + 1e-3)]
    assert 130 <= between[-1] - between[0] + 16.7 <= 190
    steps = np.abs(np.diff(jaw[times > 300]))
    assert steps.max() <= 0.4 * 16.7 / 150 * 1.1
    assert jaw[-1] == pytest.approx(0.1, abs=1e-5)


def test_nobody_knows_anything_the_face_eases_to_neutral_and_the_head_stays_put(fuser: Fuser) -> None:
    results = run(fuser, 2500, video=lambda ms: face(ms, 0.5) if ms < 500 else None)
    named = parts(results[-1][1].vector)
    for name in ("expression", "jaw", "eyelids", "gaze", "head_rotation"):
        assert np.allclose(named[name], 0.0, atol=1e-6), name
    assert np.allclose(named["head_translation"], 0.5, atol=1e-3)
    assert np.allclose(results[-1][1].confidence, 0.0)
    assert results[-1][1].capture_ns is None
    rotation = np.array([fused.vector[LAYOUT["head_rotation"]][0] for _, fused in results])
    assert np.abs(np.diff(rotation[20:])).max() <= 0.5 * 16.7 / 600 * 1.1


def test_a_stalled_camera_counts_as_blind_and_the_voice_takes_over(fuser: Fuser) -> None:
    results = run(fuser, 1500, video=lambda ms: face(ms, 0.5) if ms < 500 else None, audio=lambda ms: voice(ms, 0.2))
    named = parts(results[-1][1].vector)
    assert np.allclose(named["jaw"], 0.2, atol=1e-6)
    assert results[-1][1].capture_ns is not None
    assert results[-1][1].capture_ns > 1400 * MS


def test_pictures_are_interpolated_at_the_same_instant_as_the_sound(fuser: Fuser) -> None:
    results = run(fuser, 1000, video=lambda ms: face(ms, ms / 2000), audio=lambda ms: voice(ms, ms / 2000, 1.0))
    lags = [at - fused.vector[LAYOUT["jaw"]][0] * 2000 for at, fused in results if at > 400]
    # Half a picture's interval behind, and up to a whole one when the next picture is not there yet.
    assert min(lags) == pytest.approx(20, abs=1)
    assert max(lags) <= 40 + 1
    steps = np.diff([fused.vector[LAYOUT["jaw"]][0] for at, fused in results if at > 400])
    assert (steps >= 0).all()
    assert (steps > 0).mean() > 0.8


def listening(ms: float, value: float, lookahead_ms: float, upper: float = 1.0) -> Motion:
    """What an encoder that looks ahead tells at `ms`."""
    return replace(face(ms - lookahead_ms, value, (1.0, upper, 0, 0)), lookahead_ns=round(lookahead_ms * MS))


def test_a_voice_alone_moves_the_whole_face(fuser: Fuser) -> None:
    _, last = run(fuser, 500, audio=lambda ms: listening(ms, 0.3, 80))[-1]
    named = parts(last.vector)
    assert np.allclose(named["expression"], 0.3, atol=1e-6)
    assert np.allclose(named["jaw"], 0.3, atol=1e-6)
    assert last.confidence.tolist() == [1, 1, 0, 0]


def test_where_the_camera_sees_the_voice_moves_nothing(fuser: Fuser) -> None:
    results = run(
        fuser, 900, lambda ms: face(ms, 0.5, (0 if ms > 400 else 1, 1, 1, 1)), lambda ms: listening(ms, 0.2, 80)
    )
    seen = next(fused for at, fused in results if at > 350)
    assert np.allclose(seen.vector, 0.5, atol=1e-6)
    named = parts(results[-1][1].vector)  # the mouth is covered: sound takes it, and leaves the rest
    assert np.allclose(named["expression"][:25], 0.2, atol=1e-6)
    assert np.allclose(named["expression"][25:], 0.5, atol=1e-6)


def test_the_face_is_as_old_as_what_moves_it(fuser: Fuser) -> None:
    results = run(fuser, 900, lambda ms: face(ms, 0.5) if ms < 400 else None, lambda ms: listening(ms, 0.2, 240))
    ages = {at: at - fused.capture_ns / MS for at, fused in results if fused.capture_ns is not None}
    assert max(age for at, age in ages.items() if at < 400) <= 40
    assert min(age for at, age in ages.items() if at > 890) >= 240


def test_looking_ahead_is_not_silence(fuser: Fuser) -> None:
    results = run(fuser, 1000, audio=lambda ms: listening(ms, 0.2, 240) if ms <= 500 else None)
    confidence = {round(at): fused.confidence[0] for at, fused in results}
    assert min(value for at, value in confidence.items() if 300 < at < 790) == 1
    assert max(value for at, value in confidence.items() if at > 850) == 0


@pytest.mark.parametrize("lookahead_ms", [0, 40, 240])
def test_sound_is_interpolated_whatever_its_look_ahead(fuser: Fuser, lookahead_ms: float) -> None:
    def voice_at(ms: float) -> Motion:
        return listening(ms, (ms - lookahead_ms) / 2000, lookahead_ms)

    values = np.array([(at, fused.vector[LAYOUT["jaw"]][0] * 2000) for at, fused in run(fuser, 900, audio=voice_at)])
    at, told = values[values[:, 0] > 600].T
    # Half a hop behind what is known, and up to a hop more where the newest is not there yet.
    assert (at - told).min() >= lookahead_ms + 10 - 1e-3
    assert (at - told).max() <= lookahead_ms + 20 + 1e-3
    assert np.diff(told).min() > 5  # even steps, not a stair


def test_look_ahead_turned_live_never_moves_the_face_back(fuser: Fuser) -> None:
    """As the encoder tells it: nothing for a while when it looks further ahead, a step when it looks less far."""

    def voice_at(ms: float) -> Motion | None:
        lookahead_ms = 80 if ms < 500 or ms >= 1000 else 240
        told_until = 500 - 20 - 80
        return None if ms >= 500 and ms - lookahead_ms <= told_until else listening(ms, ms - lookahead_ms, lookahead_ms)

    def audio(ms: float) -> Motion | None:
        motion = voice_at(ms)
        return motion and replace(motion, jaw=np.full(3, motion.capture_ns / MS / 4000, np.float32))

    results = run(fuser, 1300, audio=audio)
    told = np.array([fused.vector[LAYOUT["jaw"]][0] * 4000 for at, fused in results if at > 300])
    assert np.diff(told).min() >= -0.01
    assert all(fused.confidence[0] == 1 for at, fused in results if at > 300)
    assert 1300 - told[-1] <= 80 + 21


def test_values_of_a_blind_picture_are_never_blended_in(fuser: Fuser) -> None:
    results = run(fuser, 1000, video=lambda ms: face(ms, 0.5) if ms >= 400 else face(ms, -9.0, (0, 0, 0, 0)))
    assert all(fused.vector[LAYOUT["expression"]].min() >= -1e-6 for _, fused in results)


def test_the_result_depends_on_capture_times_alone() -> None:
    one = run(Fuser(FuseSettings(), PROJECTOR, None), 600, video=lambda ms: face(ms, np.sin(ms / 90) / 2))
    shifted = Fuser(FuseSettings(), PROJECTOR, None)
    offset_ms = 12_345_678
    tick_ns = next_video = 0
    for _, expected in one:
        while next_video * MS <= tick_ns:
            shifted.see(face(next_video + offset_ms, np.sin(next_video / 90) / 2))
            next_video += 40
        assert np.array_equal(shifted.at(tick_ns + offset_ms * MS).vector, expected.vector)
        tick_ns += TICK_NS
