"""What is learnt unasked: the misread rest, a little of it, once; never a smile, never a lid."""

import numpy as np
import pytest

from driver.correction import by_name
from driver.rest_learner import RestLearner, RestSettings
from driver.types import Motion
from protocol.frame import ARKIT_SHAPES

MISREAD = {"browDownLeft": 0.08, "browDownRight": 0.04, "mouthPucker": 0.06, "mouthRight": 0.05, "jawOpen": 0.05}


def at(weights: np.ndarray, name: str) -> float:
    return float(weights[ARKIT_SHAPES.index(name)])


def looking_ahead(at_ns: int, confidence: float = 1.0, turn_rad: float = 0.1) -> Motion:
    """All that the learner asks of a motion beside its weights."""
    rotation, confidences = np.array([0, turn_rad, 0], np.float32), np.full(4, confidence, np.float32)
    return Motion(at_ns, head_rotation=rotation, confidence=confidences)


class Watch:
    """Shows a learner a face that keeps its weights, through the tracker's noise."""

    def __init__(self, learner: RestLearner, rate_hz: float = 30.0) -> None:
        self.learner, self.rate_hz, self.index = learner, rate_hz, 1
        self.rng = np.random.default_rng(0)

    def face(self, weights: dict[str, float], seconds: float) -> None:
        for _ in range(round(seconds * self.rate_hz)):
            noisy = by_name(weights, 0.0) + self.rng.normal(0, 0.01, 52).astype(np.float32)
            self.learner.see(looking_ahead(round(self.index * 1e9 / self.rate_hz)), noisy.clip(0, 1))
            self.index += 1


@pytest.mark.parametrize("rate_hz", [15.0, 30.0, 60.0])
def test_a_resting_face_s_habits_are_learnt_at_any_rate_and_then_frozen(rate_hz: float) -> None:
    learner = RestLearner()
    watch = Watch(learner, rate_hz)
    watch.face(MISREAD, 61)
    assert learner.is_frozen
    for name, value in MISREAD.items():
        assert at(learner.rest, name) == pytest.approx(value, abs=0.02), name
    frozen = learner.rest.copy()
    watch.face(MISREAD | {"noseSneerLeft": 0.1}, 30)
    assert np.array_equal(learner.rest, frozen)


def test_it_is_learnt_without_a_jump() -> None:
    learner, rests = RestLearner(), []
    watch = Watch(learner)
    for _ in range(120):
        watch.face(MISREAD, 0.5)
        rests.append(learner.rest)
    steps = np.abs(np.diff(rests, axis=0)).max(axis=1)
    assert steps.max() < 0.02  # in half a second


@pytest.mark.parametrize("mood", ["mouthSmile", "mouthFrown", "mouthUpperUp", "mouthLowerDown", "mouthStretch"])
@pytest.mark.parametrize("strength", [0.05, 0.15, 0.3, 0.7])
def test_a_mood_that_lasts_is_never_learnt(mood: str, strength: float) -> None:
    learner = RestLearner()
    both = {f"{mood}{side}": strength for side in ("Left", "Right")}
    Watch(learner, 15).face(both, 61)
    assert not any(at(learner.rest, name) for name in ARKIT_SHAPES if name.startswith(mood))
    if strength > 0.2:  # while it lasts, nothing else is learnt either
        assert not learner.rest.any()


def test_lids_and_looks_are_never_learnt() -> None:
    learner = RestLearner()
    tired = {name: 0.2 for name in ARKIT_SHAPES if name.startswith("eye")}
    Watch(learner, 15).face(tired | {"browDownLeft": 0.08}, 61)
    assert at(learner.rest, "browDownLeft") > 0.04
    assert not any(at(learner.rest, name) for name in ARKIT_SHAPES if name.startswith("eye"))


def test_it_never_learns_much() -> None:
    learner = RestLearner()
    Watch(learner, 15).face({"browDownLeft": 0.25, "mouthRight": 0.2}, 61)
    assert at(learner.rest, "browDownLeft") == pytest.approx(RestSettings().most_rest)
    assert at(learner.rest, "mouthRight") == pytest.approx(RestSettings().most_rest)
    assert at(learner.rest, "mouthLeft") == 0.0


def test_a_face_that_talks_is_not_at_rest() -> None:
    learner = RestLearner()
    for index in range(61 * 30):
        now_s = index / 30
        weights = {"jawOpen": 0.15 + 0.15 * np.sin(2 * np.pi * 3 * now_s), "mouthPucker": 0.1}
        learner.see(looking_ahead(1 + round(now_s * 1e9)), by_name(weights, 0.0))
    assert learner.is_frozen
    assert not learner.rest.any()


@pytest.mark.parametrize("vowel", ["jawOpen", "mouthFunnel", "mouthPucker"])
def test_a_vowel_that_is_held_is_not_rest(vowel: str) -> None:
    learner = RestLearner()
    Watch(learner, 15).face({vowel: 0.4}, 61)
    assert not learner.rest.any()


@pytest.mark.parametrize(("confidence", "turn_rad"), [(0.6, 0.0), (1.0, 0.6)])
def test_a_face_that_is_badly_seen_or_turned_away_teaches_nothing(confidence: float, turn_rad: float) -> None:
    learner = RestLearner()
    for index in range(61 * 15):
        learner.see(looking_ahead(1 + index * 66_666_667, confidence, turn_rad), by_name(MISREAD, 0.0))
    assert not learner.rest.any()
    assert learner.is_frozen is (confidence == 1.0)
