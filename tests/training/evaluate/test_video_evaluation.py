"""From pictures to the table: measures on made-up points, subjects that keep time, and a crop that follows its face."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from driver.types import Motion, VideoFrame
from models.head.arkit import ArkitMap
from models.head.crop import PictureCamera, crop_of_head, head_in_crop
from models.head.flame import JAW, open_head
from models.head.landmarks import FACE_POINTS, MOUTH_ROWS, LandmarkRig, open_head_landmarks
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from protocol.frame import ARKIT_SHAPES
from training.data.face_store import MARGIN, PICTURE_PX, FaceClip, FaceClipInfo, FaceStore, FaceWriter
from training.data.made_up_faces import made_up_faces
from training.evaluate import video, video_subjects
from training.evaluate import video_metrics as measure
from training.evaluate.channel_sheet import sheet, strongest
from training.evaluate.checked_blinks import BLINKS
from training.evaluate.video_channels import by_channel
from training.evaluate.video_columns import COLUMNS
from training.evaluate.video_cost import costs_ms
from training.evaluate.video_groups import by_group, portrait_groups
from training.evaluate.video_judged import VideoJudged
from training.evaluate.video_material import CLIPS, PORTRAITS, STEPS, SYNTHETIC, Scene, VideoMaterial, load
from training.evaluate.video_on_real import blinks_by_eye, is_still
from training.evaluate.video_subjects import MediaPipeSolver, Sight
from training.evaluate.video_watch import watch, watched

POINTS = len(FACE_POINTS)
RIG = LandmarkRig(open_head(), open_head_landmarks(), FACE_POINTS)
ARKIT = open_head().arkit_motion
CAMERA = PictureCamera(500.0, (320.0, 240.0))


def face_px(weights: dict[str, float], shift_px: float = 0.0) -> np.ndarray:
    """FACE_POINTS [140, 2] of the mean head that moves by ARKit's weights, 0.5 m before a camera."""
    motion = sum(weight * ARKIT[ARKIT_SHAPES.index(name)] for name, weight in weights.items()) + np.zeros(59)
    expression, jaw, eyelids = motion[:50].astype(np.float32), motion[50:53], motion[53:55]
    rest, joint = RIG.at_rest(()), RIG.joint(JAW, (), expression)
    points = RIG.posed(rest, joint, expression, jaw, eyelids, np.zeros(4)).points
    depth = 0.5 - points[:, 2]
    return 500.0 * points[:, :2] * [1.0, -1.0] / depth[:, None] + [320.0 + shift_px, 240.0]


def marks_of(points: np.ndarray) -> np.ndarray:
    """The 68 marks [F, 68, 2] that lie exactly on the landmarks; what has none is far away."""
    marks = np.full((len(points), 68, 2), 1e4)
    marks[:, measure.MARKS] = points[:, measure.MARKED_POINTS]
    return marks


def test_marks_are_missed_by_as_much_as_the_points_are_moved() -> None:
    points = np.stack([face_px({}), face_px({"jawOpen": 0.5})])
    marks = marks_of(points)
    unit = measure.eye_distance_px(marks)
    moved = points + (0.03 * unit)[:, None, None] * np.array([0.6, -0.8])
    np.testing.assert_allclose(measure.mark_error(points, marks), 0.0, atol=1e-9)
    np.testing.assert_allclose(measure.mark_error(moved, marks), 0.03)
    # What is the same in all pictures is a way of marking, not an error, however the heads are turned.
    turn = matrix_from_axis_angle([0.0, 0.0, 0.5])[:2, :2]
    turned, turned_marks = np.stack([moved[0], moved[1] @ turn.T]), np.stack([marks[0], marks[1] @ turn.T])
    np.testing.assert_allclose(measure.mark_error_less_habits(turned, turned_marks), 0.0, atol=1e-9)
    assert np.all(measure.is_same_face(moved, marks))
    assert not np.any(measure.is_same_face(moved + 0.6 * unit[0], marks))
    assert not np.any(measure.is_same_face(np.full_like(moved, np.nan), marks))


def test_points_and_marks_see_the_same_lips_and_lids() -> None:
    points = np.stack([face_px({}), face_px({"jawOpen": 0.7}), face_px({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})])
    marks = marks_of(points)
    for of_points, of_marks in zip(measure.lips_of_points(points), measure.lips_of_marks(marks), strict=True):
        np.testing.assert_allclose(of_points, of_marks)
    gap, _ = measure.lips_of_points(points)
    assert gap[1] > gap[0] + 0.1
    np.testing.assert_allclose(measure.openness_of_points(points), measure.openness_of_marks(marks))
    assert measure.openness_of_points(points)[2] < 0.5 * measure.openness_of_points(points)[0]


def test_blinks_are_short_and_found_once() -> None:
    times_s = np.arange(0.0, 6.0, 0.04)
    lids = np.zeros((150, 2))
    lids[25:29] = 1.0  # a blink
    lids[60:100] = 1.0  # asleep
    lids[120:124, 0] = 1.0  # a wink is half a closure at most
    assert measure.blinks_of_eyelids(lids, times_s) == [pytest.approx(1.06)]
    openness = 0.3 - 0.28 * lids.max(axis=1)
    openness[60:100] = 0.3
    assert measure.blinks_of_openness(openness, times_s) == [pytest.approx(1.06), pytest.approx(4.86)]
    openness[130:] = np.nan  # the face is gone
    assert measure.blinks_of_openness(openness, times_s) == [pytest.approx(1.06), pytest.approx(4.86)]
    assert measure.matched([1.0, 1.05, 3.0], [1.06, 5.0]) == (1, 3, 2)
    assert measure.matched([1.0, 1.15], [0.98, 1.06]) == (2, 2, 2)  # each is used once, the nearest first
    assert measure.f1([(1, 3, 2), (2, 2, 3)]) == pytest.approx(6 / 10)
    assert np.isnan(measure.f1([]))


def test_trembling_is_the_noise_and_not_the_motion() -> None:
    noise = np.random.default_rng(0).normal(0.0, 2.0, (4000, 3, 2))
    steady = np.linspace(0.0, 900.0, 4000)[:, None, None]
    assert np.sqrt(np.mean(measure.trembling(noise + steady) ** 2)) == pytest.approx(2.0 * np.sqrt(2.0), rel=0.03)
    np.testing.assert_allclose(measure.trembling(steady + np.zeros((4000, 3, 2))), 0.0, atol=1e-9)
    still = np.zeros((30, 53), np.float32)
    shaking = still + np.where(np.arange(30) % 2, 0.01, 0.0)[:, None].astype(np.float32) * np.eye(53)[50]
    assert np.all(measure.lip_jitter_mm(still) == 0.0)
    assert np.all(measure.lip_jitter_mm(shaking) > 0.1)
    # A head that trembles along the line of sight is not seen to.
    turns = np.broadcast_to(np.eye(3), (30, 3, 3))
    away = np.where(np.arange(30) % 2, 0.001, 0.0)[:, None] * np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(measure.head_jitter_mm(turns, away), 0.0, atol=1e-12)
    assert np.all(measure.head_jitter_mm(turns, away[:, ::-1]) > 0.5)


def test_a_talking_mouth_is_not_still() -> None:
    rng = np.random.default_rng(0)
    quiet = np.stack([face_px({})] * 40) + rng.normal(0.0, 0.1, (40, POINTS, 2))
    talk = np.stack([face_px({"jawOpen": 0.5 + 0.5 * np.sin(n / 4)}) for n in range(40)])
    still = is_still(np.concatenate([quiet, talk]))
    assert np.mean(still[:36]) > 0.8
    assert not still[46:].any()
    # Though it is few points of the face that move.
    lower_lip = quiet.copy()
    lower_lip[:, range(MOUTH_ROWS.start, MOUTH_ROWS.start + 12), 1] += 3.0 * np.sin(np.arange(40) / 4)[:, None]
    assert not is_still(lower_lip).any()


def test_gaze_and_turns_are_measured_as_angles() -> None:
    told, true = np.array([[0.1, 0.0, 0.0, 0.2]]), np.zeros((1, 4))
    np.testing.assert_allclose(measure.gaze_error_deg(told, true), np.degrees([[0.1, 0.2]]))
    turns = measure.rotations(np.array([[0.0, 0.3, 0.0], [np.nan] * 3]))
    assert measure.angle_deg(turns, np.stack([np.eye(3)] * 2))[0] == pytest.approx(np.degrees(0.3))
    assert np.isnan(measure.angle_deg(turns, np.stack([np.eye(3)] * 2))[1])


def test_an_error_of_the_brows_is_not_one_of_the_mouth() -> None:
    rest, brows = np.zeros((1, 53), np.float32), np.zeros((1, 53), np.float32)
    brows[0] = ARKIT[ARKIT_SHAPES.index("browInnerUp"), :53]
    found = {region: float(measure.region_error_mm(brows, rest, region)[0]) for region in measure.REGIONS}
    assert found["brows"] > 2.0
    assert found["mouth"] < 0.1 * found["brows"]


def test_blinks_seen_by_eye_are_asked_for_in_their_clips_alone() -> None:
    (name, pictures), other = next(iter(BLINKS.items())), "nobody.knows"
    scenes = [Scene(clip, 150, lambda: frames(150)) for clip in (name, other)]
    seen = [watch(Counter(), scene) for scene in scenes]
    for one in seen:
        one.eyelids[:] = 0.0
        for picture in pictures[1:]:  # misses one
            one.eyelids[picture - 1 : picture + 2] = 1.0
    row = VideoJudged("one", VideoMaterial({CLIPS: scenes}, {}), {CLIPS: seen}, {}, {})
    count = len(pictures)
    assert blinks_by_eye(row) == pytest.approx(2 * (count - 1) / (2 * count - 1))


class Counter:
    """A subject whose motion counts pictures, told late. No face in picture 3."""

    name, tells, fingerprint, size_mb = "counter", frozenset({"expression", "jaw", "eyelids"}), "counter-1", 0.0

    def __init__(self, lookahead: int = 0) -> None:
        self.lookahead, self.asked = lookahead, 0

    def begin(self, focal: float) -> None:
        self._frames: list[VideoFrame] = []
        self.asked += 1

    def look(self, frame: VideoFrame) -> Sight:
        self._frames.append(frame)
        about = self._frames[max(len(self._frames) - 1 - self.lookahead, 0)]
        if frame.index == 3:
            return Sight(None, None)
        motion = Motion(
            about.capture_ns,
            expression=np.full(50, about.index, np.float32),
            eyelids=np.full(2, min(about.index / 10.0, 1.0), np.float32),
        )
        return Sight(motion, np.full((POINTS, 2), frame.index, np.float32))

    def camera(self, size: tuple[int, int]) -> PictureCamera:
        return PictureCamera(1.0, (0.0, 0.0))


def frames(count: int) -> Iterator[VideoFrame]:
    return (VideoFrame(np.zeros((4, 4, 3), np.uint8), index * 40_000_000, index) for index in range(count))


@pytest.mark.parametrize("lookahead", [0, 1, 2])
def test_rows_are_about_their_own_picture_whatever_the_look_ahead(lookahead: int) -> None:
    seen = watch(Counter(lookahead), Scene("count", 9, lambda: frames(9)))
    about = np.arange(9.0)
    about[3 - lookahead] = np.nan  # what picture 3 would have told
    np.testing.assert_array_equal(seen.expression[:, 7], about)
    np.testing.assert_array_equal(np.flatnonzero(seen.held == 0.0), [3])
    np.testing.assert_allclose(seen.eyelids[:, 0], about / 10.0, atol=1e-6)
    assert np.isnan(seen.gaze).all()
    assert np.isnan(seen.points[3]).all()
    np.testing.assert_array_equal(seen.points[4, 0], [4.0, 4.0])


def test_a_subject_is_asked_once(tmp_path: Path) -> None:
    subject, scenes = Counter(), [Scene("one", 5, lambda: frames(5)), Scene("two", 7, lambda: frames(7))]
    first, again = (watched(subject, CLIPS, scenes, tmp_path) for _ in range(2))
    assert subject.asked == 2
    assert [len(seen.held) for seen in again] == [5, 7]
    np.testing.assert_array_equal(first[1].expression, again[1].expression)


def synthetic_store(folder: Path) -> None:
    """Clips of the split `test`: a mouth that opens; pictures are black, but the points are right."""
    depth = np.array([0.0, 0.0, -0.5])
    crop = crop_of_head(np.eye(3), depth, CAMERA).widened(MARGIN)
    head = head_in_crop(np.eye(3), depth, crop, CAMERA)
    opening = np.concatenate([np.linspace(0.0, 0.8, 12), np.full(4, 0.8)])
    back = crop.from_picture()
    points = [face_px({"jawOpen": weight}) @ back[:, :2].T + back[:, 2] for weight in opening]
    motion = opening[:, None] * ARKIT[ARKIT_SHAPES.index("jawOpen")]
    lids = np.zeros((16, 2))
    lids[5:8, 0] = 1.0
    same = {
        "rotation": head.rotation.ravel(),
        "place": head.place,
        "focal": [500.0 / crop.side_px],
        "shape": [0.0] * 100,
    }
    truths = {name: np.tile(values, (16, 1)) for name, values in same.items()}
    truths |= {"points": np.stack(points).reshape(16, -1), "points_seen": np.ones((16, POINTS)), "eyelids": lids}
    truths |= {"expression": motion[:, :50], "jaw": motion[:, 50:53], "gaze": np.zeros((16, 4))}
    truths |= {"visibility": np.ones((16, 4)), "presence": np.ones((16, 1)), "belief": np.ones((16, 1))}
    pictures = np.zeros((16, PICTURE_PX, PICTURE_PX, 3), np.uint8)
    with FaceWriter(folder / "synthetic_faces") as writer:
        for name, split in (("a", "test"), ("b", "train")):
            info = FaceClipInfo(name, name, "made", "synthetic", "free", split, 25.0)
            writer.add(FaceClip(info, pictures, {key: np.asarray(v, np.float32) for key, v in truths.items()}))


class Knowing:
    """A subject that knows the truth of the made-up store, picture by picture; its lips are `late` pictures late."""

    lookahead, tells, size_mb = 0, video_subjects.NativeFace.tells, 1.5
    fingerprint = "knowing"

    def __init__(self, scenes: dict[str, list[Scene]], name: str, late: int = 0) -> None:
        self._scenes = iter([scene for listed in scenes.values() for scene in listed])
        self.name, self.fingerprint, self._late = name, f"{name}-{late}", late

    def begin(self, focal: float) -> None:
        self._truths = next(self._scenes).truths

    def look(self, frame: VideoFrame) -> Sight:
        told = {name: values[frame.index] for name, values in self._truths.items()}
        lips = {name: self._truths[name][max(frame.index - self._late, 0)] for name in ("expression", "jaw")}
        motion = Motion(
            frame.capture_ns,
            eyelids=told["eyelids"],
            gaze=told["gaze"],
            shape=told["shape"],
            head_rotation=axis_angle_from_matrix(told["rotation"].reshape(3, 3)).astype(np.float32),
            head_translation=np.array([0.0, 0.0, -0.5], np.float32),
            **lips,
        )
        return Sight(motion, PICTURE_PX * told["points"].reshape(-1, 2))

    def camera(self, size: tuple[int, int]) -> PictureCamera:
        return PictureCamera(1.0, (0.0, 0.0))


def test_who_knows_the_truth_makes_no_error_and_who_is_late_is_found_out(tmp_path: Path) -> None:
    synthetic_store(tmp_path)
    material = load(None, tmp_path)
    assert [scene.name for scene in material.scenes[SYNTHETIC]] == ["a"]
    assert "MANIFEST" in material.missing[CLIPS]
    rows = [
        VideoJudged(name, material, video.answers(Knowing(material.scenes, name, late), material, tmp_path), {}, {})
        for name, late in (("knowing", 0), ("late", 3))
    ]
    cells = {column.title: [video.cell(column, row) for row in rows] for column in COLUMNS}
    assert cells["NME, synthetic, %"] == ["0.00", "0.00"]
    assert cells["head, synthetic, deg"] == ["0.0", "0.0"]
    assert cells["gaze, synthetic, deg"] == ["0.0", "0.0"]
    assert cells["winks told, synthetic, %"] == ["100", "100"]
    assert cells["mouth error, synthetic, mm"][0] == "0.00"
    assert float(cells["mouth error, synthetic, mm"][1]) > 1.0
    assert cells["delay, synthetic steps, pictures"] == ["0.00", "3.00"]
    assert cells["aperture r, dlib"] == ["n/a", "n/a"]
    assert STEPS in material.scenes
    text = video.page(rows, [cells[column.title] for column in COLUMNS], ["a note"], material)
    assert "| measure | knowing | late |" in text
    assert text.count("- **") == len(COLUMNS)
    assert "- a note" in text
    assert "| synthetic, turned 0 to 20 deg | 16 | 100 | 0.00 | 100 | 0.00 |" in text


def test_a_portraits_name_says_its_groups() -> None:
    assert portrait_groups("xerow03+UTKFace.34_0_3_20170119171627440.jpg.chip") == ["skin Indian", "age 13 to 59"]
    assert portrait_groups("xerow03+UTKFace.61_1_20170109150557335.jpg.chip") == []  # one without a race
    assert portrait_groups("somebody.else") == []


def test_portraits_are_counted_in_their_groups() -> None:
    names = ["u.20_0_1_x", "u.70_1_1_x", "u.30_0_0_x", "u.31_0_0_x"]
    points = np.stack([face_px({})] * 4)
    scenes = [Scene(name, 1, lambda: frames(1)) for name in names]
    seen = [replace(watch(Counter(), scene), points=points[n : n + 1].copy()) for n, scene in enumerate(scenes)]
    seen[1].points[:] = np.nan
    marks = list(marks_of(points)[:, None])
    marks[3] = np.full_like(marks[3], np.nan)  # dlib finds nobody: who would know?
    row = VideoJudged("one", VideoMaterial({PORTRAITS: scenes}, {}), {PORTRAITS: seen}, {}, {PORTRAITS: marks})
    lines = {line[0]: line[1:3] for line in by_group([row])}
    assert lines == {
        "skin Black": ["2", "50"],
        "skin White": ["1", "100"],
        "age 13 to 59": ["2", "100"],
        "age 60 to 119": ["1", "0"],
    }


def test_a_channel_is_told_as_far_as_it_comes_out() -> None:
    """Puffed cheeks that are told by half answer by half; a jaw to the left that is not told at all, not at all."""
    arkit, count = ArkitMap(open_head()), 12
    made = np.zeros((count, 52), np.float32)
    made[:, ARKIT_SHAPES.index("cheekPuff")] = np.linspace(0.0, 1.0, count)
    made[::2, ARKIT_SHAPES.index("jawLeft")] = 1.0
    told = made.copy()
    told[:, ARKIT_SHAPES.index("cheekPuff")] *= 0.5
    told[:, ARKIT_SHAPES.index("jawLeft")] = 0.0
    names = ("expression", "jaw", "eyelids", "gaze")
    true, read = (
        dict(zip(names, map(np.stack, zip(*(arkit.to_motion(row) for row in rows), strict=True)), strict=True))
        for rows in (made, told)
    )
    truths = true | {"rotation": np.tile(np.eye(3, dtype=np.float32).ravel(), (count, 1))}
    truths["visibility"] = np.ones((count, 4), np.float32)
    scene = Scene("channels", count, lambda: frames(count), truths=truths)
    seen = replace(watch(Counter(), scene), **read)
    lines = by_channel([VideoJudged("half", VideoMaterial({SYNTHETIC: [scene]}, {}), {SYNTHETIC: [seen]}, {}, {})])
    told_of = {line[0]: line[1:] for line in lines}
    assert set(told_of) == {"**cheekPuff**", "**jawLeft**"}
    assert told_of["**jawLeft**"] == ["6", "0.00 (0.00)"]
    pictures, figures = told_of["**cheekPuff**"]
    assert pictures == "9"
    correlation, slope = (float(value.strip("()")) for value in figures.split())
    assert correlation > 0.97
    assert slope == pytest.approx(0.5, abs=0.06)
    assert by_channel([]) == []


def test_the_sheet_shows_the_face_that_makes_a_shape_most(tmp_path: Path) -> None:
    arkit, cheek = ArkitMap(open_head()), ARKIT_SHAPES.index("cheekPuff")
    made_up_faces(tmp_path / "made", clips=1, pictures=3)
    clip = FaceStore(tmp_path / "made")[0]
    scenes: list[Scene] = []
    for number, weights in enumerate(([0.1, 0.9, 0.4], [0.3, 1.0, 0.5])):
        truths = {name: values.copy() for name, values in clip.truths.items()}
        for row, weight in enumerate(weights):
            given = np.zeros(52)
            given[cheek] = weight
            for name, values in zip(("expression", "jaw", "eyelids", "gaze"), arkit.to_motion(given), strict=True):
                truths[name][row] = values
        truths["rotation"][:] = np.eye(3).ravel()
        truths["visibility"][:] = 1.0
        # The one that makes it most looks away.
        if number == 1:
            truths["rotation"][1] = matrix_from_axis_angle(np.array([0.0, 1.2, 0.0])).ravel()
        show = [VideoFrame(picture, index + 1, index) for index, picture in enumerate(clip.pictures)]
        scenes.append(Scene(f"scene {number}", 3, lambda show=show: iter(show), truths=truths))
    scene, picture, weight = strongest(scenes, arkit)["cheekPuff"]
    assert (scene.name, picture) == ("scene 0", 1)
    assert weight == pytest.approx(0.9, abs=0.1)
    drawn = sheet({"cheekPuff": (scene, picture, weight)}, [Counter()], open_head())  # type: ignore[list-item]
    assert drawn.shape == (160 + 2 * 18, 3 * 160, 3)
    truth, told = drawn[18:178, 160:320], drawn[18:178, 320:]
    assert (truth != told).any(axis=2).sum() > 50


def test_clips_are_held_against_the_teacher() -> None:
    """The same clip, once more with other lips: r falls, and a head that is turned by 5 degrees is 5 degrees off."""
    material = VideoMaterial({CLIPS: [Scene("count", 30, lambda: frames(30))]}, {})
    opening = np.abs(np.sin(np.arange(30) / 3.0))
    truths = {
        "expression": np.zeros((30, 50), np.float32),
        "jaw": (opening[:, None] * [0.3, 0.0, 0.0]).astype(np.float32),
        "eyelids": np.zeros((30, 2), np.float32),
        "gaze": np.zeros((30, 4), np.float32),
        "shape": np.zeros((30, 100), np.float32),
        "rotation": np.tile(np.eye(3, dtype=np.float32).ravel(), (30, 1)),
        "points": np.stack([face_px({"jawOpen": w}).ravel() for w in opening]).astype(np.float32) / PICTURE_PX,
    }
    scene = Scene("count", 30, lambda: frames(30), truths=truths)
    teacher = watch(Knowing({CLIPS: [scene]}, MediaPipeSolver.name), scene)
    late = watch(Knowing({CLIPS: [scene]}, "late", 4), scene)
    late.head_rotation[:, 1] += np.radians(5.0)
    late.held[:3] = 0.0
    row = VideoJudged("late", material, {CLIPS: [late]}, {CLIPS: [teacher]}, {CLIPS: [marks_of(teacher.points)]})
    cells = {column.title: video.cell(column, row) for column in COLUMNS}
    assert cells["head from MediaPipe + solver, deg"] == "5.0"
    assert cells["held with MediaPipe, %"] == "90.0"
    assert float(cells["aperture r, MediaPipe + solver"]) < 0.7
    same = VideoJudged("same", material, {CLIPS: [teacher]}, {CLIPS: [teacher]}, {CLIPS: [marks_of(teacher.points)]})
    assert video.cell(next(c for c in COLUMNS if c.title == "aperture r, dlib"), same) in ("0.99", "1.00")
    assert video.cell(next(c for c in COLUMNS if c.title == "NME less habits, clips, dlib, %"), same) == "0.00"


def test_costs_are_taken_side_by_side() -> None:
    """One that computes for 3 ms and one that does nothing, of the same pictures in turns."""
    order: list[str] = []

    class Busy:
        def __init__(self, name: str, busy_s: float) -> None:
            self.name, self.busy_s = name, busy_s

        def begin(self, focal: float) -> None:
            order.clear()

        def look(self, frame: VideoFrame) -> None:
            order.append(f"{self.name} {frame.index}")
            end_s = time.thread_time() + self.busy_s
            while time.thread_time() < end_s:
                pass

    grey = np.zeros((4, 4, 3), np.uint8)
    scenes = [
        Scene(f"of {count}", count, lambda count=count: iter(VideoFrame(grey, n, n) for n in range(count)))
        for count in (5, 60)
    ]
    slow, quick = costs_ms([Busy("slow", 0.003), Busy("quick", 0.0)], VideoMaterial({CLIPS: scenes}, {}))  # type: ignore[list-item]
    assert order[18:22] == ["slow 18", "slow 19", "quick 0", "quick 1"]
    assert order[40] == "slow 20"
    assert len(slow) == len(quick) == 2 * 18
    assert np.median(slow) >= 3.0 > 10 * np.median(quick)
    assert [len(costs) for costs in costs_ms([Busy("none", 0.0)], VideoMaterial({}, {}))] == [0]
