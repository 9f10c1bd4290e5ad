"""Pictures of a head whose truth is known, through tracker and solver. Needs the face model and headless OpenGL."""

from __future__ import annotations

import numpy as np
import pytest
from support.synthetic_face import FOCAL_PX, FOV_DEG, FRAME_NS, SIZE, Person, Pose, moving, turn_error_deg

from driver.errors import ModelError
from driver.face_model import find_face_model
from driver.landmark_solver import LandmarkSolver
from driver.track import FaceTracker
from driver.types import Motion, VideoFrame
from models.head.flame import open_head

FRAMES = 60


def change(t: float) -> Pose:
    blink = float(np.clip(3.0 * np.sin(4.0 * t) - 2.0, 0.0, 1.0))
    return Pose(
        {"jawOpen": 0.35 - 0.35 * np.cos(7.0 * t), "eyeBlinkLeft": blink, "eyeBlinkRight": blink},
        gaze=(0.0, 0.3 * np.sin(5.0 * t)),
        rotation=(0.1 * np.sin(3.0 * t), 0.4 * np.sin(2.0 * t), 0.0),
        translation=(0.02 * np.sin(t), 0.0, -0.45),
    )


@pytest.fixture(scope="module")
def seen() -> tuple[list[Pose], list[Motion]]:
    pytest.importorskip("moderngl", reason="pictures need moderngl")
    from models.head.picture import Camera, render_through

    try:
        tracker = FaceTracker(find_face_model())
    except ModelError as error:
        pytest.skip(str(error))
    camera = Camera(float(FOCAL_PX), (SIZE[0] / 2, SIZE[1] / 2), SIZE)
    solver, person = LandmarkSolver(horizontal_fov_deg=FOV_DEG), Person()
    rest = [Pose(translation=(0.0, 0.0, -0.45))] * 10
    poses = [*rest, *moving(FRAMES, change)]
    motions: list[Motion] = []
    for index, pose in enumerate(poses):
        picture = render_through(camera, person.vertices(pose), open_head(), background=(0.5, 0.55, 0.6))
        motions.append(solver.process(tracker.process(VideoFrame(picture, 1 + index * FRAME_NS, index))))
    return poses[len(rest) :], motions[len(rest) :]


def correlation(one: list[float], other: list[float]) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def test_every_frame_is_tracked_with_confidence(seen) -> None:
    _, motions = seen
    assert min(motion.confidence[3] for motion in motions) > 0.8


def test_the_head_turns_as_it_does(seen) -> None:
    poses, motions = seen
    errors = [turn_error_deg(motion.head_rotation, pose.rotation) for pose, motion in zip(poses, motions, strict=True)]
    assert np.median(errors) < 3.0
    assert np.max(errors) < 7.0
    for axis in range(2):
        assert correlation([p.rotation[axis] for p in poses], [m.head_rotation[axis] for m in motions]) > 0.97


def test_it_is_where_it_is(seen) -> None:
    poses, motions = seen
    errors = np.array([motion.head_translation - pose.translation for pose, motion in zip(poses, motions, strict=True)])
    assert np.abs(errors[:, :2]).max() < 0.004
    assert np.abs(errors[:, 2]).max() < 0.015


def test_the_jaw_the_lids_and_the_gaze_move_as_they_do(seen) -> None:
    poses, motions = seen
    truth = [pose.motion() for pose in poses]
    assert correlation([m.jaw[0] for m in truth], [m.jaw[0] for m in motions]) > 0.95
    assert np.std([m.jaw[0] for m in motions]) > 0.7 * np.std([m.jaw[0] for m in truth])
    assert correlation([m.eyelids[0] for m in truth], [m.eyelids[0] for m in motions]) > 0.9
    open_eyed = [index for index, m in enumerate(truth) if m.eyelids[0] < 0.3]
    shown = [motions[index].gaze[1] for index in open_eyed]
    assert correlation([truth[index].gaze[1] for index in open_eyed], shown) > 0.95
