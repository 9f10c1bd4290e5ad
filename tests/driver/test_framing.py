"""What goes out: ARKit without idling, the identity now and then, the right head's id."""

import numpy as np
import pytest

from driver.channels import Channel, default_channels
from driver.framing import FrameBuilder, FrameSettings
from driver.fuse import Fused
from driver.motion_vector import VECTOR_SIZE, pack
from driver.types import Motion
from models.head.arkit import ArkitMap, mirrored_weights
from models.head.flame import FaceRig, open_head
from models.head.mirror import MotionMirror
from protocol.frame import ARKIT_SHAPES, OPEN_HEAD_ID, PARTS, FaceFrame


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
    frame = FrameBuilder(FrameSettings(), "flame-2023-open", arkit, Doubled(), channels={}).build(
        fused(np.ones(100, np.float32)), vector, 0, 0
    )
    assert frame.head == "flame-2023-open"
    assert frame.shape is None
    assert np.allclose(frame.expression, 1.0)


def asymmetric_motion(arkit: ArkitMap) -> Motion:
    """A face that looks the same from no two sides, with something in it that ARKit's shapes cannot say."""
    weights = np.zeros(52, np.float32)
    for name, value in (
        ("mouthSmileLeft", 0.7),
        ("browOuterUpRight", 0.5),
        ("jawOpen", 0.4),
        ("jawRight", 0.3),
        ("eyeBlinkLeft", 0.9),
        ("eyeLookInLeft", 0.4),
        ("eyeLookOutRight", 0.5),
    ):
        weights[ARKIT_SHAPES.index(name)] = value
    expression, jaw, eyelids, gaze = arkit.to_motion(weights)
    expression = expression + np.random.default_rng(0).normal(0.0, 0.3, 50).astype(np.float32)
    pose = {"head_rotation": np.float32([0.1, 0.3, -0.2]), "head_translation": np.float32([0.05, -0.02, -0.6])}
    return Motion(0, expression=expression, jaw=jaw, eyelids=eyelids, gaze=gaze, **pose)


def of_motion(arkit: ArkitMap, motion: Motion, shape: np.ndarray | None = None, **options) -> FaceFrame:
    return FrameBuilder(FrameSettings(), OPEN_HEAD_ID, arkit, **options).build(fused(shape), pack(motion), 10, 11)


def test_the_mirror_twice_changes_nothing_and_once_swaps_the_sides_of_everything(arkit: ArkitMap) -> None:
    mirror, motion = MotionMirror(open_head()), asymmetric_motion(arkit)
    shape = np.random.default_rng(1).normal(size=100).astype(np.float32)
    plain, mirrored = of_motion(arkit, motion, shape), of_motion(arkit, motion, shape, mirror=mirror)
    sides = [part.name for part in PARTS if part.name in (*vars(motion), "shape") and part.size > 1]
    sides.remove("confidence")
    sides.remove("detail")  # the reader mirrors the picture: see tests/driver/test_detail.py
    assert len(sides) == 7
    for name in sides:
        once = mirrored.part(name)
        assert once is not None
        assert not np.array_equal(once, plain.part(name)), name
        assert np.array_equal(mirror.part(name, once), plain.part(name)), name
    assert np.array_equal(mirrored.arkit, mirrored_weights(plain.arkit))
    assert weight(mirrored, "mouthSmileRight") == weight(plain, "mouthSmileLeft") > 0.5
    assert mirrored.eyelids[1] == plain.eyelids[0] > 0.8
    assert mirrored.head_rotation == pytest.approx([0.1, -0.3, 0.2])
    assert mirrored.head_translation == pytest.approx([-0.05, -0.02, -0.6])
    assert np.array_equal(mirrored.confidence, plain.confidence)
    # Who reads only coefficients and who reads only weights see the same mirrored face.
    assert np.array_equal(
        arkit.to_arkit(mirrored.expression, mirrored.jaw, mirrored.eyelids, mirrored.gaze),
        mirrored_weights(arkit.to_arkit(plain.expression, plain.jaw, plain.eyelids, plain.gaze)),
    )


def test_a_mirrored_frame_shows_the_mirrored_skin(arkit: ArkitMap) -> None:
    head, motion = open_head(), asymmetric_motion(arkit)
    assert head.mirror is not None
    skins = []
    for mirror in (None, MotionMirror(head)):
        frame = of_motion(arkit, motion, np.random.default_rng(1).normal(size=100).astype(np.float32), mirror=mirror)
        rig = FaceRig(head, frame.shape)
        skins.append(
            rig.vertices(
                frame.expression, frame.jaw, frame.eyelids, frame.gaze, frame.head_rotation, frame.head_translation
            )
        )
    assert np.abs(skins[1] - skins[0]).max() > 0.05
    assert np.abs(skins[1][head.mirror] * [-1, 1, 1] - skins[0]).max() < 1e-4


def test_coefficients_follow_the_weights_and_keep_what_no_weight_says(arkit: ArkitMap) -> None:
    motion = asymmetric_motion(arkit)
    plain = of_motion(arkit, motion, channels={})
    assert np.array_equal(plain.expression, motion.expression)
    channels = default_channels() | {
        "mouthSmileLeft": Channel(gain=0.5),
        "jawOpen": Channel(gain=1.4, dead_zone=0.1),
        "eyeLookInLeft": Channel(gain=0.5),
        "eyeBlinkLeft": Channel(curve=2.0),
        "browOuterUpRight": Channel(gain=0.0),
    }
    changed = of_motion(arkit, motion, channels=channels)
    assert weight(changed, "mouthSmileLeft") == pytest.approx(0.5 * weight(plain, "mouthSmileLeft"))
    assert weight(changed, "browOuterUpRight") == 0.0
    read = arkit.to_arkit(changed.expression, changed.jaw, changed.eyelids, changed.gaze)
    assert np.abs(read - changed.arkit).max() < 0.02
    assert changed.gaze[1] == pytest.approx(0.5 * plain.gaze[1], abs=1e-5)
    assert changed.eyelids == pytest.approx([plain.eyelids[0] ** 2, plain.eyelids[1]], abs=1e-5)
    # What is beside the weights is the same before and after.
    beside = [one.expression - arkit.to_motion(one.arkit)[0] for one in (plain, changed)]
    assert np.abs(beside[0]).max() > 0.1
    assert np.abs(beside[0] - beside[1]).max() < 1e-4


def test_channels_belong_to_the_user_s_own_side_mirrored_or_not(arkit: ArkitMap) -> None:
    channels = {"mouthSmileLeft": Channel(gain=0.0)}
    frame = of_motion(arkit, asymmetric_motion(arkit), channels=channels, mirror=MotionMirror(open_head()))
    assert weight(frame, "mouthSmileRight") == 0.0
