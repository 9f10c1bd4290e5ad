"""Crops, holding and letting go, with networks that read a drawn head: a bright disk on a dark ground.

The disk's place and size in the crop are the head's place and scale, its colour is the expression.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from driver.cut import cut
from driver.native_face import NativeFace, NativeFaceSettings
from driver.runtime import Array, State
from driver.steady import SteadySettings
from driver.types import Motion, VideoFrame
from models.head.crop import CROP_MIDDLE_M, Crop
from models.head.face_boxes import DETECTOR_PX

WIDTH, HEIGHT = 640, 480
FOCAL_PX = 0.5 * WIDTH / np.tan(np.radians(30.0))
RADIUS_M = 0.05
STEP_NS = 33_333_333
AS_SEEN = SteadySettings(rest_s=0.0, moved_m=0.001)


def picture(x_m: float, y_m: float, distance_m: float, red: int = 200) -> NDArray[np.uint8]:
    """A disk of RADIUS_M about a head's middle that is at this place in front of the camera."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    scale = FOCAL_PX / distance_m
    centre = np.array([WIDTH / 2 + x_m * scale, HEIGHT / 2 - y_m * scale])
    fixed = tuple(round(value * 16) for value in centre - 0.5)
    colour = (red, 220, 220)
    cv2.circle(image, fixed, round(RADIUS_M * scale * 16), colour, -1, cv2.LINE_AA, shift=4)
    return image


def disk(image: NDArray[np.uint8]) -> tuple[float, float, float, float] | None:
    """x, y, radius in sides of the picture, and red 0..1; None without a disk."""
    level = image[:, :, 1].astype(np.float64) / 220.0
    area = level.sum()
    if area < 20.0:
        return None
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    side = image.shape[1]
    red = float((image[:, :, 0] * level).sum() / area / 255.0)
    return (
        float((x * level).sum() / area / side),
        float((y * level).sum() / area / side),
        float(np.sqrt(area / np.pi) / side),
        red,
    )


class DrawnFace:
    """A network of crops with a ring of two past expressions, like the real one's look-ahead.

    It tells the scale at the face for that at the head's origin, two centimetres behind: the depth is 4 cm off.
    """

    crop_px = 128

    def __init__(self) -> None:
        self.crops: list[NDArray[np.uint8]] = []
        self.steps_s: list[float] = []
        self.residuals: list[float] = []

    def initial_state(self, batch: int = 1) -> State:
        names = ("knob_lookahead", "knob_residual", "step_s")
        return {name: np.zeros(batch, np.float32) for name in names} | {"ring": np.zeros((batch, 3), np.float32)}

    def step(self, signal: Array, state: State) -> tuple[dict[str, Array], State]:
        self.crops.append(signal[0])
        self.steps_s.append(float(state["step_s"][0]))
        self.residuals.append(float(state["knob_residual"][0]))
        found = disk(signal[0])
        x, y, radius, red = found or (0.5, 0.5, 0.2, 0.0)
        scale = radius / RADIUS_M  # crop sides a metre
        place = [x - scale * CROP_MIDDLE_M[0], y + scale * CROP_MIDDLE_M[1], scale]
        ring = np.concatenate([[red], state["ring"][0, :2]]).astype(np.float32)
        told = {
            "expression": np.full(50, ring[int(state["knob_lookahead"][0])]),
            "jaw": np.zeros(3),
            "eyelids": np.full(2, red),
            "gaze": np.zeros(4),
            "rotation": np.eye(3),
            "place": np.array(place),
            "shape": np.full(100, red),
            "points": np.tile([x, y], (140, 1)),
            "presence": np.array(0.0 if found is None else 1.0),
            "visibility": np.ones(4),
            "valence": np.array(0.0),
            "arousal": np.array(0.0),
        }
        results = {name: np.asarray(value, np.float32)[None] for name, value in told.items()}
        return results, state | {"ring": ring[None]}


class DrawnDetector:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *, picture: Array) -> dict[str, Array]:
        self.calls += 1
        found = disk(picture[0])
        if found is None:
            nothing = np.zeros((1, 1), np.float32)
            return {"score": nothing, "boxes": np.zeros((1, 1, 4), np.float32), "points": np.zeros((1, 1, 5, 2))}
        x, y, radius, _ = found
        # Rough on purpose: a little beside the face and too small.
        x, unit = x + 0.2 * radius, 0.8 * radius / RADIUS_M
        eyes, mouth = y - 0.03 * unit, y + 0.035 * unit
        points = [
            [x - 0.03 * unit, eyes],
            [x + 0.03 * unit, eyes],
            [x, y],
            [x - 0.02 * unit, mouth],
            [x + 0.02 * unit, mouth],
        ]
        box = [x - radius, y - radius, x + radius, y + radius]
        return {
            "score": np.ones((1, 1), np.float32),
            "boxes": np.array([[box]], np.float32),
            "points": np.array([[points]], np.float32),
        }


def reader(**settings: float | SteadySettings) -> tuple[NativeFace, DrawnFace, DrawnDetector]:
    face, detector = DrawnFace(), DrawnDetector()
    return NativeFace(face, detector, NativeFaceSettings(**settings)), face, detector  # type: ignore[arg-type]


def read(stage: NativeFace, pictures: list[NDArray[np.uint8]], first: int = 0) -> list[Motion]:
    """All motions that the pictures complete, in order."""
    frames = [VideoFrame(image, number * STEP_NS, number) for number, image in enumerate(pictures, first)]
    return [motion for frame in frames for motion in stage.process(frame)]


@pytest.mark.parametrize("where", [(0.0, 0.0, 0.6), (0.15, -0.05, 0.8), (-0.2, 0.1, 1.0)])
def test_the_head_is_where_it_was_drawn(where: tuple[float, float, float]) -> None:
    stage, _, detector = reader()
    motions = read(stage, [picture(*where)] * 3)
    middle = motions[-1].head_translation + np.array(CROP_MIDDLE_M)
    np.testing.assert_allclose(middle, [where[0], where[1], -where[2]], atol=0.045)
    assert detector.calls == 1
    assert motions[0].confidence.min() > 0.5
    seen = np.array([WIDTH / 2 + where[0] * FOCAL_PX / where[2], HEIGHT / 2 - where[1] * FOCAL_PX / where[2]])
    assert stage.points_px is not None
    np.testing.assert_allclose(stage.points_px[0], seen, atol=1.0)


def test_the_crop_follows_a_head_that_moves_and_stays_with_one_that_does_not() -> None:
    stage, face, detector = reader()
    still = [picture(0.0, 0.0, 0.7)] * 6
    read(stage, still)
    assert all(np.array_equal(crop, face.crops[-1]) for crop in face.crops[-4:])
    moving = [picture(0.01 * step, 0.0, 0.7) for step in range(12)]
    read(stage, moving, first=6)
    assert detector.calls == 1
    x, y, _, _ = disk(face.crops[-1]) or (0.0, 0.0, 0.0, 0.0)
    assert (x, y) == pytest.approx((0.5, 0.5), abs=0.09)


def test_a_face_that_is_gone_is_let_go_of_and_found_again() -> None:
    stage, _, detector = reader()
    nobody = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 3
    motions = read(stage, [picture(0.0, 0.0, 0.7)] * 3 + nobody + [picture(0.2, 0.1, 0.6)] * 2)
    assert [float(motion.confidence.max()) > 0.0 for motion in motions] == [True] * 3 + [False] * 3 + [True] * 2
    assert motions[4].shape is None
    assert read(stage, nobody[:1], first=8)[0].confidence.max() == 0.0
    assert stage.points_px is None
    # A picture without anybody is searched twice, large and small.
    assert detector.calls == 1 + 3 * 2 + 1 + 2


def test_the_time_between_pictures_is_told_to_the_network() -> None:
    stage, face, _ = reader()
    read(stage, [picture(0.0, 0.0, 0.7)] * 3)
    assert face.steps_s[-2:] == pytest.approx([STEP_NS / 1e9] * 2, rel=1e-3)


@pytest.mark.parametrize(("strength", "knob"), [(1.0, 0.0), (0.25, -0.75), (0.0, -1.0)])
def test_the_residual_has_the_strength_that_was_set(strength: float, knob: float) -> None:
    stage, face, _ = reader(residual=strength)
    read(stage, [picture(0.0, 0.0, 0.7)] * 3)
    assert face.residuals == [knob] * 4


def test_after_a_gap_the_motion_before_says_nothing() -> None:
    stage, _, detector = reader()
    read(stage, [picture(0.0, 0.0, 0.7)] * 3)
    stage.process(VideoFrame(picture(0.0, 0.0, 0.7), 40 * STEP_NS, 40))
    assert detector.calls == 2


@pytest.mark.parametrize("lookahead", [0, 1, 2])
def test_expression_and_all_else_are_of_the_same_picture(lookahead: int) -> None:
    stage, _, _ = reader(lookahead=lookahead, steady_motion=AS_SEEN)
    reds = [60, 90, 120, 150, 180, 210]
    motions = read(stage, [picture(0.0, 0.0, 0.7, red) for red in reds])
    assert len(motions) == len(reds) - lookahead
    for number, motion in enumerate(motions):
        assert motion.capture_ns == number * STEP_NS
        assert motion.known_ns == (number + lookahead) * STEP_NS
        assert motion.eyelids[0] == pytest.approx(reds[number] / 255.0, abs=0.03)
        np.testing.assert_allclose(motion.expression, motion.eyelids[0], atol=1e-6)


def test_an_expression_that_hardly_changes_is_held() -> None:
    reds = [120 + 2 * (number % 2) for number in range(30)]
    moves: list[float] = []
    for stage in (reader()[0], reader(steady_motion=AS_SEEN)[0]):
        told = np.array([motion.expression[0] for motion in read(stage, [picture(0.0, 0.0, 0.7, red) for red in reds])])
        moves.append(float(np.abs(np.diff(told[10:])).mean()))
    assert 0.0 < moves[0] < 0.6 * moves[1]


@pytest.mark.parametrize("lookahead", [0, 1, 2])
def test_time_only_goes_on_when_a_face_goes_and_comes(lookahead: int) -> None:
    stage, _, _ = reader(lookahead=lookahead)
    face, nobody = picture(0.0, 0.0, 0.7), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    told_ns = [motion.capture_ns for motion in read(stage, [face] * 4 + [nobody] * 2 + [face] * 4 + [nobody])]
    assert told_ns == sorted(set(told_ns))
    assert told_ns[-1] == 10 * STEP_NS


def test_the_person_is_a_mean_of_confident_pictures_and_outlives_a_short_absence() -> None:
    stage, _, _ = reader(identity_pictures=10)
    first = read(stage, [picture(0.0, 0.0, 0.7, 100)] * 20)[-1].shape
    assert first is not None
    gone = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)]
    again = read(stage, [*gone, picture(0.0, 0.0, 0.7, 200)], first=20)[-1].shape
    assert again is not None
    assert first[0] == pytest.approx(100 / 255, abs=0.02)
    assert first[0] < again[0] < first[0] + 0.06
    stage.forget()
    stranger = read(stage, [picture(0.0, 0.0, 0.7, 200)], first=22)[-1].shape
    assert stranger is not None
    assert stranger[0] == pytest.approx(200 / 255, abs=0.03)


def test_equal_pictures_give_equal_motion() -> None:
    pictures = [picture(0.01 * step, 0.0, 0.7) for step in range(8)]
    one, two = read(reader()[0], pictures), read(reader()[0], pictures)
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first.head_translation, second.head_translation)
        np.testing.assert_array_equal(first.expression, second.expression)


def test_a_small_face_says_less_of_its_expression_and_still_where_it_is() -> None:
    stage, _, _ = reader()
    motion = read(stage, [picture(0.0, 0.0, 3.0)] * 2)[-1]
    mouth, *_, head = motion.confidence
    assert mouth < 0.5 * head


@pytest.mark.parametrize("side_px", [90.0, 128.0, 300.0, 420.0])
def test_a_cut_shows_what_the_crop_says_at_any_size(side_px: float) -> None:
    """A disk at a quarter of the crop is at a quarter of the cut, whatever it is shrunk by."""
    crop = Crop(300.0, 220.0, side_px, 0.3)
    at = crop.to_picture() @ np.array([0.25, 0.35, 1.0])
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    fixed = tuple(round(value * 16) for value in at - 0.5)
    cv2.circle(image, fixed, int(0.08 * side_px * 16), (255, 220, 220), -1, cv2.LINE_AA, shift=4)
    x, y, radius, _ = disk(cut(image, crop, DETECTOR_PX // 2)) or (0.0, 0.0, 0.0, 0.0)
    assert (x, y) == pytest.approx((0.25, 0.35), abs=0.006)
    assert radius == pytest.approx(0.08, abs=0.006)


def test_a_large_face_does_not_shimmer() -> None:
    """A pattern finer than the cut's pixels becomes grey, however the crop lies over it."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[::3, ::3] = 255
    inside = cut(image, Crop(320.3, 240.7, 400.0, 0.2), 128)[8:-8, 8:-8]
    assert inside.std() < 12.0


def test_a_crop_beyond_the_picture_is_black() -> None:
    assert not cut(np.full((HEIGHT, WIDTH, 3), 255, np.uint8), Crop(-900.0, -900.0, 400.0, 0.0), 128).any()


def test_a_look_ahead_that_the_network_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.2"):
        NativeFaceSettings(lookahead=3)
