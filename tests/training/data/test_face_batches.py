"""What is learnt from: mirrored, cut and covered pictures, whose truths must still be true of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.head.crop import Crop
from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS, MOUTH_ROWS
from models.head.rotation import matrix_from_axis_angle
from protocol.frame import ARKIT_SHAPES
from training.data.detector_scenes import DetectorScenes
from training.data.face_batches import FacePairs, FaceSequences, misses
from training.data.face_looks import cover, draw_look
from training.data.face_source import FaceData, FaceSource, picture_of
from training.data.face_store import PICTURE_PX, FaceClip, FaceClipInfo, FaceStore, FaceWriter
from training.data.made_up_faces import made_up_faces
from training.data.mirror import Truth, mirrored
from training.data.sub_crop import Jitter, cut, told_in
from training.losses.face_surface import FaceSurface, projected
from training.recipe import RecipeError

TURNED = Crop(104.0, 90.0, 140.0, 0.3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("faces")
    made_up_faces(made / "made", pictures=6)
    return made


@pytest.fixture(scope="module")
def store(folder: Path) -> FaceStore:
    return FaceStore(folder / "made")


@pytest.fixture(scope="module")
def surface() -> FaceSurface:
    return FaceSurface(open_head())


def shown(surface: FaceSurface, truth: Truth) -> np.ndarray:
    """Where the points of the face that `truth` tells are in its crop, [140, 2]."""
    told = {name: torch.tensor(np.ascontiguousarray(values))[None] for name, values in truth.items()}
    motion = torch.cat([told["expression"], told["jaw"]], dim=1)
    points = surface(motion, told["eyelids"], told["gaze"], told["shape"])
    return projected(points, told["rotation"].reshape(1, 3, 3), told["place"], told["focal"][0])[0].numpy()


def points_of(truth: Truth) -> np.ndarray:
    return truth["points"].reshape(-1, 2)


def test_a_painted_face_is_where_its_truths_say(store: FaceStore, surface: FaceSurface) -> None:
    for row in range(6):
        _, truth = picture_of(store, row)
        # The stored crop is told by a camera that looks at its middle, the picture was taken by another: 1 % of a side.
        np.testing.assert_allclose(shown(surface, truth), points_of(truth), atol=0.01)


def test_the_mirror_image_of_a_face_is_the_face_of_its_mirrored_truths(surface: FaceSurface) -> None:
    rng = np.random.default_rng(0)
    values = {
        "expression": rng.normal(0.0, 1.0, 50),
        "shape": rng.normal(0.0, 1.0, 100),
        "jaw": [0.1, 0.05, 0.05],
        "eyelids": [0.1, 0.9],
        "gaze": [0.1, 0.2, -0.1, -0.3],
        "rotation": matrix_from_axis_angle((0.2, 0.4, 0.3)).reshape(9),
        "place": [0.56, 0.4, 3.0],
        "focal": [2.0],
    }
    truth = {name: np.array(value, np.float32) for name, value in values.items()}
    truth["points"] = shown(surface, truth).reshape(-1).astype(np.float32)
    told = mirrored(truth)
    # What moves points is mirrored, and points are: both agree to what left and right of the embedding differ by.
    np.testing.assert_allclose(shown(surface, told), points_of(told), atol=0.002)
    right, left = FACE_POINTS.index(61), FACE_POINTS.index(291)
    np.testing.assert_allclose(points_of(told)[right], (1.0, 0.0) + points_of(truth)[left] * (-1.0, 1.0), atol=1e-6)


def test_mirroring_twice_changes_nothing(store: FaceStore) -> None:
    _, truth = picture_of(store, 3)
    truth["blendshapes"] = np.arange(52, dtype=np.float32)
    twice = mirrored(mirrored(truth))
    for name, values in truth.items():
        np.testing.assert_allclose(twice[name], values, atol=1e-6, err_msg=name)
    once = mirrored(truth)["blendshapes"]
    assert once[ARKIT_SHAPES.index("jawLeft")] == ARKIT_SHAPES.index("jawRight")
    assert once[ARKIT_SHAPES.index("jawOpen")] == ARKIT_SHAPES.index("jawOpen")


def test_truths_in_a_sub_crop_are_true_of_it(store: FaceStore, surface: FaceSurface) -> None:
    for row in range(6):
        _, truth = picture_of(store, row)
        told = told_in(truth, TURNED)
        np.testing.assert_allclose(shown(surface, told), points_of(told), atol=0.015)
        # What the crop's tilt is, the head's is less.
        assert abs(shown(surface, {**told, "rotation": truth["rotation"]}) - points_of(told)).max() > 0.05


def test_pixels_go_where_points_go(store: FaceStore) -> None:
    picture = np.zeros((PICTURE_PX, PICTURE_PX, 3), np.uint8)
    at = np.array([0.55, 0.6]) * PICTURE_PX
    cv2.circle(
        picture, tuple(np.round(16 * (at - 0.5)).astype(int).tolist()), 16 * 4, (255, 255, 255), -1, cv2.LINE_AA, 4
    )
    _, truth = picture_of(store, 0)
    truth["points"] = np.tile(at / PICTURE_PX, 140).astype(np.float32)
    seen = cut(picture, TURNED, 128).astype(np.float64)[:, :, 0]
    rows, columns = np.mgrid[:128, :128] + 0.5
    centre = np.array([(seen * columns).sum(), (seen * rows).sum()]) / seen.sum() / 128
    np.testing.assert_allclose(points_of(told_in(truth, TURNED))[0], centre, atol=0.002)


def test_what_is_unknown_stays_so(store: FaceStore) -> None:
    _, truth = picture_of(store, 0)
    for name in ("rotation", "focal", "points"):
        truth[name] = np.full_like(truth[name], np.nan)
    told = told_in(mirrored(truth), TURNED)
    assert np.isnan(told["rotation"]).all()
    assert np.isnan(told["points"]).all()
    assert np.isfinite(told["expression"]).all()


def test_what_is_covered_is_unseen(store: FaceStore) -> None:
    picture, truth = picture_of(store, 0)
    rng = np.random.default_rng(0)
    for _ in range(20):
        covered, told = cover(picture, truth, 255 - picture, rng)
        is_changed = (covered != picture).any(axis=2)
        is_hidden = told["points_seen"] == 0.0
        pixels = np.clip(points_of(truth) * PICTURE_PX, 0, PICTURE_PX - 1).astype(int)
        assert (is_hidden == is_changed[pixels[:, 1], pixels[:, 0]]).mean() > 0.97
        assert told["visibility"][0] == pytest.approx(1.0 - is_hidden[MOUTH_ROWS].mean())
        assert told["visibility"][3] == pytest.approx(1.0 - is_hidden.mean())


def test_a_look_is_the_same_camera_with_new_noise(store: FaceStore) -> None:
    picture, _ = picture_of(store, 0)
    noisy = 0
    for seed in range(12):
        look = draw_look(np.random.default_rng(seed))
        one, other = (look(picture, np.random.default_rng(noise)) for noise in (0, 1))
        again = look(picture, np.random.default_rng(0))
        assert one.dtype == np.uint8
        assert one.shape == picture.shape
        np.testing.assert_array_equal(one, again)
        noisy += bool((one != other).any())
    assert noisy >= 4


def test_a_step_has_its_batch_whenever_it_is_asked_for(folder: Path) -> None:
    data = FaceData(str(folder), {"made": 1.0}, pictures=4)
    for kind in (FacePairs, FaceSequences, DetectorScenes):
        first, second = kind(data, 4, seed=3), kind(data, 4, seed=3)
        _ = second[0]
        batch = first[5]
        for name, values in batch.items():
            torch.testing.assert_close(values, second[5][name], equal_nan=True, rtol=0.0, atol=0.0)
        name = "picture" if kind is DetectorScenes else "crop"
        assert not torch.equal(batch[name], first[6][name])
        assert not torch.equal(batch[name], kind(data, 4, seed=4)[5][name])


def test_pairs_are_of_one_person_who_is_mirrored_alike(folder: Path) -> None:
    batch = FacePairs(FaceData(str(folder), {"made": 1.0}, nobody=0.0), 16, seed=1)[0]
    one, other = batch["shape"].chunk(2)
    torch.testing.assert_close(one, other)
    expression = (batch["expression"][:8] - batch["expression"][8:]).abs().max(dim=1).values
    assert ((expression < 1e-6) == (batch["same"] > 0.5)).all()
    assert 0 < float(batch["same"].sum()) < 8
    assert batch["crop"].shape == (16, 128, 128, 3)
    assert float((batch["rotation"][:8] - batch["rotation"][8:]).abs().max()) > 0.01


def test_pairs_may_be_pulled_apart(folder: Path) -> None:
    """Two faces of one picture: what was pulled is told in the one and not in the other."""
    pairs = FacePairs(FaceData(str(folder), {"made": 1.0}, nobody=0.0, same=1.0, apart=1.0), 64, seed=1)[0]
    assert not pairs["same"].any()
    one, other = pairs["expression"].chunk(2)
    changed = (one - other).abs().max(dim=1).values > 0.01
    assert changed.float().mean() > 0.8
    torch.testing.assert_close(*pairs["shape"].chunk(2))
    held_out = FaceData(str(folder), {"made": 1.0}, nobody=0.0, apart=1.0, validation_split="train")
    assert FacePairs(held_out, 8, seed=1, is_validation=True)[0]["same"].all()


def test_stills_of_a_person_make_pairs(tmp_path: Path) -> None:
    """Who was drawn in single pictures is seen in two of them, and never beside somebody else."""
    with FaceWriter(tmp_path / "stills") as writer:
        for number in range(6):
            made_up_faces(tmp_path / str(number), clips=1, pictures=1, seed=number // 3)
            clip = FaceStore(tmp_path / str(number))[0]
            person = f"person {number // 3}"
            truths = clip.truths | {"gaze": np.full((1, 4), 0.01 * number, np.float32)}
            writer.add(replace(clip, info=replace(clip.info, name=str(number), person=person), truths=truths))
    data = FaceData(str(tmp_path), {"stills": 1.0}, nobody=0.0, same=0.0)
    one, other = FacePairs(data, 64, seed=1)[0]["gaze"][:, 0].abs().div(0.01).round().chunk(2)
    assert (one != other).float().mean() == pytest.approx(2 / 3, abs=0.25)
    torch.testing.assert_close(one // 3, other // 3)


def test_nobody_is_told_of_by_absence(folder: Path) -> None:
    batch = FacePairs(FaceData(str(folder), {"made": 1.0}, nobody=1.0), 4, seed=1)[0]
    assert batch["presence"].tolist() == [0.0] * 4
    assert torch.isnan(batch["expression"]).all()
    assert torch.isnan(batch["points"]).all()


def test_what_lies_beside_a_face_shows_nothing_of_it(store: FaceStore) -> None:
    rng = np.random.default_rng(0)
    _, truth = picture_of(store, 0)
    crops = [Jitter().anywhere(rng) for _ in range(400)]
    beside = [crop for crop in crops if misses(crop, truth)]
    assert 20 < len(beside) < 300
    for crop in beside:
        seen = points_of(told_in(truth, crop))
        assert not ((seen > 0.0) & (seen < 1.0)).all(axis=1).any()
    unknown = truth | {"points": np.full_like(truth["points"], np.nan)}
    assert not any(misses(crop, unknown) for crop in beside)


def test_crops_are_off_as_far_as_the_driver_s_and_rarely_farther() -> None:
    rng = np.random.default_rng(0)
    crops = [Jitter().draw(rng) for _ in range(2000)]
    off = np.array([abs(crop.x_px - PICTURE_PX / 2) / 128 for crop in crops])
    roll = np.array([abs(crop.roll_rad) for crop in crops])
    assert 0.01 < (off > 0.08).mean() < 0.08
    assert off.max() < 0.17
    assert np.degrees(np.quantile(roll, 0.9)) < 12.0 < np.degrees(roll.max()) < 24.1


def test_sequences_are_pictures_in_a_row(folder: Path) -> None:
    batch = FaceSequences(FaceData(str(folder), {"made": 1.0}, pictures=4), 3, seed=2)[0]
    assert batch["crop"].shape == (3, 4, 128, 128, 3)
    assert batch["step_s"].unique().tolist() == pytest.approx([1.0 / 30.0])
    # Painted faces move in a straight line: the second difference is nothing.
    assert float(batch["expression"].diff(dim=1).diff(dim=1).abs().max()) < 1e-4
    assert float(batch["expression"].diff(dim=1).abs().max()) > 0.01
    assert set(batch["lookahead"].tolist()) <= {0, 1, 2}


def test_only_what_may_be_used_is(folder: Path) -> None:
    with pytest.raises(RecipeError, match="no clip of at least 1 pictures"):
        FacePairs(FaceData(str(folder), {"made": 1.0}, uses=["weights"]), 4, seed=0)
    with pytest.raises(RecipeError, match="come in pairs"):
        FacePairs(FaceData(str(folder), {"made": 1.0}), 3, seed=0)
    with pytest.raises(RecipeError, match="build it with"):
        FacePairs(FaceData(str(folder), {"other": 1.0}), 4, seed=0)
    trained, judged = (FaceSource.of(FaceData(str(folder), {"made": 1.0}), 1, flag) for flag in (False, True))
    rng = np.random.default_rng(0)
    assert {trained.face(rng)[1] for _ in range(50)} == {0, 1, 2, 3}
    assert {judged.face(rng)[1] for _ in range(50)} == {4}


def test_who_is_filmed_often_is_not_all_there_is(tmp_path: Path) -> None:
    grey = np.full((1, PICTURE_PX, PICTURE_PX, 3), 128, np.uint8)
    with FaceWriter(tmp_path / "made") as writer:
        for number in range(10):
            info = FaceClipInfo(f"clip{number}", "often" if number < 9 else "once", "", "photo", "free", "train")
            writer.add(FaceClip(info, grey, {"presence": np.ones((1, 1), np.float32)}))
    source, rng = FaceSource(tmp_path, {"made": 1.0}, ["free"], "train"), np.random.default_rng(0)
    once = np.mean([source.face(rng)[1] == 9 for _ in range(400)])
    assert 0.2 < once < 0.3, "nine pictures of one person are three times as likely as one of another"


def test_scenes_show_the_faces_that_they_tell_of(folder: Path) -> None:
    scenes = DetectorScenes(FaceData(str(folder), {"made": 1.0}, looks=0.0), 1, seed=0)
    rng, heights = np.random.default_rng(0), []
    for _ in range(40):
        picture, boxes, points = scenes.scene(rng)
        for box, marks in zip(boxes, points, strict=True):
            if not np.isfinite(box).all():
                continue
            heights.append((box[3] - box[1]) * 256 / np.flatnonzero(picture.any(axis=(1, 2))).size)
            assert (marks >= box[:2] - 1e-5).all()
            assert (marks <= box[2:] + 1e-5).all()
            right, left = marks[0], marks[1]
            assert np.linalg.norm(marks[2] - 0.5 * (right + left)) < np.linalg.norm(marks[3:].mean(axis=0) - right)
    assert 0.06 < min(heights) < 0.15
    assert max(heights) > 0.5
