"""Pictures and their truths survive a store, and a crash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.head.landmarks import FACE_POINTS, LANDMARK_COUNT, open_head_landmarks
from training.data.face_store import COLUMNS, PICTURE_PX, SIZES, FaceClip, FaceClipInfo, FaceStore, FaceWriter


def clip(name: str, count: int = 3) -> FaceClip:
    rng = np.random.default_rng(len(name))
    pictures = rng.integers(0, 256, (count, PICTURE_PX, PICTURE_PX, 3)).astype(np.uint8)
    truths = {part: rng.normal(size=(count, SIZES[part])).astype(np.float32) for part in ("jaw", "points")}
    return FaceClip(FaceClipInfo(name, "somebody", "made", "synthetic", "free", "train", 30.0), pictures, truths)


def test_a_clip_comes_back_as_it_was(tmp_path: Path) -> None:
    first, second = clip("a"), clip("bb", 2)
    with FaceWriter(tmp_path) as writer:
        writer.add(first)
        writer.add(second)
        writer.add(second)
    store = FaceStore(tmp_path)
    assert len(store) == 2
    assert store.truths.shape == (5, COLUMNS)
    again = store[1]
    assert again.info == second.info
    np.testing.assert_array_equal(again.pictures, second.pictures)
    np.testing.assert_array_equal(again.truths["jaw"], second.truths["jaw"])
    assert np.isnan(again.truths["expression"]).all()


def test_half_a_clip_is_overwritten(tmp_path: Path) -> None:
    with FaceWriter(tmp_path) as writer:
        writer.add(clip("a"))
    with (tmp_path / "pictures.u8").open("ab") as file:
        file.write(b"half a picture")
    with FaceWriter(tmp_path) as writer:
        writer.add(clip("bb"))
    np.testing.assert_array_equal(FaceStore(tmp_path)[1].pictures, clip("bb").pictures)


@pytest.mark.parametrize("part", [("jaw", (3, 2)), ("nose", (3, 3))])
def test_a_truth_that_does_not_fit_is_refused(part: tuple[str, tuple[int, int]], tmp_path: Path) -> None:
    whole = clip("a")
    broken = FaceClip(whole.info, whole.pictures, {part[0]: np.zeros(part[1], np.float32)})
    with FaceWriter(tmp_path) as writer, pytest.raises(ValueError, match="its size"):
        writer.add(broken)


def test_the_points_are_of_both_sides() -> None:
    assert len(set(FACE_POINTS)) == len(FACE_POINTS)
    assert max(FACE_POINTS) < LANDMARK_COUNT
    mirror = open_head_landmarks().mirror
    assert {int(mirror[point]) for point in FACE_POINTS} == set(FACE_POINTS)
