"""What goes out: ARKit without idling, the identity now and then, the right head's id."""

import numpy as np
import pytest

from driver.framing import FrameBuilder, FrameSettings
from driver.fuse import Fused
from driver.motion_vector import VECTOR_SIZE, pack
from driver.types import Motion
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES, OPEN_HEAD_ID, FaceFrame


@pytest.fixture(scope="module")
def arkit() -> ArkitMap:
    return ArkitMap(open_head())


def fused(shape: np.ndarray | None = None) -> Fused:
    return Fused(np.zeros(VECTOR_SIZE, np.float32), 5, np.ones(4, np.float32), shape, 0.1, 0.2, 0.3, 0.4)


def built(arkit: ArkitMap, weights: dict[str, float]) -> FaceFrame:
    full = np.array([weights.get(name, 0.0) for name in ARKIT_SHAPES], np.float32)
    expression, jaw, eyelids, gaze = arkit.to_motion(full)
    vector = pack(Motion(0, expression=expression, jaw=jaw, eyelids=eyelids, gaze=gaze))
    return FrameBuilder(FrameSettings(), OPEN_HEAD_ID, arkit).build(fused(), vector, 10, 11)


def weight(frame: FaceFrame, name: str) -> float:
    return float(frame.arkit[ARKIT_SHAPES.index(name)])


def test_a_jaw_that_idles_is_shut_and_an_open_one_stays_fully_open(arkit: ArkitMap) -> None:
    assert weight(built(arkit, {"jawOpen": 0.03}), "jawOpen") == 0.0
    assert weight(built(arkit, {"jawOpen": 1.0}), "jawOpen") == pytest.approx(1.0, abs=0.02)
    assert weight(built(arkit, {"mouthSmileLeft": 0.03, "mouthSmileRight": 0.03}), "mouthSmileLeft") > 0.01


def test_mouth_close_never_exceeds_jaw_open(arkit: ArkitMap) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        frame = built(arkit, {name: float(rng.uniform(0, 1)) for name in ("jawOpen", "mouthClose", "mouthFunnel")})
        assert weight(frame, "mouthClose") <= weight(frame, "jawOpen") + 1e-6


def test_the_rest_of_the_frame(arkit: ArkitMap) -> None:
    frame = built(arkit, {})
    assert (frame.seq, frame.capture_ns, frame.publish_ns, frame.head) == (0, 5, 11, OPEN_HEAD_ID)
    assert (frame.laughter, frame.speech, frame.valence, frame.arousal) == pytest.approx((0.1, 0.2, 0.3, 0.4))


def test_identity_is_sent_at_once_on_change_and_every_second(arkit: ArkitMap) -> None:
    builder = FrameBuilder(FrameSettings(), OPEN_HEAD_ID, arkit)
    vector = np.zeros(VECTOR_SIZE, np.float32)
    one, other = np.zeros(100, np.float32), np.full(100, 0.5, np.float32)
    sent = []
    for index in range(150):
        frame = builder.build(fused(one if index < 100 else other), vector, index * 16_666_667, 0)
        if frame.shape is not None:
            sent.append(index)
    assert sent == [0, 60, 100]


def test_another_head_gets_its_own_motion_and_id_and_no_foreign_identity(arkit: ArkitMap) -> None:
    class Doubled:
        def apply(self, expression, jaw, eyelids, gaze):
            return 2 * expression, jaw, eyelids, gaze

    vector = pack(Motion(0, expression=np.full(50, 0.5, np.float32)))
    frame = FrameBuilder(FrameSettings(), "flame-2023-open", arkit, Doubled()).build(
        fused(np.ones(100, np.float32)), vector, 0, 0
    )
    assert frame.head == "flame-2023-open"
    assert frame.shape is None
    assert np.allclose(frame.expression, 1.0)
