"""The fit of one picture: what it carries over, what it bounds, and what it starts from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.synthetic_face import FOCAL_PX, SIZE, Pose, turn_error_deg
from support.synthetic_face import Person as SyntheticPerson

from driver.face_fit import FaceFitter, FitSettings
from driver.face_view import Face, FaceView, Person, Pinhole, Sighting
from driver.shape_space import ShapeSpace
from models.head.flame import JAW, open_head
from models.head.landmarks import INNER_LIPS, LandmarkRig, open_head_landmarks, spaced
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle

ASIDE, NOD = matrix_from_axis_angle([0.0, 0.7, 0.0]), matrix_from_axis_angle([0.25, 0.0, 0.0])
CAMERA = Pinhole(FOCAL_PX, (SIZE[0] / 2, SIZE[1] / 2))


@pytest.fixture(scope="module")
def rig() -> LandmarkRig:
    embedding = open_head_landmarks()
    return LandmarkRig(open_head(), embedding, spaced(open_head(), embedding, 0.006))


@pytest.fixture(scope="module")
def fitter(rig: LandmarkRig) -> FaceFitter:
    settings = FitSettings()
    return FaceFitter(FaceView(rig, ShapeSpace(open_head()), settings.certainty), settings)


@pytest.fixture(scope="module")
def person(rig: LandmarkRig) -> Person:
    return Person(np.zeros(100, np.float32), rig.at_rest(()), rig.joint(JAW, (), ()))


def sighting(rig: LandmarkRig, pose: Pose, visibility: float = 1.0) -> Sighting:
    landmarks = SyntheticPerson().track(pose).landmarks
    assert landmarks is not None
    observed = CAMERA.normalised(landmarks[rig.ids, :2]).T
    return Sighting(observed, np.full(len(rig.ids), visibility, np.float32), np.zeros(2), np.zeros(4))


def smiling(fitter: FaceFitter, guess: Face) -> Face:
    weights = np.zeros(fitter.view.shape_count)
    weights[fitter.view.space.names.index("mouthSmileLeft")] = 0.8
    return replace(guess, weights=weights, jaw=np.array([0.2, 0.0, 0.0]))


def first_guess(fitter: FaceFitter, rig: LandmarkRig, person: Person, pose: Pose) -> Face:
    landmarks = SyntheticPerson().track(pose).landmarks
    assert landmarks is not None
    return fitter.first_guess(landmarks[rig.ids], person, CAMERA)


def test_the_first_guess_is_near_enough_to_start_from(fitter, rig, person) -> None:
    pose = Pose(rotation=(0.2, 0.5, -0.3), translation=(0.1, 0.05, -0.7))
    guess = first_guess(fitter, rig, person, pose)
    assert turn_error_deg(axis_angle_from_matrix(guess.rotation), pose.rotation) < 12.0
    np.testing.assert_allclose(guess.translation, pose.translation, atol=0.06)


def test_what_is_not_seen_is_carried_over_and_fades(fitter, rig, person) -> None:
    seen = sighting(rig, Pose(), visibility=0.0)
    start = smiling(fitter, first_guess(fitter, rig, person, Pose()))
    after, _ = fitter.fit(seen, person, start, 1 / 30)
    assert 0.4 * start.weights.max() < after.weights.max() < start.weights.max()
    assert 0.7 * start.jaw[0] < after.jaw[0] < start.jaw[0]
    forgotten, _ = fitter.fit(seen, person, start, None)
    assert forgotten.weights.max() < 0.01
    assert forgotten.jaw[0] < 0.01


def test_carrying_over_does_not_depend_on_the_frame_rate(fitter, rig, person) -> None:
    seen = sighting(rig, Pose(), visibility=0.0)
    start = smiling(fitter, first_guess(fitter, rig, person, Pose()))
    once, _ = fitter.fit(seen, person, start, 1 / 60)
    twice = start
    for _ in range(4):
        twice, _ = fitter.fit(seen, person, twice, 1 / 240)
    np.testing.assert_allclose(twice.jaw, once.jaw, atol=0.01)
    np.testing.assert_allclose(twice.weights, once.weights, atol=0.05)


def test_what_is_seen_clearly_follows_at_once(fitter, rig, person) -> None:
    start = first_guess(fitter, rig, person, Pose())
    start, _ = fitter.fit(sighting(rig, Pose()), person, start, None)
    opened = Pose({"jawOpen": 0.3}, rotation=(0.0, 0.15, 0.0))
    after, left = fitter.fit(sighting(rig, opened), person, start, 1 / 30)
    assert after.jaw[0] == pytest.approx(opened.motion().jaw[0], rel=0.25)
    assert turn_error_deg(axis_angle_from_matrix(after.rotation), opened.rotation) < 1.0
    assert np.median(left.error_m) < 0.001


def test_a_turn_is_followed_from_where_the_head_is(fitter, rig, person) -> None:
    aside, nodding = (Pose(rotation=tuple(axis_angle_from_matrix(turn))) for turn in (ASIDE, NOD @ ASIDE))
    start, _ = fitter.fit(sighting(rig, aside), person, first_guess(fitter, rig, person, aside), None)
    after, _ = fitter.fit(sighting(rig, nodding), person, start, 1 / 30)
    assert turn_error_deg(axis_angle_from_matrix(after.rotation), nodding.rotation) < 0.5


def test_noise_wakes_few_shapes(fitter, rig, person) -> None:
    seen = sighting(rig, Pose())
    noise = np.random.default_rng(1).normal(0.0, 0.002, seen.observed.shape).astype(np.float32)
    guess = first_guess(fitter, rig, person, Pose())
    face, _ = fitter.fit(replace(seen, observed=seen.observed + noise), person, guess, None)
    assert np.count_nonzero(face.weights > 0.02) < 6


def test_no_jaw_closes_beyond_closed(fitter, rig, person) -> None:
    seen = sighting(rig, Pose())
    observed = seen.observed.copy()
    observed[1] += 0.02 * rig.jaw_share  # the chin 1 cm higher than it can be
    observed[0] += 0.04 * rig.jaw_share  # and 2 cm aside
    face, _ = fitter.fit(replace(seen, observed=observed), person, first_guess(fitter, rig, person, Pose()), None)
    settings = FitSettings()
    assert face.jaw[0] == 0.0
    assert np.abs(face.jaw[1:]).max() == settings.jaw_side_range_rad


def test_weights_stay_between_nothing_and_full(fitter, rig, person) -> None:
    random = np.random.default_rng(0)
    seen = sighting(rig, Pose({"mouthSmileLeft": 1.0, "browInnerUp": 1.0}))
    wild = replace(seen, observed=seen.observed + random.normal(0, 0.02, seen.observed.shape).astype(np.float32))
    face, _ = fitter.fit(wild, person, first_guess(fitter, rig, person, Pose()), None)
    assert face.weights.min() >= 0.0
    assert face.weights.max() <= 1.0
    assert np.count_nonzero(face.weights) > 3
    assert 0.0 <= face.jaw[0] <= 0.5


def test_the_derivative_by_the_face_is_that_of_the_residual(fitter, rig, person) -> None:
    view = fitter.view
    seen = sighting(rig, Pose({"jawOpen": 0.4, "mouthSmileLeft": 0.5}))
    face = smiling(fitter, first_guess(fitter, rig, person, Pose()))
    left = view.residual(seen, person, face)
    by_face = view.by_face(left)
    # Outliers weigh less the farther they are; their weights are constants of a step, so compare where none is one.
    is_near = left.error_m < 0.006
    upper, lower = (rig.rows_of(lip) for lip in INNER_LIPS)
    is_gap_near = is_near[upper] & is_near[lower]
    assert is_gap_near.any()
    is_near = np.concatenate([is_near, is_gap_near] * 2)
    assert is_near.sum() > 200
    for row in (0, 1, 2, 3, 4, 7, 6, 12, 30, 45):
        step = np.zeros(view.size)
        step[row] = 1e-3
        moved = replace(
            face,
            rotation=matrix_from_axis_angle(step[:3]) @ face.rotation,
            translation=face.translation + step[3:6],
            jaw=face.jaw + step[6:9],
            slips=face.slips + step[9:25],
            weights=face.weights + step[25:],
        )
        numeric = (left.values - view.residual(seen, person, moved).values) / 1e-3
        scale = np.abs(by_face[row]).max()
        np.testing.assert_allclose(by_face[row][is_near], numeric[is_near], atol=0.03 * scale)
