"""The solver on landmarks whose truth is known: pose, jaw, lids, gaze, expression; time; mirrors; loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.synthetic_face import FOV_DEG, FRAME_NS, Person, Pose, arkit_of, mirrored, moving, tracks, turn_error_deg

from driver.landmark_solver import LandmarkSolver
from driver.types import FaceTrack, Motion
from models.head.rotation import matrix_from_axis_angle
from protocol.frame import REGIONS


def solved(items: list[FaceTrack]) -> list[Motion]:
    solver = LandmarkSolver(horizontal_fov_deg=FOV_DEG)
    return [solver.process(item) for item in items]


def settled(pose: Pose, person: Person | None = None) -> Motion:
    """The motion of a face that was at rest for a second and has now held `pose` for half a second."""
    person = person or Person()
    rest = replace(pose, weights={}, gaze=(0.0, 0.0))
    return solved(tracks(person, [rest] * 30 + [pose] * 15))[-1]


@pytest.mark.parametrize(
    ("rotation", "translation"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, -0.5)),
        ((0.0, 0.5, 0.0), (0.05, 0.0, -0.6)),
        ((0.3, -0.3, 0.1), (-0.08, 0.05, -0.45)),
        ((-0.2, 0.2, -0.4), (0.0, -0.05, -0.8)),
    ],
)
def test_the_pose_of_a_known_head_is_exact(rotation, translation) -> None:
    motion = settled(Pose(rotation=rotation, translation=translation))
    assert turn_error_deg(motion.head_rotation, rotation) < 0.5
    np.testing.assert_allclose(motion.head_translation, translation, atol=0.005)


def test_a_face_at_rest_stays_at_rest() -> None:
    motion = settled(Pose())
    assert max(arkit_of(motion).values()) < 0.06
    assert motion.jaw[0] < 0.01
    assert motion.confidence.min() > 0.9


@pytest.mark.parametrize("jaw_open", [0.25, 0.6, 1.0])
def test_the_jaw_opens_as_far_as_it_does(jaw_open: float) -> None:
    pose = Pose({"jawOpen": jaw_open})
    motion = settled(pose)
    assert motion.jaw[0] == pytest.approx(pose.motion().jaw[0], rel=0.15)
    assert arkit_of(motion)["mouthClose"] < 0.1


def test_closed_lips_over_an_open_jaw_are_told_from_a_closed_jaw() -> None:
    weights = arkit_of(settled(Pose({"jawOpen": 0.5, "mouthClose": 0.5})))
    assert weights["jawOpen"] > 0.25
    assert weights["mouthClose"] > 0.2


@pytest.mark.parametrize(
    "names",
    [
        ("mouthSmileLeft", "mouthSmileRight"),
        ("mouthSmileLeft",),
        ("mouthFrownLeft", "mouthFrownRight"),
        ("browDownLeft", "browDownRight"),
        ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
        ("mouthPucker",),
        ("mouthLeft",),
    ],
    ids=lambda names: "+".join(names),
)
def test_a_shape_is_seen_as_itself(names: tuple[str, ...]) -> None:
    weights = arkit_of(settled(Pose(dict.fromkeys(names, 0.8))))
    shown = [weights[name] for name in names]
    others = sorted((value, name) for name, value in weights.items() if name not in names)
    assert np.mean(shown) > 0.2
    assert np.mean(shown) > 1.2 * others[-1][0], others[-3:]


@pytest.mark.parametrize("side", ["Left", "Right"])
def test_one_eye_blinks_alone(side: str) -> None:
    eyelids = settled(Pose({f"eyeBlink{side}": 1.0})).eyelids
    closed, open_ = (eyelids[0], eyelids[1]) if side == "Left" else (eyelids[1], eyelids[0])
    assert closed > 0.9
    assert open_ < 0.1


def test_lids_close_in_proportion() -> None:
    shown = [settled(Pose({"eyeBlinkLeft": a, "eyeBlinkRight": a})).eyelids.mean() for a in (0.0, 0.35, 0.6, 1.0)]
    assert shown[0] < 0.05
    assert 0.15 < shown[1] < shown[2] - 0.1 < shown[3]
    assert shown[3] > 0.95


@pytest.mark.parametrize("gaze", [(0.0, 0.35), (0.0, -0.35), (0.25, 0.0), (-0.25, 0.0), (0.15, 0.2)])
@pytest.mark.parametrize("rotation", [(0.0, 0.0, 0.0), (0.1, 0.3, 0.0)])
def test_gaze_is_followed_in_the_heads_frame(gaze, rotation) -> None:
    motion = settled(Pose(gaze=gaze, rotation=rotation))
    expected = np.array([*gaze, *gaze])
    np.testing.assert_allclose(motion.gaze, expected, atol=np.radians(5.0))


def test_a_stranger_keeps_their_shape_and_shows_no_expression() -> None:
    random = np.random.default_rng(3)
    person = Person(random.normal(0.0, 0.7, 30))
    poses = moving(120, lambda t: Pose(rotation=(0.1 * np.sin(2 * t), 0.3 * np.sin(1.3 * t), 0.0)))
    motions = solved(tracks(person, poses))
    last = motions[-1]
    assert np.linalg.norm(last.shape) > 1.0  # type: ignore[arg-type]
    brought = {name: value for name, value in arkit_of(last).items() if value > 0.15}
    assert not brought
    assert turn_error_deg(last.head_rotation, poses[-1].rotation) < 2.5


def test_a_mirrored_picture_gives_mirrored_motion() -> None:
    poses = moving(
        40,
        lambda t: Pose(
            {"mouthSmileLeft": min(t, 0.8), "eyeBlinkRight": 0.7, "jawOpen": 0.3, "browDownRight": 0.5},
            gaze=(0.1, 0.2),
            rotation=(0.05, 0.2 * t, 0.1),
            translation=(0.04, 0.02, -0.55),
        ),
    )
    items = tracks(Person(), poses)
    here, there = solved(items)[-1], solved([mirrored(item) for item in items])[-1]
    flip = np.diag([-1.0, 1.0, 1.0])
    turned = flip @ matrix_from_axis_angle(here.head_rotation) @ flip
    np.testing.assert_allclose(matrix_from_axis_angle(there.head_rotation), turned, atol=1e-2)
    np.testing.assert_allclose(there.head_translation, here.head_translation * [-1, 1, 1], atol=1e-3)
    np.testing.assert_allclose(there.jaw, here.jaw * [1, -1, -1], atol=5e-3)
    np.testing.assert_allclose(there.eyelids, here.eyelids[::-1], atol=2e-2)
    np.testing.assert_allclose(there.gaze, here.gaze[[2, 3, 0, 1]] * [1, -1, 1, -1], atol=2e-2)
    smile, other = arkit_of(here), arkit_of(there)
    assert smile["mouthSmileLeft"] > smile["mouthSmileRight"] + 0.1
    assert other["mouthSmileRight"] == pytest.approx(smile["mouthSmileLeft"], abs=0.03)
    assert other["mouthSmileLeft"] == pytest.approx(smile["mouthSmileRight"], abs=0.03)


def talking(t: float) -> Pose:
    return Pose({"jawOpen": 0.3 + 0.3 * np.sin(9 * t)}, rotation=(0.0, 0.2 * np.sin(2 * t), 0.0))


def test_equal_tracks_give_equal_motion() -> None:
    items = tracks(Person(), moving(40, talking))
    for one, two in zip(solved(items), solved(items), strict=True):
        for name in (
            "expression",
            "jaw",
            "eyelids",
            "gaze",
            "head_rotation",
            "head_translation",
            "shape",
            "confidence",
        ):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_the_frame_rate_hardly_matters() -> None:
    slow, fast = (
        solved(tracks(Person(), moving(count, talking, frame_ns), frame_ns))
        for count, frame_ns in ((30, 40_000_000), (60, 20_000_000))
    )
    here, there = np.array([m.jaw[0] for m in slow]), np.array([m.jaw[0] for m in fast])[::2]
    assert np.ptp(here) > 0.1
    np.testing.assert_allclose(here[5:], there[5:], atol=0.02)


def test_talking_is_followed_without_lag() -> None:
    poses = moving(90, talking)
    shown = np.array([motion.jaw[0] for motion in solved(tracks(Person(), poses))])
    true = np.array([pose.motion().jaw[0] for pose in poses])
    assert np.corrcoef(shown[15:], true[15:])[0, 1] > 0.99
    assert np.corrcoef(shown[15:], true[15:])[0, 1] > np.corrcoef(shown[16:], true[15:-1])[0, 1]


def test_noise_on_a_still_face_makes_little_jitter() -> None:
    random = np.random.default_rng(0)
    still = Person().track(Pose())
    assert still.landmarks is not None
    items = [
        FaceTrack(
            (still.landmarks + random.normal(0, 0.3, (478, 3))).astype(np.float32), 1.0, (640, 480), 1 + i * FRAME_NS
        )
        for i in range(60)
    ]
    motions = solved(items)[20:]
    turns = np.degrees(np.array([motion.head_rotation for motion in motions]))
    assert turns.std(axis=0).max() < 0.3
    assert np.array([motion.jaw[0] for motion in motions]).std() < 0.01
    weights = np.array([list(arkit_of(motion).values()) for motion in motions])
    assert weights.std(axis=0).max() < 0.06


def test_no_face_is_no_knowledge() -> None:
    solver = LandmarkSolver()
    motion = solver.process(FaceTrack(None, 0.1, (640, 480), 5))
    assert motion.capture_ns == 5
    np.testing.assert_array_equal(motion.confidence, 0.0)
    np.testing.assert_array_equal(motion.expression, 0.0)


def test_a_face_that_returns_is_known_again_and_elsewhere_at_once() -> None:
    random = np.random.default_rng(5)
    person = Person(random.normal(0.0, 0.7, 30))
    solver = LandmarkSolver()
    for item in tracks(person, [Pose()] * 60):
        before = solver.process(item)
    lost_ns = 60 * FRAME_NS
    solver.process(FaceTrack(None, 0.0, (640, 480), lost_ns))
    there = Pose(rotation=(0.0, -0.4, 0.0), translation=(0.15, 0.05, -0.6))
    motion = solver.process(person.track(there, lost_ns + 1_000_000_000))
    assert turn_error_deg(motion.head_rotation, there.rotation) < 3.0
    np.testing.assert_allclose(motion.shape, before.shape, atol=0.3)
    later = solver.process(person.track(there, lost_ns + 30_000_000_000))
    assert np.abs(later.shape - motion.shape).max() > 0.05, "half a minute later it may be somebody else"  # type: ignore[operator]


def test_a_cut_to_another_place_owes_nothing_to_the_picture_before() -> None:
    person = Person(np.random.default_rng(4).normal(0.0, 0.7, 30))
    here = Pose(
        {"jawOpen": 0.8, "mouthSmileLeft": 0.8, "mouthSmileRight": 0.8},
        rotation=(0.2, 0.6, 0.1),
        translation=(-0.15, 0.03, -0.5),
    )
    there = Pose(rotation=(-0.2, -0.6, -0.1), translation=(0.15, -0.03, -0.65))
    at_rest = Pose(translation=here.translation)
    motion = solved(tracks(person, [at_rest] * 30 + [here] * 15 + [there]))[-1]
    assert turn_error_deg(motion.head_rotation, there.rotation) < 3.0
    assert max(arkit_of(motion).values()) < 0.15


def test_confidence_falls_with_what_cannot_be_seen() -> None:
    person = Person()

    def confidence(**change) -> dict[str, float]:
        pose = Pose(**{key: value for key, value in change.items() if key in ("rotation", "translation")})
        items = [replace(item, presence=change.get("presence", 1.0)) for item in tracks(person, [pose] * 10)]
        return dict(zip(REGIONS, solved(items)[-1].confidence.tolist(), strict=True))

    near = confidence()
    assert min(near.values()) > 0.9
    assert max(confidence(presence=0.55).values()) < 0.3
    far = confidence(translation=(0.0, 0.0, -2.5))
    assert far["mouth"] < 0.7 < far["head"]
    aside = confidence(rotation=(0.0, 1.25, 0.0))
    assert aside["mouth"] < 0.6 < near["mouth"]


def test_a_face_that_fills_the_picture_was_cut_out_of_a_larger_one() -> None:
    solver = LandmarkSolver(horizontal_fov_deg=2 * FOV_DEG)  # twice as wide as the camera that took the pictures
    far, near = (Pose(translation=(0.0, 0.0, z)) for z in (-2.0, -0.5))
    assert solver.process(Person().track(far)).head_translation[2] > -1.0
    assert solver.lens == 1.0
    motion = solver.process(Person().track(near, 60_000_000_000))
    assert solver.lens > 2.0
    assert motion.head_translation[2] == pytest.approx(-0.45, abs=0.08)
