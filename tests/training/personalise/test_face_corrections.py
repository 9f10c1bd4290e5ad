"""What is misread in a known way is put right where it was not learnt, noise teaches nothing, and the driver applies
exactly what training computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.misread import Habits, misread_person, noisy_person

from driver.face_adapter import MEASURES, AdaptedFace, FaceAdapter, told_of
from driver.learnt import rounded
from models.head.landmarks import FACE_POINTS, INNER_LIPS
from training.personalise.correction import (
    PARTS,
    Judged,
    amounts,
    better_parts,
    judge,
    learn,
    lesson,
    shows_closed_lips,
)
from training.personalise.learning import learn_face
from training.personalise.measures import LID_COLUMNS, LIPS, moves, seen_measures, told_measures, told_points
from training.personalise.recording import Seen

SUM = "5d" * 32


@pytest.fixture(scope="module")
def person() -> Seen:
    return misread_person()


@pytest.fixture(scope="module")
def adapter(person: Seen) -> FaceAdapter:
    return learn_face(person, SUM)[0]


def test_measures_do_not_know_distance_place_or_tilt_of_the_picture(person: Seen) -> None:
    points = person.points_px[:50].astype(np.float64)
    cosine, sine = np.cos(0.3), np.sin(0.3)
    turned = 1.7 * points @ np.array([[cosine, sine], [-sine, cosine]]) + (40.0, -12.0)
    assert np.allclose(seen_measures(turned), seen_measures(points), atol=1e-9)


def test_a_move_changes_its_own_measure_and_hardly_another() -> None:
    still = np.zeros((2, 4), np.float32), np.zeros((2, 3), np.float32)
    for column, name in enumerate(MEASURES):
        if column in LID_COLUMNS:
            assert moves()[column].nonzero()[0].tolist() == [53 + LID_COLUMNS.index(column)]
            continue
        motion = np.stack([np.zeros(53, np.float32), moves()[column, :53]])
        rest, moved = seen_measures(told_points(motion, *still))
        change = moved - rest
        assert 0.65 < change[column] < 1.05, name
        assert np.abs(np.delete(change, column)).max() < 0.15, name


def test_lips_that_touch_have_no_opening_however_hard_they_are_pressed() -> None:
    told = np.zeros((3, 59), np.float32)
    told[1, :53], told[2, :53] = -4.0 * moves()[LIPS, :53], 5.0 * moves()[LIPS, :53]
    opening = told_measures(told, np.full((3, 3), 0.1, np.float32))[:, LIPS]
    assert opening[:2].tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert opening[2] == pytest.approx(5.0, rel=0.15)


def test_a_known_misreading_is_put_right_in_another_recording(adapter: FaceAdapter) -> None:
    assert {"lips_apart", "corner_left", "lid_left", "lid_right"} <= adapter.corrections.keys()
    other = misread_person(seconds=12.0, seed=7)
    before = lesson(other)
    adapted = AdaptedFace(adapter)
    after = lesson(Seen(tuple(adapted.process(motion) for motion in other.motions), other.points_px))
    was, became = (np.abs(one.differs[one.counts]).mean(axis=0) for one in (before, after))
    assert became[LIPS] < 0.45 * was[LIPS]
    assert (became[LID_COLUMNS] < 0.6 * was[LID_COLUMNS]).all()
    corner = MEASURES.index("corner_left")
    assert became[corner] < 0.75 * was[corner]


def test_a_recording_of_noise_leaves_every_part_as_it_was() -> None:
    adapter, said = learn_face(noisy_person(), SUM)
    assert adapter.corrections == {}
    assert len(said) == len(PARTS)
    assert all(sentence.endswith("not enough better; left as it was") for sentence in said)


def test_a_face_that_is_read_rightly_stays_as_it_was() -> None:
    right = misread_person(habits=Habits(1.0, 1.0, 1.0, noise=0.0))
    adapted = AdaptedFace(learn_face(right, SUM)[0])
    for motion in right.motions[::10]:
        made = adapted.process(motion)
        assert np.abs(told_of(made) - told_of(motion)).max() < 0.25


def test_lips_whose_closing_the_points_do_not_see_are_left_as_they_were(person: Seen) -> None:
    lower = [FACE_POINTS.index(landmark) for landmark in INNER_LIPS[1]]
    points = person.points_px.copy()
    points[:, lower, 1] += 8.0
    blind = Seen(person.motions, points)
    assert shows_closed_lips(lesson(person))
    assert not shows_closed_lips(lesson(blind))
    adapter, said = learn_face(blind, SUM)
    assert "lips_apart" not in adapter.corrections
    assert "lid_left" in adapter.corrections
    assert said[0] == "lips' opening: the points never show them closed; left as it was"


def test_a_part_that_is_worse_elsewhere_is_left_out_alone(person: Seen) -> None:
    # From the second part on the lids are told rightly: what was learnt of them no longer holds.
    middle = round(0.6 * len(person.motions))
    healed = tuple(
        replace(motion, eyelids=motion.eyelids / np.float32(0.7)) if row > middle else motion
        for row, motion in enumerate(person.motions)
    )
    adapter, said = learn_face(Seen(healed, person.points_px), SUM)
    assert "lips_apart" in adapter.corrections
    assert not {"lid_left", "lid_right"} & adapter.corrections.keys()
    assert next(one for one in said if one.startswith("eyelids")).endswith("left as it was")


def test_the_driver_adds_what_training_computed(person: Seen) -> None:
    corrections = learn(lesson(person))
    adapter = rounded(FaceAdapter(SUM, (0.1,) * 100, corrections))
    adapted, taught = AdaptedFace(adapter), lesson(person)
    told_error = judge(taught, corrections).after
    told = taught.told
    for column, name in enumerate(MEASURES):
        one = corrections[name]
        amount = amounts(one, told)
        assert np.abs(taught.differs[:, column] - amount).mean() == pytest.approx(told_error[column])
        alone = AdaptedFace(replace(adapter, corrections={name: adapter.corrections[name]}))
        for row in (0, 111, 333):
            change = told_of(alone.process(person.motions[row]))[:53] - told[row, :53]
            assert change == pytest.approx(amount[row] * np.array(one.moves[:53]), abs=2e-3), name
    assert adapted.process(person.motions[0]).shape == pytest.approx(np.full(100, 0.1))


def test_each_picture_is_corrected_by_itself(person: Seen, adapter: FaceAdapter) -> None:
    adapted, some = AdaptedFace(adapter), person.motions[:40]
    forward = [told_of(adapted.process(motion)) for motion in some]
    backward = [told_of(adapted.process(motion)) for motion in reversed(some)]
    assert np.array_equal(np.stack(forward), np.stack(backward[::-1]))


def test_a_recording_that_hardly_shows_the_face_teaches_nothing(person: Seen) -> None:
    points = person.points_px.copy()
    points[40:] = np.nan
    adapter, said = learn_face(Seen(person.motions, points), SUM)
    assert adapter.corrections == {}
    assert said == ["face: it is well seen in too few pictures; left as it was"]


@pytest.mark.parametrize(
    ("after", "follows", "is_kept"),
    [
        ((0.8, 0.8, 0.8), 0.9, True),
        ((0.95, 0.95, 0.95), 0.9, False),  # not enough better
        ((0.4, 0.4, 1.05), 0.9, False),  # worse in one third
        ((0.8, 0.8, 0.8), 0.4, False),  # does not follow
    ],
)
def test_a_part_is_kept_if_it_is_better_worse_in_no_third_and_follows(
    after: tuple[float, ...], follows: float, is_kept: bool
) -> None:
    one = np.ones(len(MEASURES))
    judged = [Judged(one, error * one, follows * one) for error in after]
    assert better_parts(judged) == (list(PARTS) if is_kept else [])
