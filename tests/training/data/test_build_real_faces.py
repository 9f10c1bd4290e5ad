"""Pseudo-truth agrees with the pictures it is told of, one person has one identity, and broken files break nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.synthetic_face import Person, Pose, moving, tracks

from driver import demo
from driver.cut import cut
from driver.errors import ModelError
from driver.face_model import find_face_model
from driver.landmark_solver import LandmarkSolver
from models.head.crop import Crop
from models.head.landmarks import FACE_POINTS
from protocol.frame import ARKIT_SHAPES
from training.data.build_real_faces import build, recordings, split_by_person
from training.data.face_sheet import HeadPoints, sheet
from training.data.face_store import MARGIN, FaceClip, FaceClipInfo, FaceStore
from training.evaluate.solved_faces import PictureTruths, solve

SHAPE = np.array([1.0, -0.8, 0.6, 0.5, -0.4])


def talking(seconds: float) -> Pose:
    opening = 0.5 + 0.5 * np.sin(12.0 * seconds)
    return Pose({"jawOpen": 0.6 * opening, "mouthSmileLeft": 0.5 * (1.0 - opening)}, rotation=(0.05, 0.25, 0.1))


def info(person: str, split: str, use: str = "free", kind: str = "photo", name: str = "x") -> FaceClipInfo:
    return FaceClipInfo(name, person, "test", kind, use, split)


def test_a_crop_is_cut_where_it_says() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    cv2.circle(image, (140, 90), 4, (255, 255, 255), -1)
    for side_px in (60.0, 400.0):  # enlarged, and averaged
        crop = Crop(150.0, 80.0, side_px, 0.4)
        piece = cut(image, crop, 96)[:, :, 0].astype(float)
        rows, columns = np.mgrid[0:96, 0:96] + 0.5
        seen = np.array([(piece * columns).sum(), (piece * rows).sum()]) / piece.sum() / 96
        back = crop.from_picture()
        # OpenCV counts pixels from their middles.
        np.testing.assert_allclose(seen, back[:, :2] @ [140.5, 90.5] + back[:, 2], atol=0.004)
    assert crop.widened(1.5).side_px == pytest.approx(600.0)


def test_a_solver_that_does_not_learn_keeps_its_person() -> None:
    seen = tracks(Person(SHAPE), moving(40, talking))
    solver = LandmarkSolver()
    for track in seen[:10]:
        before = solver.process(track).shape
    solver.learns = False
    for track in seen[10:]:
        np.testing.assert_array_equal(solver.process(track).shape, before)
    solver.learns = True
    for number, track in enumerate(seen):
        after = solver.process(replace(track, capture_ns=seen[-1].capture_ns + (number + 1) * 33_000_000)).shape
    assert not np.array_equal(after, before)


def test_a_solver_that_does_not_learn_does_not_get_used_to_heavy_lids() -> None:
    """What is open for a person is learnt too: lids that hang for two seconds are half open eyes only by then."""
    heavy = [Pose({"eyeBlinkLeft": 0.3, "eyeBlinkRight": 0.3})] * 60
    drift = {}
    for learns in (True, False):
        solver = LandmarkSolver()
        for track in tracks(Person(SHAPE), [Pose()] * 15):
            solver.process(track)
        solver.learns = learns
        later = [replace(track, capture_ns=track.capture_ns + 500_000_000) for track in tracks(Person(SHAPE), heavy)]
        lids = [float(solver.process(track).eyelids[0]) for track in later]
        drift[learns] = lids[10] - lids[-1]
    assert drift[True] > 0.02
    assert abs(drift[False]) < 0.005


def test_pseudo_truth_lies_on_the_points_it_came_from() -> None:
    solved = solve(tracks(Person(SHAPE), moving(30, talking)))
    assert all(np.array_equal(motion.shape, solved.motions[0].shape) for motion in solved.motions)
    told = PictureTruths().of(solved.tracks[7], solved.motions[7], solved.camera)
    assert told.error_m < 0.002
    assert told.truths["belief"][0] == pytest.approx(0.5)
    # The stored crop's own camera sees the solved head where the points are.
    truths = {name: values[None] for name, values in told.truths.items()}
    clip = FaceClip(info("p", "train"), np.zeros((1, 192, 192, 3), np.uint8), truths)
    points = told.truths["points"].reshape(-1, 2)
    apart = np.linalg.norm(HeadPoints().of(clip, 0) - points, axis=1)
    assert np.median(apart) < 0.006
    # A head's pixels are MARGIN times fewer in the stored crop than in a network's: its face is about 0.14 m wide.
    assert np.ptp(points[:, 0]) == pytest.approx(0.14 / 0.24 / MARGIN, rel=0.15)


def test_a_turned_head_hides_its_far_cheek() -> None:
    solved = solve(tracks(Person(SHAPE), [Pose(rotation=(0.0, 0.7, 0.0))] * 12))  # to the subject's left
    seen = PictureTruths().of(solved.tracks[-1], solved.motions[-1], solved.camera).truths["points_seen"]
    assert seen[FACE_POINTS.index(234)] > 0.9  # the right ear's edge is towards the camera
    assert seen[FACE_POINTS.index(454)] < 0.2


def test_where_head_and_points_disagree_only_the_points_stay() -> None:
    solved = solve(tracks(Person(SHAPE), moving(20, talking)))
    track = solved.tracks[5]
    assert track.landmarks is not None
    wrong = track.landmarks.copy()
    wrong[:, :2] += np.random.default_rng(0).normal(0.0, 18.0, wrong[:, :2].shape)
    told = PictureTruths().of(replace(track, landmarks=wrong), solved.motions[5], solved.camera)
    assert told.truths["belief"][0] == 0.0
    assert not {"expression", "jaw", "shape", "rotation"} & set(told.truths)
    assert np.isfinite(told.truths["points"]).all()


def test_nobody_is_in_two_splits() -> None:
    mixed = [info("ann", "train"), info("ann", "val"), info("bob", "val")]
    assert [item.split for item in split_by_person(mixed)] == ["train", "train", "val"]


def test_videos_for_research_are_tests_unless_their_person_is_learnt_from() -> None:
    clips = [info("cat", "train", "research", "video"), info("dan", "train", "research", "video")]
    assert [item.split for item in split_by_person([*clips, info("dan", "train", "weights", "video")])] == [
        "test",
        "train",
        "train",
    ]


def test_the_speaker_of_a_corpus_keeps_the_manifests_splits() -> None:
    corpus = [info("eve", "val" if number % 5 == 0 else "train", kind="video") for number in range(25)]
    assert [item.split for item in split_by_person(corpus)] == [item.split for item in corpus]


def test_a_store_is_built_past_broken_files_and_goes_on(tmp_path: Path) -> None:
    try:
        face_model = find_face_model()
    except ModelError as error:
        pytest.skip(f"needs MediaPipe's networks: {error}")
    capture = cv2.VideoCapture(str(Path(demo.__file__).with_name("sample.mp4")))
    frames = [capture.read()[1] for _ in range(8)]
    data = tmp_path / "data"
    (data / "images" / "a").mkdir(parents=True)
    (data / "video" / "b").mkdir(parents=True)
    cv2.imwrite(str(data / "images/a/face.png"), frames[0])
    cv2.imwrite(str(data / "images/a/empty.png"), np.full((200, 200, 3), 90, np.uint8))
    (data / "images/a/broken.jpg").write_bytes(b"no picture")
    (data / "video/b/broken.mp4").write_bytes(b"no video")
    height, width = frames[0].shape[:2]
    film = cv2.VideoWriter(str(data / "video/b/film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (width, height))
    for frame in frames:
        film.write(frame)
    film.release()
    lines = ["path\tkind\tsplit\tuse\tlicence\tsource\tperson\tnote"]
    lines += [f"images/a/{name}\timages\ttrain\tfree\t-\t-\t\t" for name in ("face.png", "empty.png", "broken.jpg")]
    lines += [f"video/b/{name}\tvideo\ttrain\tfree\t-\t-\tP1\t" for name in ("broken.mp4", "film.avi")]
    (data / "MANIFEST.tsv").write_text("\n".join(lines) + "\n")
    assert len(recordings(data)) == 5
    said = list(build(tmp_path, data, face_model))
    assert sum("left out" in line for line in said) == 2
    store = FaceStore(tmp_path / "real_faces")
    found = {item.name: int(count) for item, count in zip(store.infos, store.counts, strict=True)}
    assert found == {"b.film": 8, "a.face": 1}
    clip = store[store.infos.index(next(item for item in store.infos if item.kind == "video"))]
    assert clip.info.rate_hz == pytest.approx(25.0, abs=0.1)
    assert np.all(clip.truths["belief"] > 0.1)
    assert np.ptp(clip.truths["shape"], axis=0).max() == 0.0
    scores = clip.truths["blendshapes"]
    assert np.isnan(scores[:, ARKIT_SHAPES.index("tongueOut")]).all()
    assert np.isfinite(np.delete(scores, ARKIT_SHAPES.index("tongueOut"), axis=1)).all()
    assert scores[:, ARKIT_SHAPES.index("jawOpen")].max() < 1.0
    assert sheet(store, 4, 2).shape == (480, 480, 3)
    turns = clip.truths["rotation"].reshape(-1, 3, 3).astype(float)
    np.testing.assert_allclose(turns @ turns.swapaxes(1, 2), np.broadcast_to(np.eye(3), turns.shape), atol=1e-5)
    assert list(build(tmp_path, data, face_model)) == []


def test_lips_and_camera_agree_about_a_smile_to_one_side() -> None:
    """Left is the subject's left all the way: a left smile moves the left corner of the mouth in the stored crop."""
    solved = solve(tracks(Person(SHAPE), [Pose()] * 6 + [Pose({"mouthSmileLeft": 1.0})] * 6))
    truths = PictureTruths()
    rest, smile = (truths.of(solved.tracks[n], solved.motions[n], solved.camera).truths for n in (3, 11))
    moved = (smile["points"] - rest["points"]).reshape(-1, 2)
    left, right = (np.linalg.norm(moved[FACE_POINTS.index(corner)]) for corner in (291, 61))
    assert left > 4.0 * right
