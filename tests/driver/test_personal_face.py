"""The end of the camera's branch: a profile's person is put right, a stranger is learnt gently, a smile stays one."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from support.acting import ARKIT, REST, UTMOST, Actor, told

from driver.calibration import Calibration
from driver.correction import weights_of
from driver.face_adapter import SHAPE_SIZE, FaceAdapter
from driver.personal_face import PersonalFace
from driver.profile import Profile
from driver.rest_learner import RestLearner, RestSettings
from driver.types import Motion
from protocol.frame import ARKIT_SHAPES

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def at(motion: Motion, name: str) -> float:
    return float(weights_of(motion, ARKIT)[ARKIT_SHAPES.index(name)])


def test_what_a_calibration_found_puts_the_very_face_right() -> None:
    calibration = Calibration(ARKIT, "native", with_sound=False)
    Actor().act(calibration)
    profile, _ = calibration.result(NOW)
    face = PersonalFace(ARKIT, profile)
    (rest,) = face.process(told(REST))
    misread, right = told(REST), weights_of(rest, ARKIT)
    assert weights_of(misread, ARKIT).sum() > 0.6
    assert right.sum() < 0.15
    assert np.abs(rest.head_rotation).max() < 1e-3
    for shapes in UTMOST.values():
        (utmost,) = face.process(told(REST | shapes))
        for name, value in shapes.items():
            if value > 0:
                assert at(utmost, name) > 0.9, name


def test_motions_come_out_as_many_as_went_in_and_what_nobody_sees_is_left_alone() -> None:
    face = PersonalFace(ARKIT, Profile("native", NOW, {"jawOpen": 0.1}))
    unseen, seen = Motion(1), told({"jawOpen": 0.5}, 2)
    assert face.process([]) == []
    made = face.process([unseen, seen])
    assert made[0] is unseen
    assert [motion.capture_ns for motion in made] == [1, 2]
    assert at(made[1], "jawOpen") < 0.47


def test_a_watcher_sees_what_the_tracker_told() -> None:
    face, seen = PersonalFace(ARKIT, Profile("native", NOW, {"jawOpen": 0.1})), []
    face.watch = seen.append
    motion = told({"jawOpen": 0.5})
    face.process(motion)
    assert seen == [motion]


def test_an_adapter_may_be_taken_off_in_the_middle_of_a_motion() -> None:
    adapter = FaceAdapter("0" * 64, (0.5,) * SHAPE_SIZE, {})
    face = PersonalFace(ARKIT, Profile("native", NOW, face=adapter))

    class Meanwhile(np.ndarray):
        """Confidences that are looked at just when the page puts on another profile."""

        def any(self, *arguments: Any, **named: Any) -> Any:
            face.wear(None)
            return np.asarray(self).any(*arguments, **named)

    motion = replace(told(REST), confidence=told(REST).confidence.view(Meanwhile))
    (made,) = face.process(motion)
    assert made.shape is not None
    assert made.shape[0] == 0.5
    assert face.process(told(REST))[0].shape is None


def test_a_profile_that_is_put_on_while_it_runs_counts_from_the_next_motion_on() -> None:
    face, motion = PersonalFace(ARKIT), told({"jawOpen": 0.3})
    assert face.process(motion) == [motion]
    face.wear(Profile("native", NOW, {"jawOpen": 0.2}))
    assert at(face.process(motion)[0], "jawOpen") < 0.15
    face.wear(None)
    assert face.process(motion) == [motion]


def test_a_stranger_is_learnt_and_a_profile_is_not_learnt_over() -> None:
    settings, misread = RestSettings(learning_s=20), {"mouthPucker": 0.08, "browDownLeft": 0.08}
    motions = [told(misread, 1 + index * 66_666_667) for index in range(20 * 15 + 2)]
    learner = RestLearner(settings)
    stranger = PersonalFace(ARKIT, None, learner)
    made = [stranger.process(motion)[0] for motion in motions]
    assert at(made[0], "mouthPucker") > 0.07
    assert at(made[-1], "mouthPucker") < 0.04
    assert learner.is_frozen
    learner = RestLearner(settings)
    known = PersonalFace(ARKIT, Profile("native", NOW), learner)
    for motion in motions:
        known.process(motion)
    assert not learner.rest.any()
