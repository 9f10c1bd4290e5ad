"""Pictures pulled into other expressions: the picture, the points and the motion say the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.head.flame import open_head
from models.head.landmarks import BROW_ROWS, MOUTH_ROWS
from training.data.face_batches import FacePairs
from training.data.face_source import FaceData, picture_of
from training.data.face_store import PICTURE_PX, FaceStore
from training.data.face_warp import pulled
from training.data.made_up_faces import made_up_faces
from training.data.mirror import Truth
from training.losses.face_surface import FaceSurface, projected


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faces")
    made_up_faces(path / "faces", clips=10, pictures=2)
    return path


def points_of(truth: Truth) -> NDArray[np.float32]:
    """FACE_POINTS as the head behind the picture has them, pixels."""
    value = {name: torch.tensor(values)[None] for name, values in truth.items()}
    motion = torch.cat([value["expression"], value["jaw"]], dim=1)
    at = FaceSurface(open_head())(motion, value["eyelids"], value["gaze"], value["shape"])
    return projected(at, value["rotation"].reshape(1, 3, 3), value["place"], value["focal"][0])[0].numpy() * PICTURE_PX


def test_points_go_where_the_head_says(folder: Path) -> None:
    store, rng = FaceStore(folder / "faces"), np.random.default_rng(0)
    truly, told = list[NDArray[np.float32]](), list[NDArray[np.float32]]()
    for row in range(20):
        picture, truth = picture_of(store, row)
        _, after = pulled(picture, truth, rng)
        assert np.isfinite(after["expression"]).all()
        truly.append((points_of(after) - points_of(truth))[: BROW_ROWS.stop])
        told.append(((after["points"] - truth["points"]).reshape(-1, 2) * PICTURE_PX)[: BROW_ROWS.stop])
    true, seen = np.concatenate(truly), np.concatenate(told)
    assert np.abs(true).max() > 3.0
    # What smoothing takes from small places, like the inner lips', is a tenth.
    assert (true * seen).sum() / np.square(true).sum() == pytest.approx(0.9, abs=0.06)
    assert np.square(seen - true).sum() < 0.1 * np.square(true).sum()


def test_the_picture_goes_along_with_the_points(folder: Path) -> None:
    """Of a picture whose colours are places, each point still shows the place where it was."""
    _, truth = picture_of(FaceStore(folder / "faces"), 0)
    rows, columns = np.indices((PICTURE_PX, PICTURE_PX))
    places = np.stack([columns, rows, np.zeros_like(rows)], axis=2).astype(np.uint8)
    moved, after = pulled(places, truth, np.random.default_rng(1))
    was, now = (told["points"].reshape(-1, 2)[MOUTH_ROWS] * PICTURE_PX - 0.5 for told in (truth, after))
    assert np.linalg.norm(now - was, axis=1).max() > 2.0
    at = np.rint(now).astype(int)
    shown = moved[at[:, 1], at[:, 0], :2].astype(float)
    # A pixel's place is right to half a pixel, its colour to half a level.
    assert np.abs(shown - was).max() < 1.5
    corners = [(0, 0), (0, PICTURE_PX - 1), (PICTURE_PX - 1, 0)]
    assert all((moved[corner] == places[corner]).all() for corner in corners), "beside the face nothing moves"


def test_what_is_not_known_stays_as_it_was(folder: Path) -> None:
    picture, truth = picture_of(FaceStore(folder / "faces"), 0)
    unknown = {**truth, "place": np.full(3, np.nan, np.float32)}
    same, told = pulled(picture, unknown, np.random.default_rng(0))
    assert same is picture
    assert told is unknown


def test_crops_of_one_picture_are_pulled_alike_and_never_those_that_judge(folder: Path) -> None:
    data = FaceData(str(folder), {"faces": 1.0}, nobody=0.0, looks=0.0, covered=0.0, same=1.0, pulled=1.0)
    batch = FacePairs(data, 16, 0)[0]
    one, other = batch["expression"].chunk(2)
    assert torch.equal(one, other)
    as_taken = FacePairs(FaceData(**{**vars(data), "pulled": 0.0}), 16, 0)
    stored = np.concatenate([clip.truths["expression"] for clip in FaceStore(folder / "faces")])

    def is_stored(rows: torch.Tensor) -> bool:
        """By their lengths, which a mirror does not change."""
        lengths = np.linalg.norm(stored, axis=1)
        return all(np.nanmin(np.abs(lengths - float(row.norm()))) < 1e-4 for row in rows)

    assert not is_stored(one)
    assert is_stored(as_taken[0]["expression"])
    judged = FacePairs(data, 16, 0, is_validation=True)[0]
    assert is_stored(judged["expression"])
