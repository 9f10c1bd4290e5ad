"""The head's centre: straight ahead is where the user says, a nod stays a nod, and nothing snaps."""

from dataclasses import replace

import numpy as np
import pytest
from support.acting import POSE, told

from driver.centre import HeadCentre, View
from driver.types import Motion
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle

ROTATION, TRANSLATION = (np.array(POSE[name]) for name in ("head_rotation", "head_translation"))
DISTANCE_M = float(np.linalg.norm(TRANSLATION))


def seen(at_s: float, turn_rad: tuple[float, float, float] = (0, 0, 0), moved_m: tuple = (0, 0, 0)) -> Motion:
    """The resting head, turned about its own axes and moved along them."""
    rest = matrix_from_axis_angle(ROTATION)
    rotation = axis_angle_from_matrix(rest @ matrix_from_axis_angle(turn_rad))
    translation = TRANSLATION + rest @ np.array(moved_m)
    motion = told({}, round(at_s * 1e9))
    return replace(motion, head_rotation=rotation.astype(np.float32), head_translation=translation.astype(np.float32))


def test_without_a_centre_nothing_changes() -> None:
    motion = seen(1.0, (0.1, 0.2, 0.3))
    assert HeadCentre().process(motion) is motion


def test_a_known_centre_counts_from_the_first_motion_on_and_in_the_head_s_own_axes() -> None:
    centre = HeadCentre(View.before(ROTATION, TRANSLATION))
    at_rest = centre.process(seen(0.0))
    assert at_rest.head_rotation == pytest.approx([0, 0, 0], abs=1e-6)
    assert at_rest.head_translation == pytest.approx([0, 0, -DISTANCE_M], abs=1e-6)
    for turn in ((0.3, 0, 0), (0, 0.4, 0), (0, 0, -0.2)):
        assert centre.process(seen(0.1, turn)).head_rotation == pytest.approx(turn, abs=1e-5)
    assert centre.process(seen(0.2, moved_m=(0.05, 0, 0.1))).head_translation == pytest.approx(
        [0.05, 0, 0.1 - DISTANCE_M], abs=1e-6
    )


def test_a_centre_that_is_asked_for_is_reached_within_half_a_second_without_a_jump() -> None:
    centre, poses = HeadCentre(), []
    for index in range(120):
        if index == 30:
            centre.ask()
        made = centre.process(seen(index / 60))
        poses.append(np.concatenate([made.head_rotation, made.head_translation]))
    steps = np.abs(np.diff(poses, axis=0)).max(axis=1)
    assert poses[29] == pytest.approx([*ROTATION, *TRANSLATION], abs=1e-6)
    assert poses[61] == pytest.approx([0, 0, 0, 0, 0, -DISTANCE_M], abs=1e-6)
    assert steps.max() < 0.02
    assert not steps[:29].any()
    assert steps[32:58].min() > 0


def test_it_is_forgotten_just_as_softly_and_may_be_asked_for_on_the_way() -> None:
    centre = HeadCentre(View.before(ROTATION, TRANSLATION))
    poses = []
    for index in range(180):
        if index in (60, 75):
            (centre.forget if index == 60 else centre.ask)()
        poses.append(centre.process(seen(index / 60)).head_rotation)
    assert np.abs(np.diff(poses, axis=0)).max() < 0.03
    assert poses[60 + 14] != pytest.approx([0, 0, 0], abs=0.02)
    assert poses[-1] == pytest.approx([0, 0, 0], abs=1e-6)
    centre.forget()
    centre.process(seen(4.0))
    assert centre.process(seen(5.0)).head_rotation == pytest.approx(ROTATION, abs=1e-6)


def test_a_head_that_is_not_seen_is_waited_for() -> None:
    centre = HeadCentre()
    centre.ask()
    unseen = replace(seen(0.0), confidence=np.zeros(4, np.float32))
    assert centre.process(unseen) is unseen
    centre.process(seen(1.0))
    assert centre.process(seen(2.0)).head_rotation == pytest.approx([0, 0, 0], abs=1e-6)
